#!/usr/bin/env node
// Makes the wasm compiler from npm look like the native `solc` that forge calls, so that tests need no download.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

const solc = createRequire(import.meta.url)('solc')
const flags = process.argv.slice(2)

if (flags.includes('--version')) {
  const version = solc.version().replace('.Emscripten.clang', '.Linux.g++')
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}`)
} else {
  const basePath = flags.includes('--base-path') ? flags[flags.indexOf('--base-path') + 1] : '.'
  const readSource = (path) => {
    try {
      return { contents: readFileSync(resolve(basePath, path), 'utf8') }
    } catch (error) {
      return { error: String(error) }
    }
  }
  process.stdout.write(solc.compile(readFileSync(0, 'utf8'), { import: readSource }))
}

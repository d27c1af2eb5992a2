// npm test: all tests, or those whose path contains one of the words given: npm test -- sdpp
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { preparePage } from './page.mjs'
import { install, root, runNode } from './setup.mjs'

const words = process.argv.slice(2)
const files = readdirSync(join(root, 'test'), { recursive: true })
  .map((file) => join('test', file))
  // What needs a public network is npm run test:public.
  .filter((file) => file.endsWith('.test.ts') && !file.startsWith(join('test', 'public')))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort()
if (files.length === 0) {
  process.stderr.write(`no test file matches ${words.join(' ')}\n`)
  process.exit(2)
}
install()
preparePage()
// The processes that tests start run what is published: they start in half the time.
const { buildPeers, buildProgram } = await import('./program.mjs')
await buildProgram()
process.env.TEST_PROGRAM = 'dist/lib/ddm.js'
process.env.TEST_PEERS = await buildPeers()
const concurrency = Math.max(2, Math.min(4, availableParallelism()))
runNode(['--test', `--test-concurrency=${concurrency}`, '--test-timeout=240000', ...files])

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { tempDir } from '../support/temp-dir.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const NOT_COPIED = ['node_modules', '.git', 'dist', '.ddm'].map((name) => join(ROOT, name))

/** As for a stranger: no settings of ours, and the Node that runs this test. */
const ENVIRONMENT = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DDM_'))),
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`
}

async function output(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(command, args, { cwd, env: ENVIRONMENT, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

/** Packed from a copy: building takes the page away meanwhile, which other tests look at. */
async function pack(folder: string): Promise<string> {
  const copy = join(folder, 'copy')
  await cp(ROOT, copy, { recursive: true, filter: (path) => !NOT_COPIED.includes(path) })
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  await output(copy, 'npm', 'pack', '--loglevel=error', '--pack-destination', folder)
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
  return join(folder, tarball ?? '')
}

test('what npm packs installs elsewhere, and a market runs from it', async (t) => {
  const folder = await tempDir(t)
  const tarball = await pack(folder)
  const elsewhere = join(folder, 'elsewhere')
  await mkdir(elsewhere)
  await writeFile(join(elsewhere, 'package.json'), '{ "private": true }')
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  const startedAt = performance.now()
  await output(elsewhere, 'npm', 'install', ...flags, tarball)
  t.diagnostic(`installed in ${Math.round((performance.now() - startedAt) / 1_000)} s`)

  const installed = join(elsewhere, 'node_modules', 'ddm')
  for (const file of ['dist/web/index.html', 'docs/ARCHITECTURE.md', 'LICENSE', 'NOTICE']) {
    assert.ok(existsSync(join(installed, file)), `${file} is not in the package`)
  }
  for (const name of ['src', 'test', 'node_modules/typescript']) assert.ok(!existsSync(join(installed, name)))

  const script = "const { createNode } = await import('ddm'); console.log(typeof createNode)"
  assert.equal(await output(elsewhere, process.execPath, '--input-type=module', '-e', script), 'function\n')
  const ddm = join(elsewhere, 'node_modules', '.bin', 'ddm')
  const said = await output(elsewhere, ddm, 'demo', '--once', '--json')
  const { due, paid, receipts } = JSON.parse(said.trim().split('\n').at(-1) ?? '') as {
    due: string
    paid: string
    receipts: Array<{ verified: boolean }>
  }
  assert.deepEqual([due, paid], ['0.09759', '0.09759'])
  assert.deepEqual(
    receipts.map(({ verified }) => verified),
    [true, true]
  )
})

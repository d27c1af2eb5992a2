import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { DdmError } from '../../../src/interface/index.ts'
import {
  createHome,
  homePaths,
  lockHome,
  readNetworkFile,
  resolveHome,
  writeNetworkFile
} from '../../../src/node/home.ts'
import { tempDir } from '../../support/temp-dir.ts'

const HOLDER = `
const { createHome, lockHome } = await import(${JSON.stringify(new URL('../../../src/node/home.ts', import.meta.url))})
try {
  await lockHome(await createHome(process.argv[1]))
  console.log('held')
  setInterval(() => {}, 1000)
} catch (error) {
  console.log(error.code, error.message)
}
`

/** A real process that takes the home; resolves with what it says. */
async function holder(t: TestContext, home: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, home], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.after(() => child.kill('SIGKILL'))
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return { child, said: said.toString().trim() }
}

test('the home follows the flag, DDM_HOME, XDG_DATA_HOME, then ~/.local/share', () => {
  const env = { DDM_HOME: '/a', XDG_DATA_HOME: '/b' }
  assert.equal(resolveHome('/flag', env), '/flag')
  assert.equal(resolveHome(undefined, env), '/a')
  assert.equal(resolveHome(undefined, { ...env, DDM_HOME: '' }), '/b/ddm')
  assert.equal(resolveHome(undefined, { XDG_DATA_HOME: 'relative' }), join(homedir(), '.local/share/ddm'))
  assert.equal(resolveHome(undefined, {}), join(homedir(), '.local/share/ddm'))
  assert.equal(resolveHome('here', {}), join(process.cwd(), 'here'))
  assert.throws(() => resolveHome('', {}), { code: 'usage' })
})

test('a home is private, also when it existed with wider rights', async (t) => {
  const root = join(await tempDir(t), 'deep', 'home')
  await createHome(root)
  assert.equal((await stat(root)).mode & 0o777, 0o700)
  await chmod(root, 0o755)
  await createHome(root)
  assert.equal((await stat(root)).mode & 0o777, 0o700)
  await writeFile(join(root, 'file'), '')
  await assert.rejects(createHome(join(root, 'file')), { code: 'config' })
})

test('a home has one owner at a time', async (t) => {
  const paths = await createHome(await tempDir(t))
  const lock = await lockHome(paths)
  await assert.rejects(lockHome(paths), (error: DdmError) => {
    assert.equal(error.code, 'homeBusy')
    assert.deepEqual(error.details, { home: paths.root, pid: process.pid })
    return true
  })
  await lock.release()
  await lock.release()
  await using again = await lockHome(paths)
  assert.ok(again)
})

test('a second process gets homeBusy naming the first, until that is killed', async (t) => {
  const paths = await createHome(await tempDir(t))
  const first = await holder(t, paths.root)
  assert.equal(first.said, 'held')
  const second = await holder(t, paths.root)
  assert.match(
    second.said,
    new RegExp(`^homeBusy process ${first.child.pid} \\(since .*\\) uses the home ${paths.root}`)
  )
  await assert.rejects(lockHome(paths), { code: 'homeBusy' })

  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const lock = await lockHome(paths)
  const third = await holder(t, paths.root)
  assert.match(third.said, new RegExp(`^homeBusy process ${process.pid} `))
  await lock.release()
})

test('of many processes at once, one gets a home whose owner was killed', async (t) => {
  const paths = await createHome(await tempDir(t))
  const dead = await holder(t, paths.root)
  dead.child.kill('SIGKILL')
  await once(dead.child, 'exit')
  const all = await Promise.all(Array.from({ length: 6 }, () => holder(t, paths.root)))
  assert.equal(all.filter(({ said }) => said === 'held').length, 1)
  assert.equal(all.filter(({ said }) => said.startsWith('homeBusy')).length, 5)
})

test('a damaged owner file costs only the name', async (t) => {
  const paths = await createHome(await tempDir(t))
  const lock = await lockHome(paths)
  t.after(() => lock.release())
  await writeFile(paths.owner, '{"pid":"\u001b[2J"}')
  await assert.rejects(lockHome(paths), { code: 'homeBusy', message: /^another process uses the home/ })
})

test('a lock file that is not one of ours is a config error', async (t) => {
  const paths = await createHome(await tempDir(t))
  await writeFile(paths.lock, 'not a database, but long enough to be read as the header of one'.repeat(20))
  await assert.rejects(lockHome(paths), { code: 'config', message: /cannot lock the home/ })
})

test('the network file is stored whole and read back', async (t) => {
  const paths = homePaths(await tempDir(t))
  assert.equal(await readNetworkFile(paths), undefined)
  await writeNetworkFile(paths, { v: 1, name: 'local' })
  await writeNetworkFile(paths, { v: 1, name: 'other' })
  assert.deepEqual(await readNetworkFile(paths), { v: 1, name: 'other' })
  assert.deepEqual(await readdir(paths.root), ['network.json'])
  await writeFile(paths.network, '{')
  await assert.rejects(readNetworkFile(paths), { code: 'config', message: /network\.json is not JSON/ })
})

import assert from 'node:assert/strict'
import { promises } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { backupHome, restoreHome } from '../../../src/node/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** Nobody waits in a test for the 2 GiB that Node refuses to read at once: here it refuses this much. */
const REFUSED_BYTES = 256 * 1024

function refuseLargeReads(t: TestContext): void {
  const { readFile: read } = promises
  const refusing = async (...[path, options]: Parameters<typeof promises.readFile>) => {
    if (typeof path === 'string' && (await stat(path)).size > REFUSED_BYTES) {
      throw new RangeError(`${path} is larger than can be read at once`)
    }
    return read(path, options)
  }
  const mocked = t.mock.method(promises, 'readFile', refusing as typeof read)
  syncBuiltinESMExports()
  t.after(() => {
    mocked.mock.restore()
    syncBuiltinESMExports()
  })
}

test('a ledger that is too large to be read at once is backed up and restored', async (t) => {
  const folder = await tempDir(t)
  const [home, again, file] = ['home', 'again', 'home.tar.gz'].map((name) => join(folder, name)) as [
    string,
    string,
    string
  ]
  await mkdir(home)
  await writeFile(join(home, 'identity.key'), 'a key')
  const ledger = new DatabaseSync(join(home, 'ledger.db'))
  ledger.exec(`create table sessions (bytes blob); insert into sessions values (zeroblob(${2 * REFUSED_BYTES}))`)
  ledger.close()
  refuseLargeReads(t)
  await assert.rejects(readFile(join(home, 'ledger.db')), RangeError)
  const files = ['identity.key', 'ledger.db']
  assert.deepEqual(await backupHome(home, file), { files })
  assert.deepEqual((await restoreHome(file, again)).files, files)
  const restored = new DatabaseSync(join(again, 'ledger.db'))
  t.after(() => restored.close())
  assert.deepEqual(
    { ...restored.prepare('select length(bytes) as bytes from sessions').get() },
    { bytes: 2 * REFUSED_BYTES }
  )
})

test('the ledger of a busy node is backed up: it is copied as it stands at one moment', {
  timeout: 60_000
}, async (t) => {
  const home = await tempDir(t)
  await writeFile(join(home, 'identity.key'), 'a key')
  const ledger = new DatabaseSync(join(home, 'ledger.db'), { timeout: 5_000 })
  ledger.exec(
    'pragma journal_mode = wal; pragma synchronous = off; create table meta (value int); insert into meta values (0)'
  )
  ledger.exec('create table sessions (bytes blob); insert into sessions values (zeroblob(8000000))')
  const write = ledger.prepare('update meta set value = value + 1')
  let stopped = false
  const writing = (async () => {
    for (; !stopped; await setImmediate()) write.run()
    ledger.close()
  })()
  const file = join(await tempDir(t), 'busy.tar.gz')
  const done = await Promise.race([backupHome(home, file).then(() => true), setTimeout(10_000, false, { ref: false })])
  stopped = true
  await writing
  assert.ok(done, 'still copying after 10 s')
})

/** Inodes that were synced: a rename keeps them. */
async function syncedInodes(t: TestContext, file: string): Promise<Set<number>> {
  const inodes = new Set<number>()
  const opened = await promises.open(file)
  const prototype = Object.getPrototypeOf(opened) as promises.FileHandle
  await opened.close()
  const { sync } = prototype
  t.mock.method(prototype, 'sync', async function (this: promises.FileHandle) {
    await sync.call(this)
    inodes.add((await this.stat()).ino)
  })
  return inodes
}

test('a backup, and what is restored from it, is on the disk when it is said to be', async (t) => {
  const folder = await tempDir(t)
  const [home, backups, again] = ['home', 'backups', 'new/parent/again'].map((name) => join(folder, name)) as [
    string,
    string,
    string
  ]
  await mkdir(home)
  await mkdir(backups)
  await writeFile(join(home, 'identity.key'), 'a key')
  new DatabaseSync(join(home, 'ledger.db')).close()
  const synced = await syncedInodes(t, join(home, 'identity.key'))
  const file = join(backups, 'home.tar.gz')
  await backupHome(home, file)
  const { files } = await restoreHome(file, again)
  const written = [file, again, ...files.map((name) => join(again, name))]
  const folders = process.platform === 'win32' ? [] : [backups, join(again, '..'), join(again, '../..'), folder]
  for (const path of [...written, ...folders]) assert.ok(synced.has((await stat(path)).ino), `${path} was not synced`)
})

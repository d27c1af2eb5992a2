import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openDatabase } from '../../../src/storage/database.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { LEDGER_MIGRATIONS } from '../../../src/storage/migrations.ts'
import { tempDir } from '../../support/temp-dir.ts'

const FIRST = 'CREATE TABLE people (name TEXT PRIMARY KEY) STRICT'
const SECOND = "ALTER TABLE people ADD COLUMN town TEXT NOT NULL DEFAULT 'Seattle'"
const BROKEN = 'CREATE TABLE towns (name TEXT) STRICT; INSERT INTO nowhere VALUES (1)'

const version = (db: DatabaseSync): unknown => db.prepare('PRAGMA user_version').get()?.user_version

test('migrations run from nothing and from an older state, each once', async (t) => {
  const path = join(await tempDir(t), 'test.db')
  const old = openDatabase({ path, synchronous: 'FULL', migrations: [FIRST] })
  old.exec("INSERT INTO people VALUES ('Ada')")
  assert.equal(version(old), 1)
  old.close()
  for (let run = 0; run < 2; run++) {
    const db = openDatabase({ path, synchronous: 'FULL', migrations: [FIRST, SECOND] })
    assert.equal(version(db), 2)
    assert.deepEqual({ ...db.prepare('SELECT * FROM people').get() }, { name: 'Ada', town: 'Seattle' })
    db.close()
  }
})

test('a migration that fails changes nothing', async (t) => {
  const path = join(await tempDir(t), 'test.db')
  openDatabase({ path, synchronous: 'FULL', migrations: [FIRST] }).close()
  assert.throws(() => openDatabase({ path, synchronous: 'FULL', migrations: [FIRST, BROKEN] }), /nowhere/)
  const db = openDatabase({ path, synchronous: 'FULL', migrations: [FIRST] })
  assert.equal(version(db), 1)
  assert.equal(db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'towns'").get()?.n, 0)
  db.close()
})

test('a file of a newer version is refused, and an older one when it may not be written', async (t) => {
  const path = join(await tempDir(t), 'ledger.db')
  await (await openLedger({ path })).close()
  const known = LEDGER_MIGRATIONS.length
  const raw = new DatabaseSync(path)
  assert.equal(version(raw), known)
  raw.exec(`PRAGMA user_version = ${known + 3}`)
  await assert.rejects(openLedger({ path }), {
    code: 'config',
    message: `ledger.db has schema version ${known + 3}, this program knows up to ${known}; update ddm`
  })
  raw.exec(`PRAGMA user_version = ${known - 1}`)
  raw.close()
  await assert.rejects(openLedger({ path, readOnly: true }), { code: 'config', message: /start the node once/ })
})

test('money is kept with FULL and a write-ahead log', async (t) => {
  const path = join(await tempDir(t), 'ledger.db')
  const db = openDatabase({ path, synchronous: 'FULL', migrations: LEDGER_MIGRATIONS })
  assert.equal(db.prepare('PRAGMA synchronous').get()?.synchronous, 2)
  assert.equal(db.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal')
  assert.equal(db.prepare('PRAGMA foreign_keys').get()?.foreign_keys, 1)
  db.close()
})

import { basename } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DdmError } from '../interface/index.ts'
import type { DatabaseInit } from './protocol.ts'

/** How long to wait for another process that holds the write lock, in ms. */
const BUSY_TIMEOUT = 2_000

/** Bytes. Against SQLite's 4 KiB this reads 64 KiB blocks twice as fast and does not slow small writes. */
const PAGE_SIZE = 8_192

/** Pages after which the write-ahead log is copied back: 16 MiB, so that 64 KiB blocks do not do it all the time. */
const CHECKPOINT_PAGES = 2_048

/** Opens a database file, sets what durability needs, and brings its schema to the newest version. */
export function openDatabase(init: DatabaseInit): DatabaseSync {
  const db = new DatabaseSync(init.path, {
    readOnly: init.readOnly ?? false,
    timeout: BUSY_TIMEOUT,
    enableForeignKeyConstraints: true
  })
  try {
    if (init.readOnly !== true) {
      // fullfsync: on macOS a plain fsync leaves the data in the drive's cache.
      db.exec(`PRAGMA page_size = ${PAGE_SIZE}; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${init.synchronous};
        PRAGMA fullfsync = ${init.synchronous === 'FULL' ? 'ON' : 'OFF'};
        PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * PAGE_SIZE}`)
    }
    db.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000')
    if (init.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${init.maxPages}`)
    addFunctions(db)
    migrate(db, init)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version)
}

/** Runs the migrations that the file has not seen, each in a transaction of its own. */
export function migrate(
  db: DatabaseSync,
  { path, migrations, readOnly }: Pick<DatabaseInit, 'path' | 'migrations' | 'readOnly'>
): void {
  const found = schemaVersion(db)
  const known = migrations.length
  const name = basename(path)
  if (found > known) {
    throw new DdmError('config', `${name} has schema version ${found}, this program knows up to ${known}; update ddm`, {
      details: { found, known }
    })
  }
  if (readOnly === true && found < known) {
    throw new DdmError(
      'config',
      `${name} has schema version ${found}, not ${known}; start the node once to update it`,
      {
        details: { found, known }
      }
    )
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < found) continue
    db.exec('BEGIN IMMEDIATE')
    try {
      // Another process may have been here since.
      if (schemaVersion(db) === index) {
        db.exec(sql)
        db.exec(`PRAGMA user_version = ${index + 1}`)
      }
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
}

/** Amounts are decimal text, because SQLite's integers end at 2⁶³; these add them. */
function addFunctions(db: DatabaseSync): void {
  const add = (sum: unknown, amount: unknown): string => String(BigInt(String(sum)) + BigInt(String(amount)))
  db.function('amount_add', { deterministic: true }, add)
  const less = (a: unknown, b: unknown): number => Number(BigInt(String(a)) < BigInt(String(b)))
  db.function('amount_less', { deterministic: true }, less)
  db.aggregate('amount_sum', { start: '0', step: add })
}

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openIndex } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('full text and bounding boxes are available; run is one transaction', async (t) => {
  const index = await openIndex({ path: join(await tempDir(t), 'index.db') })
  t.after(() => index.close())
  await index.run([
    { sql: 'CREATE VIRTUAL TABLE words USING fts5 (title); CREATE VIRTUAL TABLE places USING rtree (id, w, e, s, n)' }
  ])
  await index.run([
    { sql: 'INSERT INTO words (rowid, title) VALUES (?, ?)', params: [1, 'hourly weather of Seattle'] },
    { sql: 'INSERT INTO places VALUES (?, ?, ?, ?, ?)', params: [1, -122.4, -122.2, 47.5, 47.7] }
  ])
  const half = index.run([
    { sql: 'INSERT INTO words (rowid, title) VALUES (2, ?)', params: ['weather of nowhere'] },
    { sql: 'INSERT INTO missing VALUES (1)', params: [] }
  ])
  await assert.rejects(half, /no such table: missing/)
  const found = await index.all<{ rowid: number }>('SELECT rowid FROM words WHERE words MATCH ?', ['"weather"'])
  assert.deepEqual(found, [{ rowid: 1 }])
  assert.deepEqual(await index.all('SELECT id FROM places WHERE w < ? AND e > ?', [-122.3, -122.3]), [{ id: 1 }])
})

test('an index takes migrations and lives in memory too', async (t) => {
  const index = await openIndex({ path: ':memory:', migrations: ['CREATE TABLE t (x)'] })
  t.after(() => index.close())
  await index.run([{ sql: 'INSERT INTO t VALUES (?)', params: [2n ** 60n] }])
  assert.deepEqual(await index.all('SELECT x FROM t'), [{ x: 2n ** 60n }])
})

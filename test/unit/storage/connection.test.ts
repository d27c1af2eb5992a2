import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { DdmError } from '../../../src/interface/index.ts'
import { type Connection, type ConnectionInit, connect } from '../../../src/storage/connection.ts'
import { tempDir } from '../../support/temp-dir.ts'

const SCHEMA = "CREATE TABLE t (key INTEGER PRIMARY KEY, value TEXT NOT NULL CHECK (value <> 'bad'), more BLOB) STRICT"
const INSERT = 'INSERT INTO t (key, value) VALUES (?, ?)'

async function open(t: TestContext, init: Partial<ConnectionInit> = {}): Promise<Connection> {
  const path = init.path ?? join(await tempDir(t), 'test.db')
  const db = await connect({ synchronous: 'FULL', migrations: [SCHEMA], ...init, path })
  t.after(() => db.close())
  return db
}

test('a failing write fails alone, whole, and never the others of its group', async (t) => {
  const db = await open(t)
  const requests = fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(requests, async (groups) => {
      await db.write([['DELETE FROM t', []]])
      let key = 0
      const expected: number[] = []
      const writes = groups.map((steps) => {
        const keys = steps.map(() => key++)
        if (steps.every(Boolean)) expected.push(...keys)
        return db.write(steps.map((good, index) => [INSERT, [keys[index] ?? 0, good ? 'good' : 'bad']]))
      })
      const answers = await Promise.allSettled(writes)
      assert.deepEqual(
        answers.map(({ status }) => status === 'fulfilled'),
        groups.map((steps) => steps.every(Boolean))
      )
      const rows = await db.read('SELECT key FROM t ORDER BY key', [])
      assert.deepEqual(
        rows.map((row) => row.key),
        expected
      )
    }),
    { numRuns: 40 }
  )
})

test('a refused write says why', async (t) => {
  const db = await open(t)
  const refused = db.write([[INSERT, [1, 'bad']]])
  await assert.rejects(
    refused,
    (error) => error instanceof DdmError && /test\.db refused the write.*CHECK/.test(error.message)
  )
  await assert.rejects(db.read('SELECT missing FROM t', []), /no such column/)
  await assert.rejects(db.write([[INSERT, [1n << 64n, 'good']]]), DdmError)
})

test('close writes what was queued, may be called again, and ends the use', async (t) => {
  const path = join(await tempDir(t), 'test.db')
  const db = await open(t, { path })
  const writes = Array.from({ length: 300 }, (_, key) => db.write([[INSERT, [key, 'good']]]))
  await Promise.all([db.close(), db.close(), ...writes])
  await assert.rejects(db.write([[INSERT, [999, 'good']]]), /test\.db is closed/)
  await assert.rejects(db.read('SELECT 1', []), /test\.db is closed/)
  await db.close()
  const again = await open(t, { path })
  assert.deepEqual(await again.read('SELECT count(*) AS n FROM t', []), [{ n: 300 }])
})

test('when the thread dies, everything unanswered and everything later fails', async (t) => {
  const created = once(process, 'worker')
  const db = await open(t)
  const [worker] = (await created) as [Worker]
  await db.write([[INSERT, [0, 'good']]])
  const writes = Array.from({ length: 5_000 }, (_, key) => db.write([[INSERT, [key + 1, 'good']]]))
  const answers = Promise.allSettled(writes)
  await worker.terminate()
  const last = (await answers).at(-1)
  assert.ok(last?.status === 'rejected' && last.reason instanceof DdmError)
  assert.match(last.reason.message, /storage thread of test\.db stopped unexpectedly/)
  await assert.rejects(db.write([[INSERT, [9_999, 'good']]]), { code: 'internal' })
  await db.close()
})

test('a full disk fails the writes that do not fit and keeps those acknowledged before', async (t) => {
  const path = join(await tempDir(t), 'test.db')
  const db = await open(t, { path, maxPages: 20 })
  const big = (key: number): Promise<unknown> =>
    db.write([['INSERT INTO t (key, value, more) VALUES (?, ?, ?)', [key, 'good', new Uint8Array(20_000)]]])
  await big(0)
  await big(1)
  const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => big(index + 2)))
  const failed = answers.filter((answer) => answer.status === 'rejected')
  assert.ok(failed.length > 0)
  for (const { reason } of failed) {
    assert.equal(reason.code, 'config')
    assert.match(reason.message, /test\.db cannot grow: the disk is full/)
  }
  const stored = answers.length - failed.length
  assert.deepEqual(await db.read('SELECT count(*) AS n FROM t', []), [{ n: 2 + stored }])
  await db.close()
})

test('a damaged file is named', async (t) => {
  const path = join(await tempDir(t), 'test.db')
  await writeFile(
    path,
    'this is a text file, not a database, and long enough to have a header of a hundred bytes in it'.repeat(9)
  )
  await assert.rejects(connect({ path, synchronous: 'FULL', migrations: [SCHEMA] }), {
    code: 'config',
    message: /test\.db is not a database/
  })
  assert.match(await readFile(path, 'utf8'), /this is a text file/)
})

test('an aborted wait ends at once; a wait that is already aborted asks nothing', async (t) => {
  const db = await open(t)
  const controller = new AbortController()
  const write = db.write([[INSERT, [1, 'good']]], { signal: controller.signal })
  controller.abort()
  await assert.rejects(write, { code: 'aborted' })
  await assert.rejects(db.write([[INSERT, [2, 'good']]], { signal: controller.signal }), { code: 'aborted' })
  assert.deepEqual(await db.read('SELECT key FROM t', []), [{ key: 1 }])
})

test('a small view of a large buffer is stored as it was at the call', async (t) => {
  const db = await open(t)
  const frame = new Uint8Array(100_000).fill(1)
  const view = frame.subarray(500, 532)
  const write = db.write([['INSERT INTO t (key, value, more) VALUES (1, ?, ?)', ['good', view]]])
  frame.fill(9)
  await write
  assert.deepEqual(await db.read('SELECT more FROM t', []), [{ more: new Uint8Array(32).fill(1) }])
})

test('integers come back as numbers while that is exact', async (t) => {
  const db = await open(t)
  await fc.assert(
    fc.asyncProperty(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), async (value) => {
      const [row] = await db.read('SELECT ? AS value', [value])
      assert.equal(row?.value, Number.isSafeInteger(Number(value)) ? Number(value) : value)
    }),
    { numRuns: 50 }
  )
})

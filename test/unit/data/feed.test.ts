import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { feed, openProductLog } from '../../../src/data/index.ts'
import {
  type DataSource,
  DdmError,
  type ProductLog,
  type SourceRecord,
  splitRecords
} from '../../../src/interface/index.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const source = (records: DataSource['records'], finite = true): DataSource => ({ name: 'test', finite, records })

async function* numbers(count: number): AsyncIterable<SourceRecord> {
  for (let n = 0; n < count; n++) yield { bytes: Buffer.from(String(n)) }
}

/** A log of which only `append` matters. */
function logWith(append: ProductLog['append']): ProductLog {
  return {
    id: 'log',
    epoch: 1n,
    tail: 0n,
    head: 0n,
    finished: false,
    append,
    finish: async () => {},
    read: async () => undefined,
    offsetAt: async () => 0n,
    onAppend: () => () => {}
  }
}

test('a finite source fills the log in order, through transforms, and finishes it', async (t) => {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  const log = await openProductLog({ id: 'log', store: ledger.blocks })
  const odd = async function* (records: AsyncIterable<SourceRecord>): AsyncIterable<SourceRecord> {
    for await (const one of records) if (Number(one.bytes) % 2 === 1) yield one
  }
  const twice = async function* (records: AsyncIterable<SourceRecord>): AsyncIterable<SourceRecord> {
    for await (const one of records) yield* [one, one]
  }
  assert.deepEqual(
    await feed(
      source(() => numbers(5_000)),
      log,
      { transforms: [odd, twice] }
    ),
    { records: 5_000 }
  )
  assert.equal(log.finished, true)
  const texts: string[] = []
  for (let at = 0n; at < log.head; ) {
    const block = await log.read(at)
    assert.ok(block !== undefined)
    texts.push(...splitRecords(block.bytes, block.count).map((bytes) => Buffer.from(bytes).toString()))
    at += BigInt(block.count)
  }
  assert.deepEqual(
    texts,
    Array.from({ length: 5_000 }, (_, n) => String(1 + 2 * Math.floor(n / 2)))
  )
})

test('a source is read no faster than the log stores', async () => {
  let taken = 0
  const endless = async function* (): AsyncIterable<SourceRecord> {
    while (true) {
      taken += 1
      yield { bytes: new Uint8Array(8) }
    }
  }
  const controller = new AbortController()
  const held: Array<() => void> = []
  const log = logWith(() => new Promise((resolve) => held.push(resolve)))
  const feeding = feed(source(endless, false), log, { signal: controller.signal })
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(taken, 4_096)
  for (const resolve of held.splice(0, 10)) resolve()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(taken, 4_106)
  controller.abort()
  const rejected = assert.rejects(feeding, { code: 'aborted' })
  const release = setInterval(() => {
    for (const resolve of held.splice(0)) resolve()
  }, 1)
  await rejected
  clearInterval(release)
})

test('what waits in memory is bounded in bytes too', async () => {
  let taken = 0
  const large = async function* (): AsyncIterable<SourceRecord> {
    for (taken = 1; taken <= 10; taken++) yield { bytes: new Uint8Array(1 << 20) }
  }
  const held: Array<() => void> = []
  const log = logWith(() => new Promise((resolve) => held.push(resolve)))
  const feeding = feed(source(large), log)
  for (let stored = 0; stored < 10; stored++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(taken, Math.min(stored + 4, 11))
    held.shift()?.()
  }
  assert.deepEqual(await feeding, { records: 10 })
})

test('a log that fails ends a source that is quiet', async () => {
  const quiet = async function* (options?: { signal?: AbortSignal }): AsyncIterable<SourceRecord> {
    yield { bytes: Buffer.from('1') }
    await new Promise((_, reject) => {
      if (options?.signal?.aborted) reject(new Error('ended'))
      options?.signal?.addEventListener('abort', () => reject(new Error('ended')))
    })
  }
  const log = logWith(async () => {
    throw new DdmError('config', 'the disk is full')
  })
  await assert.rejects(feed(source(quiet, false), log), { code: 'config', message: 'the disk is full' })
})

test('what came before an error of the source is kept, and the log is not finished', async (t) => {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  const log = await openProductLog({ id: 'log', store: ledger.blocks })
  const broken = async function* (): AsyncIterable<SourceRecord> {
    yield* numbers(300)
    throw new DdmError('badRecord', 'file:301: wrong')
  }
  await assert.rejects(feed(source(broken), log), { code: 'badRecord' })
  assert.equal(log.head, 300n)
  assert.equal(log.finished, false)
})

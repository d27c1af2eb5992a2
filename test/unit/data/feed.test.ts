import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { everyNth, feed, InvalidRecords, judgedBy, limitBytes, openProductLog } from '../../../src/data/index.ts'
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

/** A source that counts, goes on from a position, and notes what it is told. */
function counting(until: number): DataSource & { told: string[]; asked: Array<string | undefined> } {
  const told: string[] = []
  const asked: Array<string | undefined> = []
  return {
    told,
    asked,
    name: 'counting',
    finite: false,
    records: async function* ({ from } = {}) {
      asked.push(from)
      for (let n = Number(from ?? -1) + 1; n < until; n++) yield { bytes: Buffer.from(String(n)), position: String(n) }
    },
    durable: (position) => told.push(position)
  }
}

async function numbersIn(log: ProductLog): Promise<number[]> {
  const all: number[] = []
  for (let at = log.tail; at < log.head; ) {
    const block = await log.read(at)
    assert.ok(block !== undefined)
    all.push(...splitRecords(block.bytes, block.count).map((bytes) => Number(Buffer.from(bytes).toString())))
    at += BigInt(block.count)
  }
  return all
}

test('a source with positions comes exactly once into its log, over restarts', async (t) => {
  const path = join(await tempDir(t), 'ledger.db')
  for (const [run, until] of [1_000, 1_000, 2_500].entries()) {
    const ledger = await openLedger({ path })
    const log = await openProductLog({ id: 'log', store: ledger.blocks })
    const source = counting(until)
    await feed(source, log)
    assert.deepEqual(source.asked, [[undefined, '999', '999'][run]])
    assert.deepEqual(log.position, { source: 'counting', position: String(until - 1) })
    assert.equal(source.told.at(-1), [`999`, undefined, '2499'][run])
    assert.deepEqual(
      source.told,
      [...source.told].sort((a, b) => Number(a) - Number(b))
    )
    await log.close()
    await ledger.close()
  }
  const ledger = await openLedger({ path })
  t.after(() => ledger.close())
  const log = await openProductLog({ id: 'log', store: ledger.blocks })
  assert.deepEqual(
    await numbersIn(log),
    Array.from({ length: 2_500 }, (_, n) => n)
  )
  const other = { ...counting(3), name: 'another' }
  await feed(other, log)
  assert.deepEqual(other.asked, [undefined], 'a position means nothing to another source')
})

test('positions of records that are left out come back to the source, in order', async (t) => {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  const log = await openProductLog({ id: 'log', store: ledger.blocks })
  const source = counting(25)
  const invalid = new InvalidRecords({ onInvalid: 'drop' })
  const judge = {
    checkEach: async (_: Uint8Array, count: number) => (count > 1 ? [{ index: 1, reason: 'always' }] : [])
  }
  const transforms = [limitBytes(1, invalid.refuse), everyNth(3), judgedBy(judge, invalid.refuse)]
  await feed(source, log, { transforms })
  assert.deepEqual(
    source.told,
    Array.from({ length: 25 }, (_, n) => String(n))
  )
  assert.ok((await numbersIn(log)).every((n) => n < 10 && n % 3 === 0))
})

test('nothing is told to be durable when the log fails', async () => {
  const source = counting(10)
  let stored = 0
  const log = logWith(async () => {
    stored += 1
    if (stored > 4) throw new DdmError('config', 'the disk is full')
  })
  await assert.rejects(feed(source, log), { code: 'config' })
  assert.deepEqual(source.told, ['0', '1', '2', '3'].slice(0, source.told.length))
})

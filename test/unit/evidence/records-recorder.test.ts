import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createRecorder, memoMedium, NO_MEDIUM } from '../../../src/evidence/index.ts'
import type { RecordedDigest, RecordStore, RecordsMedium, SessionDigests } from '../../../src/interface/index.ts'
import { DdmError } from '../../../src/interface/index.ts'
import { type Ledger, openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { digestOf, type MemoryMemoLedger, memoryMemoLedger } from './records-ledger.ts'

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const DAY = 86_400_000

interface World {
  path: string
  ledger: Ledger
  memos: MemoryMemoLedger
  medium: RecordsMedium
}

async function makeWorld(t: TestContext): Promise<World> {
  const path = join(await tempDir(t), 'ledger.db')
  const ledger = await openLedger({ path })
  t.after(() => ledger.close())
  const memos = memoryMemoLedger()
  return { path, ledger, memos, medium: memoMedium({ ledger: memos, store: ledger.records }) }
}

function noted(session: string, ended: boolean, ...numbers: number[]): SessionDigests {
  return { session, ended, statements: numbers.map((number) => ({ kind: 'invoice', digest: digestOf(number) })) }
}

async function found(store: RecordStore, number: number): Promise<RecordedDigest> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    const record = await store.get(digestOf(number))
    if (record !== undefined) return record
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`digest ${number} was not recorded`)
}

test('each: what is noted is recorded and found again, by another process too', async (t) => {
  const { ledger, path, memos, medium } = await makeWorld(t)
  const recorder = createRecorder({ policy: 'each' }, { medium, store: ledger.records, logger })
  recorder.start()
  await recorder.note(noted('a', false, 1, 2, 3))
  const record = await found(ledger.records, 2)
  await recorder.note(noted('a', false, 2, 4))
  assert.equal((await found(ledger.records, 4)).count, 1, 'what is recorded is not recorded again')
  await recorder.stop()
  await ledger.close()
  const again = await openLedger({ path })
  t.after(() => again.close())
  assert.deepEqual(await again.records.get(digestOf(2)), record)
  assert.deepEqual(await memoMedium({ ledger: memos, store: again.records }).find(digestOf(2)), record)
  assert.equal(await medium.verify(record), undefined)
  assert.deepEqual(await again.records.pending(), [])
})

test('session: nothing before it is over, then all of it in one transaction', async (t) => {
  const { ledger, memos, medium } = await makeWorld(t)
  const recorder = createRecorder({ policy: 'session' }, { medium, store: ledger.records, logger })
  recorder.start()
  await recorder.note(noted('a', false, 1, 2))
  await recorder.note(noted('b', false, 10))
  await recorder.note(noted('a', true, 3))
  assert.deepEqual([(await found(ledger.records, 1)).count, memos.written.length], [3, 1])
  await recorder.note(noted('b', true))
  assert.equal((await found(ledger.records, 10)).count, 1)
  await recorder.stop()
})

test('daily: one batch for all sessions when the first of it is a day old', async (t) => {
  const { ledger, memos, medium } = await makeWorld(t)
  let now = Date.UTC(2026, 0, 10)
  const init = { policy: 'daily', clock: () => now } as const
  const first = createRecorder(init, { medium, store: ledger.records, logger })
  await first.note(noted('a', true, 1))
  now += DAY - 10
  await first.note(noted('b', false, 2))
  assert.deepEqual(
    (await ledger.records.pending()).map(({ session, at }) => [session, now - at]),
    [
      ['a', DAY - 10],
      ['b', 0]
    ]
  )
  first.start()
  await first.stop()
  assert.equal(memos.written.length, 0)
  now += 10
  const second = createRecorder(init, { medium, store: ledger.records, logger })
  second.start()
  assert.deepEqual([(await found(ledger.records, 2)).count, memos.written.length], [2, 1])
  await second.stop()
})

test('a ledger that is away is tried again, and nothing is lost', async (t) => {
  const { ledger, memos, medium } = await makeWorld(t)
  let failures = 3
  const away: RecordsMedium = {
    ...medium,
    record: async (digests) => {
      if (failures-- > 0) throw new DdmError('unreachable', 'the ledger does not answer')
      return medium.record(digests)
    }
  }
  const warnings: unknown[] = []
  const recorder = createRecorder(
    { policy: 'each', backoff: 2 },
    { medium: away, store: ledger.records, logger: { ...logger, warn: (...told) => warnings.push(told) } }
  )
  recorder.start()
  await recorder.note(noted('a', false, 1))
  await recorder.note(noted('a', false, 2))
  await found(ledger.records, 2)
  await found(ledger.records, 1)
  assert.ok(memos.written.length <= 2)
  assert.equal(warnings.length, 1)
  await recorder.stop()
})

test('a crash between ledger and store records twice and loses nothing', async (t) => {
  const { ledger, memos, medium } = await makeWorld(t)
  const store: RecordStore = { ...ledger.records, put: () => Promise.reject(new Error('the disk is full')) }
  const broken = createRecorder({ policy: 'each', backoff: 60_000 }, { medium, store, logger })
  await broken.note(noted('a', false, 1))
  broken.start()
  while (memos.written.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await broken.stop()
  assert.equal(await ledger.records.get(digestOf(1)), undefined)
  const recorder = createRecorder({ policy: 'each' }, { medium, store: ledger.records, logger })
  recorder.start()
  const record = await found(ledger.records, 1)
  assert.deepEqual([record.transaction, memos.written.length], ['tx1', 2])
  await ledger.records.put([{ ...record, transaction: 'tx0' }])
  assert.equal((await ledger.records.get(digestOf(1)))?.transaction, 'tx1', 'the first record stays')
  await recorder.stop()
})

test('a store that fails has nothing recorded again while the recorder lives', async (t) => {
  const { ledger, memos, medium } = await makeWorld(t)
  let failures = 3
  const store: RecordStore = {
    ...ledger.records,
    put: async (records) => {
      if (failures-- > 0) throw new Error('the disk is full')
      await ledger.records.put(records)
    }
  }
  const recorder = createRecorder({ policy: 'each', backoff: 2 }, { medium, store, logger })
  recorder.start()
  await recorder.note(noted('a', false, 1))
  const record = await found(ledger.records, 1)
  assert.deepEqual([record.transaction, memos.written.length, failures], ['tx0', 1, -1])
  await recorder.stop()
})

test('daily: what is noted first is what the wait is for', async (t) => {
  const { ledger, memos, medium } = await makeWorld(t)
  let now = Date.UTC(2026, 0, 10)
  const looks: number[] = []
  const store: RecordStore = {
    ...ledger.records,
    pending: (options) => {
      looks.push(now)
      return ledger.records.pending(options)
    }
  }
  const recorder = createRecorder({ policy: 'daily', clock: () => now }, { medium, store, logger })
  recorder.start()
  while (looks.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await recorder.note(noted('a', false, 1))
  while (looks.length === 1) await new Promise((resolve) => setTimeout(resolve, 5))
  // The wait has begun when the plan has been made.
  await new Promise((resolve) => setTimeout(resolve, 50))
  await recorder.note(noted('a', true, 2))
  await recorder.stop()
  assert.deepEqual([looks.length, memos.written.length], [2, 0])
  now += DAY
  recorder.start()
  assert.equal((await found(ledger.records, 2)).count, 2)
  await recorder.stop()
})

test('a stop ends the wait for the ledger; a second start goes on', async (t) => {
  const { ledger, medium } = await makeWorld(t)
  let calls = 0
  const silent: RecordsMedium = {
    ...medium,
    record: (digests, options) => {
      if (calls++ > 0) return medium.record(digests)
      return new Promise((_, reject) => {
        options?.signal?.addEventListener('abort', () => reject(new DdmError('aborted', 'stopped')), { once: true })
      })
    }
  }
  const recorder = createRecorder({ policy: 'each' }, { medium: silent, store: ledger.records, logger })
  recorder.start()
  recorder.start()
  await recorder.note(noted('a', false, 1))
  while (calls === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await recorder.stop()
  await recorder.stop()
  assert.equal((await ledger.records.pending()).length, 1)
  recorder.start()
  await found(ledger.records, 1)
  await recorder.stop()
})

test('without a medium nothing is kept to be recorded', async (t) => {
  const { ledger } = await makeWorld(t)
  const recorder = createRecorder({ policy: 'each' }, { medium: NO_MEDIUM, store: ledger.records, logger })
  recorder.start()
  await recorder.note(noted('a', true, 1))
  await recorder.stop()
  assert.deepEqual(await ledger.records.pending(), [])
})

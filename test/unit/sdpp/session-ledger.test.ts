import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { encodeBlock, openProductLog } from '../../../src/data/index.ts'
import {
  type Block,
  type Checkpoint,
  NO_PROGRESS,
  type Progress,
  type SessionRecord,
  type SessionRole,
  type SessionStore
} from '../../../src/interface/index.ts'
import type { SessionTerms } from '../../../src/protocols/sdpp/account.ts'
import { systemClock } from '../../../src/protocols/sdpp/clock.ts'
import { CHECKPOINT_EVERY_BLOCKS } from '../../../src/protocols/sdpp/constants.ts'
import { type ReplaySource, replay } from '../../../src/protocols/sdpp/replay.ts'
import { SessionLedger } from '../../../src/protocols/sdpp/session-ledger.ts'
import { checkpointBefore, startCheckpoint } from '../../../src/protocols/sdpp/stored-session.ts'
import {
  signStatement,
  statementLink,
  Transcript,
  transcriptStart,
  transcriptStep
} from '../../../src/statements/index.ts'
import { makePair, makeSigner, silent } from '../../support/sdpp.ts'

async function setup(t: TestContext, role: SessionRole) {
  const { sellerLedger, log } = await makePair(t)
  const session = statementLink(randomBytes(16))
  const record: SessionRecord = {
    id: session.toString(),
    role,
    listingId: `0x${'02'.repeat(32)}`,
    listingCid: 'bafylisting',
    peer: 'peer',
    state: 'streaming',
    rail: 'free',
    start: 0n,
    position: 0n,
    checkpoint: startCheckpoint(session),
    due: 0n,
    paid: 0n,
    credit: 0n,
    openedAt: 1,
    updatedAt: 1
  }
  const ledgerOn = (sessions: SessionStore) =>
    new SessionLedger(session, record, { sessions, clock: systemClock, logger: silent })
  return { session, record, sessions: sellerLedger.sessions, blocks: sellerLedger.blocks, log, ledgerOn }
}

/** Blocks of one record of 4 bytes. */
function* blocksFrom(offset: number, count: number): Generator<Block> {
  for (let i = offset; i < offset + count; i++) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(i)
    yield encodeBlock([bytes], BigInt(i), 0)
  }
}

async function replayed(source: ReplaySource, session: { bytes: Uint8Array }, from: Checkpoint, position: bigint) {
  const transcript = new Transcript(session.bytes, from.root)
  return { transcript, ...(await replay(source, transcript, from, position)) }
}

function after(progress: Progress): Progress {
  return { n: progress.n + 1n, records: progress.records + 1n, bytes: progress.bytes + 4n }
}

for (const role of ['seller', 'buyer'] as const) {
  test(`${role}: what a session holds in memory does not grow with its blocks`, async (t) => {
    const { session, sessions, ledgerOn } = await setup(t, role)
    const ledger = ledgerOn(sessions)
    let progress = NO_PROGRESS
    let most = 0
    for (const block of blocksFrom(0, 20_000)) {
      progress = after(progress)
      ledger.add({ ...block, endOfBlock: true }, progress)
      most = Math.max(most, ledger.held)
      // As often as an invoice is.
      if (progress.n % 100n !== 0n) continue
      ledger.touch({ state: 'streaming', position: progress.n, due: 0n, paid: 0n })
      await ledger.flush()
    }
    assert.ok(most <= 300, `${most} parts, ends and checkpoints were held`)
    assert.equal(ledger.held, 0)
    const parts = await sessions.parts(session.toString(), role)
    assert.equal(parts.length, 20_000)
    assert.deepEqual(
      Buffer.from(parts.reduce(transcriptStep, transcriptStart(session.bytes))),
      Buffer.from(ledger.transcript.root())
    )
  })
}

test('ends of blocks that nobody handles are remembered up to a number', async (t) => {
  const { sessions, ledgerOn, record } = await setup(t, 'buyer')
  const ledger = ledgerOn(sessions)
  let progress = NO_PROGRESS
  for (const block of blocksFrom(0, 5_000)) {
    progress = after(progress)
    ledger.add({ ...block, endOfBlock: true }, progress)
    if (progress.n % 20n === 0n) await ledger.store({ state: 'streaming', position: 0n, due: 0n, paid: 0n })
  }
  assert.ok(ledger.held <= 1_024, `${ledger.held}`)
  await ledger.store({ state: 'streaming', position: 4_000n, due: 0n, paid: 0n })
  const { checkpoint } = (await sessions.get(record.id, 'buyer')) ?? assert.fail()
  assert.ok(checkpoint.position <= 4_000n && checkpoint.position > 3_900n, `${checkpoint.position}`)
})

test('parts of a write that failed are in the next one, whatever came between', async (t) => {
  const { sessions, record, ledgerOn } = await setup(t, 'seller')
  let full = false
  const ledger = ledgerOn({
    ...sessions,
    put: async (...args) => (full ? Promise.reject(new Error('disk full')) : sessions.put(...args))
  })
  const standing = { state: 'streaming', position: 0n, due: 0n, paid: 0n }
  let progress = NO_PROGRESS
  const add = (count: number): void => {
    for (const block of blocksFrom(Number(progress.n), count)) {
      progress = after(progress)
      ledger.add({ ...block, endOfBlock: true }, progress)
    }
  }
  add(3)
  full = true
  await assert.rejects(ledger.store(standing))
  add(CHECKPOINT_EVERY_BLOCKS)
  full = false
  // Two that overlap: both have all of it, and neither drops what the other has not.
  const first = ledger.store(standing)
  const second = ledger.store({ ...standing, position: progress.n })
  await Promise.all([first, second])
  add(1)
  await ledger.store({ ...standing, position: progress.n })
  assert.equal(ledger.held, 0)
  const parts = await sessions.parts(record.id, 'seller')
  assert.deepEqual(
    parts.map(({ first: offset }) => Number(offset)),
    Array.from({ length: 4 + CHECKPOINT_EVERY_BLOCKS }, (_, i) => i)
  )
  const last = await sessions.checkpoint(record.id, 'seller', 1_000n)
  assert.equal(last?.position, BigInt(CHECKPOINT_EVERY_BLOCKS))
})

test('an invoice of a write that failed is in the next one, unless there is a newer one by then', async (t) => {
  const { session, sessions, record, ledgerOn } = await setup(t, 'seller')
  const signer = await makeSigner()
  const invoice = (n: bigint) => {
    const root = new Uint8Array(32)
    return signStatement(signer, 'invoice', { session, n, bytes: n, due: 0n, credited: 0n, root }, 0)
  }
  let full = false
  const ledger = ledgerOn({
    ...sessions,
    put: async (...args) => (full ? Promise.reject(new Error('disk full')) : sessions.put(...args))
  })
  const standing = { state: 'streaming', position: 0n, due: 0n, paid: 0n }
  const kept = async () => (await sessions.statements(record.id, 'seller')).map(({ cid }) => cid)
  await ledger.store(standing)
  const [first, second] = [invoice(1n), invoice(2n)]
  full = true
  ledger.keepInvoice(first, standing)
  await ledger.flush()
  full = false
  await ledger.store(standing)
  assert.deepEqual(await kept(), [first.cid])
  full = true
  ledger.keepInvoice(first, standing)
  await ledger.flush()
  full = false
  ledger.keepInvoice(second, standing)
  await ledger.flush()
  assert.deepEqual(await kept(), [second.cid])
})

const terms: SessionTerms = {
  price: { amount: 1n, count: 1n, unit: 'KiB' },
  k: 1n,
  credit: 0n,
  prepay: 0n,
  ahead: 0n,
  maximum: 0n,
  start: 0n
}

test('a resume reads a few blocks of the log, and finds what was computed from the start', async (t) => {
  const { session, record, sessions, blocks } = await setup(t, 'seller')
  const store = { ...blocks }
  const log = await openProductLog({ id: record.id, store, blockRecords: 3 })
  t.after(() => log.close())
  const records = Array.from({ length: 900 }, (_, i) => new Uint8Array(1 + (i % 7)).fill(i))
  await log.append(records)
  let progress = NO_PROGRESS
  const roots: Buffer[] = []
  const ledger = new SessionLedger(session, record, { sessions, clock: systemClock, logger: silent })
  const whole = { log, terms, clock: systemClock }
  while (progress.n < 900n) {
    const block = (await log.read(progress.n)) ?? assert.fail()
    const { progress: next } = await replayed(whole, session, startCheckpoint(session), progress.n + 3n)
    ledger.add({ ...block, endOfBlock: true }, next)
    progress = next
    roots.push(Buffer.from(ledger.transcript.root()))
    if (progress.n % 60n === 0n) await ledger.store({ state: 'streaming', position: progress.n, due: 0n, paid: 0n })
  }
  await ledger.store({ state: 'suspended', position: progress.n, due: 0n, paid: 0n })

  for (const position of [0n, 1n, 47n, 48n, 49n, 450n, 898n, 899n, 900n]) {
    let reads = 0
    const counting = {
      ...whole,
      log: {
        tail: 0n,
        head: log.head,
        read: (offset: bigint) => {
          reads++
          return log.read(offset)
        }
      } as typeof log
    }
    const from = await checkpointBefore(sessions, { session, record }, position)
    const resumed = await replayed(counting, session, from, position)
    const anew = await replayed(whole, session, startCheckpoint(session), position)
    assert.ok(reads <= CHECKPOINT_EVERY_BLOCKS, `${reads} blocks were read for position ${position}`)
    assert.deepEqual(resumed.progress, anew.progress)
    assert.deepEqual(Buffer.from(resumed.transcript.root()), Buffer.from(anew.transcript.root()))
    assert.equal(resumed.checkpoint.position, position - (position % 3n))
    if (position > 0n && position % 3n === 0n) {
      assert.deepEqual(Buffer.from(resumed.checkpoint.root), roots[Number(position / 3n) - 1])
    }
  }
})

test('a sink and its mark go with the position: a later position without a mark is of no sink', async (t) => {
  const { record, sessions, ledgerOn } = await setup(t, 'buyer')
  const ledger = ledgerOn(sessions)
  const stored = async (position: bigint, sink?: string) => {
    const mark = sink === undefined ? {} : { sink }
    await ledger.store({ state: 'streaming', due: 0n, paid: 0n, position, ...mark })
    return (await sessions.get(record.id, 'buyer'))?.sink
  }
  assert.equal(await stored(2n, 'file'), 'file')
  assert.equal(await stored(1n), 'file', 'out of turn')
  assert.equal(await stored(2n), undefined)
  assert.equal(await stored(3n, 'other file'), 'other file')
})

test('a session that is cut again and again gets its checkpoints all the same', async (t) => {
  const { session, record, sessions, log } = await setup(t, 'seller')
  for (let i = 0; i < 200; i++) await log.append([new Uint8Array([i])])
  const source = { log, terms, clock: systemClock }
  let most = 0n
  for (let position = 0n; position < 200n; position += 5n) {
    const from = await checkpointBefore(sessions, { session, record }, position)
    most = position - from.position > most ? position - from.position : most
    const { transcript, progress: at, checkpoint } = await replayed(source, session, from, position)
    const components = { sessions, clock: systemClock, logger: silent }
    const ledger = new SessionLedger(session, { ...record, checkpoint }, components, transcript)
    let progress = at
    for (let i = 0; i < 5; i++) {
      const block = (await log.read(progress.n)) ?? assert.fail()
      progress = { n: progress.n + 1n, records: progress.records + 1n, bytes: progress.bytes + 1n }
      ledger.add({ ...block, endOfBlock: true }, progress)
    }
    await ledger.store({ state: 'suspended', position: progress.n, due: 0n, paid: 0n })
  }
  assert.ok(most <= BigInt(CHECKPOINT_EVERY_BLOCKS) + 5n, `${most} blocks before a resume had no checkpoint`)
  assert.equal((await sessions.parts(record.id, 'seller')).length, 200)
})

test('a long way without checkpoints gives others a turn', async (t) => {
  const { session, log } = await setup(t, 'seller')
  for (let i = 0; i < 200; i++) await log.append([new Uint8Array([i])])
  let turns = 0
  const clock = {
    ...systemClock,
    after: (_: number, callback: () => void) => systemClock.after(turns++ && 0, callback)
  }
  await replayed({ log, terms, clock }, session, startCheckpoint(session), 200n)
  assert.equal(turns, 3)
})

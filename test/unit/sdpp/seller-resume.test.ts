import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { CID } from 'multiformats/cid'
import type { ResumeRequest, SessionStore } from '../../../src/interface/index.ts'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { MAX_IN_FLIGHT_BYTES, MAX_UNSTORED_BYTES } from '../../../src/protocols/sdpp/constants.ts'
import { STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain, type Plain } from '../../../src/protocols/sdpp/messages.ts'
import { transcriptStart } from '../../../src/statements/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import {
  buyFrom,
  countingPayee,
  jsonRecords,
  ManualClock,
  makePair,
  openStreams,
  type Pair,
  serve,
  until,
  voucher
} from '../../support/sdpp.ts'
import { fillWindow, RawBuyer } from '../../support/sdpp-raw.ts'

/** A session of which 100 records were sent, 2,000 were paid, and the stream was cut. */
async function cut(
  t: TestContext,
  made: Parameters<typeof makePair>[1] = {},
  served: Parameters<typeof serve>[2] = {}
): Promise<{ pair: Pair; session: CID }> {
  const pair = await makePair(t, { ...made, product: { creditForAll: true, ...made.product } })
  await pair.log.append(jsonRecords(1_000))
  const { outbound, buyer, selling, done } = await fillWindow(pair, served)
  buyer.pay(2_000n)
  await until('it is credited', () => selling.status.credited === 2_000n)
  await until('the window is full again', () => selling.status.sent === 120n)
  outbound.abort(new Error('cable cut'))
  await done
  return { pair, session: buyer.session as CID }
}

/** What the session's seller says to RESUME at the beginning, over a new stream. */
async function resume(
  pair: Pair,
  session: CID,
  fields: Partial<Plain<'RESUME'>> = {},
  options: Pick<NonNullable<Parameters<typeof serve>[2]>, 'takeOver' | 'sessions' | 'trust'> = {}
) {
  const [outbound, inbound] = await openStreams()
  const { session: selling, done } = serve(pair, inbound, options)
  const buyer = new RawBuyer(pair, outbound)
  const root = transcriptStart(session.bytes)
  buyer.send(encodePlain('RESUME', { session, position: 0n, root, paid: 0n, ...fields }))
  return { buyer, selling, done }
}

/** No invoice before a second has passed. */
const K_LARGE = { min: 1n, default: 1_000n, max: 1_000n }

const stored = (pair: Pair, session: CID) => pair.sellerLedger.sessions.get(session.toString(), 'seller')

test('who resumes at an old position and is cut again has not got rid of what it owes', async (t) => {
  // Large enough for the flow limit to hold the second stream back before it is where the first one was.
  const pair = await makePair(t, { credit: 3_000n })
  for (let i = 0; i < 40; i++) await pair.log.append([new Uint8Array(50_000)])
  const [outbound, inbound] = await openStreams()
  const { session: selling, done } = serve(pair, inbound)
  const buyer = new RawBuyer(pair, outbound)
  await buyer.hello()
  await buyer.order()
  await until('the flow limit holds it', () => selling.status.sent === 20n)
  buyer.send(encodePlain('POSITION', { n: 20n }))
  await until('the window is full', () => selling.status.sent === 30n)
  outbound.abort(new Error('cable cut'))
  await done
  const session = buyer.session as CID
  const owed = ['suspended', 30n, 3_000n, 0n]
  for (let times = 0; times < 3; times++) {
    const before = await stored(pair, session)
    assert.deepEqual([before?.state, before?.position, before?.due, before?.paid], owed)
    const again = await resume(pair, session)
    await again.buyer.next('ACCEPT')
    const { statement } = await again.buyer.next('INVOICE')
    assert.deepEqual([statement.content.n, statement.content.due], [0n, 0n])
    await until('some was sent again', () => again.selling.status.sent === 20n)
    again.buyer.stream.abort(new Error('gone'))
    await again.done
  }
})

test('all that was sent before goes again, and nothing new until it is paid for', async (t) => {
  const { pair, session } = await cut(t)
  const { selling, buyer, done } = await resume(pair, session)
  await until('it was sent again', () => selling.status.sent === 120n)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(selling.status.sent, 120n)
  buyer.stream.abort(new Error('gone'))
  await done
})

test('a voucher that was lost with the stream counts before anything is decided', async (t) => {
  const { pair, session } = await cut(t)
  const { buyer, done } = await resume(pair, session, { paid: 5_000n, payload: voucher(5_000n) })
  const { statement } = await buyer.next('ACCEPT')
  assert.equal(statement.content.credited, 5_000n)
  buyer.stream.abort(new Error('gone'))
  await done
  assert.equal((await stored(pair, session))?.paid, 5_000n)
})

test('a voucher that is too low is refused, and the session stays as it was', async (t) => {
  const { pair, session } = await cut(t)
  const { buyer, done } = await resume(pair, session, { paid: 5_000n, payload: voucher(4_999n) })
  assert.equal(await buyer.status(), STATUS.paymentInvalid)
  buyer.stream.abort(new Error('gone'))
  await done
  const after = await stored(pair, session)
  assert.deepEqual([after?.state, after?.position, after?.paid], ['suspended', 120n, 2_000n])
})

test('another root is a dispute, which nobody resumes; a position that cannot be is unexpected', async (t) => {
  const { pair, session } = await cut(t)
  const beyond = await resume(pair, session, { position: 121n })
  assert.equal(await beyond.buyer.status(), STATUS.unexpected)
  const lie = await resume(pair, session, { position: 10n, root: randomBytes(32) })
  assert.equal(await lie.buyer.status(), STATUS.transcriptMismatch)
  await lie.done
  assert.equal((await stored(pair, session))?.state, 'disputed')
  const again = await resume(pair, session)
  assert.equal(await again.buyer.status(), STATUS.unknownSession)
})

test('a dispute at a resume ends what the rail and the credit keep for the session, and gives nothing back', async (t) => {
  const ends: Array<[bigint, bigint]> = []
  const requests: ResumeRequest[] = []
  const payee = countingPayee(10n ** 12n, {
    end: async (due, credited) => {
      ends.push([due, credited])
      return undefined
    }
  })
  const { resume: take } = payee
  payee.resume = (request, options) => {
    requests.push(request)
    return take(request, options)
  }
  const trust = createTrustLedger({ store: memoryTrustStore(), strangerCredit: 10_000n })
  const { pair, session } = await cut(t, { payee }, { trust })
  const held = async () => (await trust.outstanding('seller')).map(({ open, debt }) => ({ open, debt }))
  // Killed: the grant is as open as it was.
  await trust.reopen({ role: 'seller', session: session.toString(), one: 100n, cap: 10_000n })
  assert.deepEqual(
    (await held()).map(({ open }) => open),
    [true]
  )
  const lie = await resume(pair, session, { position: 10n, root: randomBytes(32) }, { trust })
  assert.equal(await lie.buyer.status(), STATUS.transcriptMismatch)
  await lie.done
  assert.deepEqual(ends, [[12_000n, 2_000n]])
  assert.equal(requests[0]?.toEnd, true)
  assert.deepEqual(await held(), [{ open: false, debt: 10_000n }])
  assert.equal((await stored(pair, session))?.state, 'disputed')
})

test('the older stream of a session has ended, and what it held is stored, before the session goes on', async (t) => {
  const { pair, session } = await cut(t)
  const seen: string[] = []
  const { sessions } = pair.sellerLedger
  const watched: SessionStore = {
    ...sessions,
    get: (...asked) => {
      seen.push('read')
      return sessions.get(...asked)
    }
  }
  const takeOver = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 30))
    seen.push('ended')
  }
  const { buyer, done } = await resume(pair, session, {}, { takeOver, sessions: watched })
  await buyer.next('ACCEPT')
  assert.deepEqual(seen.slice(0, 2), ['ended', 'read'])
  buyer.stream.abort(new Error('gone'))
  await done
})

test('who names what was never sent makes the seller read nothing; a crash allows for what it may have lost', async (t) => {
  const { pair, session } = await cut(t)
  const reads: bigint[] = []
  const { read } = pair.log
  pair.log.read = (offset, options) => {
    reads.push(offset)
    return read.call(pair.log, offset, options)
  }
  const refusal = async (position: bigint) => (await resume(pair, session, { position })).buyer.status()
  assert.deepEqual([await refusal(121n), reads], [STATUS.unexpected, []])
  const record = await stored(pair, session)
  assert.ok(record)
  await pair.sellerLedger.sessions.put({ ...record, state: 'streaming' })
  // As many empty records as the ledger may not have had.
  const most = 120n + BigInt(MAX_UNSTORED_BYTES / 4)
  assert.deepEqual([await refusal(most + 1n), reads], [STATUS.unexpected, []])
  assert.equal(await refusal(most), STATUS.offsetPruned, 'what its log has is read')
  assert.notDeepEqual(reads, [])
})

test('no more is sent than the ledger may forget: POSITION frees nothing before where it stands is stored', async (t) => {
  const pair = await makePair(t, { price: { amount: '0', count: 1, unit: 'record' }, product: { k: K_LARGE } })
  for (let i = 0; i < 80; i++) await pair.log.append([new Uint8Array(60_000)])
  let stuck = Promise.withResolvers<void>()
  const { sessions } = pair.sellerLedger
  const slow: SessionStore = {
    ...sessions,
    put: async (...all) => {
      await sessions.put(...all)
      if (all[0].position > 0n) await stuck.promise
    }
  }
  const [outbound, inbound] = await openStreams()
  const { session: selling, done } = serve(pair, inbound, { sessions: slow, clock: new ManualClock() })
  const buyer = new RawBuyer(pair, outbound)
  await buyer.hello()
  await buyer.order({ k: 1_000n })
  const mostInFlight = BigInt(Math.floor(MAX_IN_FLIGHT_BYTES / 60_004))
  await until('the flow limit holds it', () => selling.status.sent === mostInFlight)
  const acknowledge = (n: bigint) => buyer.send(encodePlain('POSITION', { n }))
  acknowledge(mostInFlight)
  await until('it goes on', () => selling.status.sent === 2n * mostInFlight)
  acknowledge(2n * mostInFlight)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(selling.status.sent, 2n * mostInFlight)
  stuck.resolve()
  stuck = Promise.withResolvers()
  stuck.resolve()
  await until('it goes on when that is stored', () => selling.status.sent === 3n * mostInFlight)
  assert.equal((await stored(pair, buyer.session as CID))?.position, 2n * mostInFlight)
  outbound.abort(new Error('gone'))
  await done
})

test('the ACCEPT of a settled session stays what it is verified with: one that answers RESUME names no base', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(100))
  await pair.log.finish()
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 10n ** 9n }
  const { buyer, sellerDone } = await buyFrom(pair, { wish })
  for await (const _ of buyer.batches());
  const { id } = await buyer.done
  await sellerDone
  const accepts = async () => {
    const statements = await pair.sellerLedger.sessions.statements(id, 'seller')
    return statements.filter(({ kind }) => kind === 'accept').map(({ cid }) => cid)
  }
  const first = await accepts()
  const resumed = await resume(pair, CID.parse(id))
  assert.equal((await resumed.buyer.next('ACCEPT')).statement.content.base, undefined)
  assert.deepEqual(await accepts(), first)
  resumed.buyer.stream.abort(new Error('cable cut'))
  await resumed.done
  assert.deepEqual(await accepts(), first)
})

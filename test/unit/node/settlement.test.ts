import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Settlement, type SettlementComponents } from '../../../src/node/settlement.ts'
import { isUnconfirmed, readSession, type StoredSession } from '../../../src/protocols/sdpp/index.ts'
import {
  countingPayee,
  countingPayer,
  jsonRecords,
  makeBuyer,
  makePair,
  openStreams,
  type Pair,
  serve,
  silent,
  until
} from '../../support/sdpp.ts'

const HOUR = 3_600_000
const WISH = { from: { offset: 0n }, quantity: 20n, prepay: 0n, maximum: 10n ** 9n }

/** A seller with as many sessions as asked for, whose acknowledgements were all lost with the connection. */
async function unconfirmed(t: TestContext, sessions = 1): Promise<{ pair: Pair; ids: string[] }> {
  const pair = await makePair(t, { payee: countingPayee(10n ** 12n) })
  await pair.log.append(jsonRecords(50))
  const ids: string[] = []
  for (let i = 0; i < sessions; i++) {
    const [outbound, inbound] = await openStreams()
    const { done } = serve(pair, inbound)
    let cut = false
    const end = async (): Promise<void> => {
      cut = true
      outbound.abort(new Error('cable cut'))
    }
    const buyer = makeBuyer(pair, outbound, { wish: WISH }, { payer: countingPayer({ end }) })
    await buyer.open()
    for await (const _ of buyer.batches()) assert.ok(!cut)
    ids.push((await buyer.done).id)
    await Promise.all([buyer.settled, done])
  }
  return { pair, ids }
}

/** Over a stream pair instead of a connection that is dialled. */
async function takeUp(pair: Pair, stored: StoredSession, signal: AbortSignal): Promise<boolean> {
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish: WISH, resume: { stored } }, { payer: countingPayer() })
  await buyer.open({ signal })
  await buyer.done
  await Promise.all([buyer.settled, done])
  return buyer.status.phase === 'closed'
}

/** The buyer's side, with the sessions of this test only, and what it has tried. */
function settlementOf(pair: Pair, change: Partial<SettlementComponents> = {}) {
  const tried: string[] = []
  const { sessions } = pair.buyerLedger
  const settle: SettlementComponents['settle'] = change.settle ?? ((stored, { signal }) => takeUp(pair, stored, signal))
  const settlement = new Settlement({
    sessions: {
      ...sessions,
      list: async (...args) => (await sessions.list(...args)).filter(({ peer }) => peer === pair.sellerSigner.peerId)
    },
    inUse: () => false,
    logger: silent,
    ...change,
    settle: (stored, options) => {
      tried.push(stored.record.id)
      return settle(stored, options)
    }
  })
  return { settlement, tried }
}

async function open({ buyerLedger }: Pair, ids: readonly string[]): Promise<string[]> {
  const stored = await Promise.all(ids.map((id) => readSession(buyerLedger.sessions, id, 'buyer')))
  return stored.filter((one) => one !== undefined && isUnconfirmed(one)).map((one) => one?.record.id as string)
}

test('what was lost with a connection is fetched at the next look, session after session, and then never again', async (t) => {
  const { pair, ids } = await unconfirmed(t, 3)
  assert.deepEqual(await open(pair, ids), ids)
  const { settlement, tried } = settlementOf(pair)
  await settlement.look()
  await until('all are tried', () => tried.length === 3)
  await settlement.stop()
  assert.deepEqual([tried, await open(pair, ids.slice(0, 2))], [ids, []])
  const { settlement: later, tried: again } = settlementOf(pair)
  await later.look()
  await later.stop()
  assert.deepEqual(
    again.filter((id) => ids.slice(0, 2).includes(id)),
    []
  )
})

test('a session that somebody takes up while it is read is left to them', async (t) => {
  const { pair } = await unconfirmed(t)
  const { sessions } = pair.buyerLedger
  let reads = 0
  let taken = false
  const read: typeof sessions.statements = async (...asked) => {
    const statements = await sessions.statements(...asked)
    // First it is looked for, then it is taken.
    taken = ++reads > 1
    return statements
  }
  const own: SettlementComponents['sessions'] = {
    ...sessions,
    list: async (...asked) => (await sessions.list(...asked)).filter(({ peer }) => peer === pair.sellerSigner.peerId),
    statements: read
  }
  const { settlement, tried } = settlementOf(pair, { sessions: own, inUse: () => taken })
  await settlement.look()
  await until('it is read again', () => reads === 2)
  await settlement.stop()
  assert.deepEqual(tried, [])
})

test('a seller that is away is met again: at a look one session is tried, at the next contact all', async (t) => {
  const { pair, ids } = await unconfirmed(t, 2)
  const seller = pair.sellerSigner.peerId
  let away = true
  let now = Date.now()
  const settle: SettlementComponents['settle'] = async (stored, { signal }) => {
    if (away) throw new Error('nobody is there')
    return takeUp(pair, stored, signal)
  }
  const { settlement, tried } = settlementOf(pair, { settle, now: () => now })
  await settlement.look()
  await until('one is tried', () => tried.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 5))
  settlement.met(seller)
  assert.equal(tried.length, 1, 'it was asked just now')
  away = false
  now += 61_000
  settlement.met('12D3KooWStranger')
  settlement.met(seller)
  await until('all are tried', () => tried.length === 3)
  await settlement.stop()
  assert.deepEqual(tried, [ids[0], ids[0], ids[1]])
})

test('nobody is asked for ever: not a seller that never confirms, not beyond the time that it keeps a session', async (t) => {
  const { pair, ids } = await unconfirmed(t)
  const { settlement, tried } = settlementOf(pair, { settle: async () => false })
  for (let look = 1; look <= 25; look++) {
    await settlement.look()
    await new Promise((resolve) => setImmediate(resolve))
    await until('it is tried', () => tried.length === Math.min(look, 20))
  }
  assert.equal(tried.length, 20)
  await settlement.stop()
  const late = settlementOf(pair, { now: () => Date.now() + 25 * HOUR })
  await late.settlement.look()
  await late.settlement.stop()
  assert.deepEqual([late.tried, await open(pair, ids)], [[], ids])
})

test('a session in use is left alone, and given up to whoever takes it', async (t) => {
  const { pair, ids } = await unconfirmed(t)
  const used = settlementOf(pair, { inUse: () => true })
  await used.settlement.look()
  await used.settlement.stop()
  assert.deepEqual(used.tried, [])
  let ended = false
  const { settlement, tried } = settlementOf(pair, {
    settle: (_stored, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          ended = true
          reject(signal.reason as Error)
        })
      })
  })
  await settlement.look()
  await until('it is tried', () => tried.length === 1)
  await settlement.release(ids[0] as string)
  assert.ok(ended)
  await settlement.stop()
})

test('a session that has just ended without the word of its seller is taken up at once', async (t) => {
  const { pair, ids } = await unconfirmed(t)
  const { settlement, tried } = settlementOf(pair)
  settlement.missed(pair.sellerSigner.peerId, ids[0] as string)
  await until('it is tried', () => tried.length === 1)
  for (let i = 0; i < 200 && (await open(pair, ids)).length > 0; i++) await new Promise((r) => setTimeout(r, 5))
  await settlement.stop()
  assert.deepEqual([tried, await open(pair, ids)], [ids, []])
})

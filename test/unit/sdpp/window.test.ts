import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { streamPair } from '@libp2p/utils'
import type { PayeeSession, PayerSession } from '../../../src/interface/index.ts'
import type { SessionTerms } from '../../../src/protocols/sdpp/account.ts'
import {
  isFull,
  type MeasuredFlow,
  type NarrowWindow,
  narrowWindow
} from '../../../src/protocols/sdpp/window-advice.ts'
import { WindowMeter } from '../../../src/protocols/sdpp/window-meter.ts'
import {
  countingPayee,
  countingPayer,
  jsonRecords,
  makeBuyer,
  makePair,
  serve,
  silent,
  voucher
} from '../../support/sdpp.ts'

const TERMS: SessionTerms = {
  price: { amount: 100n, count: 1n, unit: 'record' },
  k: 1n,
  credit: 200n,
  prepay: 0n,
  ahead: 0n,
  maximum: 10_000n,
  start: 0n
}
/** 20 records per second while it does not wait, which is half of the time. */
const FLOW: MeasuredFlow = { records: 100n, bytes: 10_000n, ms: 10_000, waits: 50, waitedMs: 5_000, roundTripMs: 100 }

test('a window that holds the stream back is too small by price × rate × round trip', () => {
  assert.deepEqual(narrowWindow(FLOW, TERMS), { window: 200n, need: 300n })
  assert.equal(narrowWindow(FLOW, { ...TERMS, credit: 300n }), undefined)
  assert.equal(narrowWindow(FLOW, { ...TERMS, ahead: 100n }), undefined)
  assert.deepEqual(narrowWindow({ ...FLOW, roundTripMs: 400 }, TERMS), { window: 200n, need: 900n })
  const perKiB = { amount: 1024n, count: 1n, unit: 'KiB' } as const
  assert.deepEqual(narrowWindow(FLOW, { ...TERMS, price: perKiB }), { window: 200n, need: 300n })
})

test('nothing is said of chance: too few waits, a small part of the time, or nothing measured', () => {
  assert.equal(narrowWindow({ ...FLOW, waits: 9 }, TERMS), undefined)
  assert.equal(narrowWindow({ ...FLOW, waitedMs: 1_999 }, TERMS), undefined)
  assert.equal(narrowWindow({ ...FLOW, roundTripMs: undefined }, TERMS), undefined)
  assert.equal(narrowWindow({ ...FLOW, records: 0n, bytes: 0n }, TERMS), undefined)
})

test('what would do is no more than the order may cost, nor than the link may have on its way', () => {
  assert.equal(narrowWindow(FLOW, { ...TERMS, maximum: 250n })?.need, 250n)
  const always = { ...FLOW, waitedMs: 10_000, bytes: 100n * 65_536n }
  assert.deepEqual(narrowWindow(always, { ...TERMS, maximum: 10n ** 9n }), { window: 200n, need: 1_700n })
})

test('a meter counts what waited for the window and no more, and takes the shortest round trip', () => {
  const meter = new WindowMeter()
  meter.start({ n: 5n, records: 5n, bytes: 50n }, 1_000)
  meter.asks(100n, 1_000)
  meter.asks(200n, 1_050)
  meter.answered(99n, 1_060)
  assert.equal(meter.roundTripMs, undefined)
  meter.answered(100n, 1_080)
  meter.sample(95)
  meter.waits(1_100)
  meter.waits(1_150)
  meter.goesOn(1_200)
  meter.goesOn(1_300)
  meter.waits(2_000)
  meter.asks(300n, 2_010)
  assert.equal(meter.likelyWaitMs, 100)
  meter.goesOn(3_000, meter.likelyWaitMs)
  const flow = meter.flow({ n: 9n, records: 9n, bytes: 130n }, 3_000)
  assert.deepEqual(flow, { records: 4n, bytes: 80n, ms: 2_000, waits: 2, waitedMs: 200, roundTripMs: 80 })
})

test('a seller waits when not one more record fits, and not at the end of the order', () => {
  const progress = { n: 2n, records: 2n, bytes: 20n }
  assert.equal(isFull(TERMS, progress, 0n), true)
  assert.equal(isFull(TERMS, progress, 100n), false)
  assert.equal(isFull({ ...TERMS, maximum: 200n }, progress, 0n), false)
})

/** A purchase of 60 records over a link with a delay, and what both sides said and stored of the window. */
async function buy(
  t: TestContext,
  credit: bigint,
  payer: Partial<PayerSession> = {},
  payee: Partial<PayeeSession> = {}
) {
  const pair = await makePair(t, { credit, payee: countingPayee(10n ** 12n, payee) })
  await pair.log.append(jsonRecords(60))
  const [outbound, inbound] = await streamPair({ delay: 3, capacity: 100 })
  const warned: unknown[] = []
  const logger = { ...silent, warn: (_text: string, details?: Record<string, unknown>) => warned.push(details?.need) }
  const { done } = serve(pair, inbound, { logger })
  const told: NarrowWindow[] = []
  const wish = { from: { offset: 0n }, quantity: 60n, prepay: 0n, maximum: 6_000n }
  const request = { wish, onNarrow: (narrow: NarrowWindow) => told.push(narrow) }
  const buyer = makeBuyer(pair, outbound, request, { payer: countingPayer(payer) })
  await buyer.open()
  const atFirst = buyer.roundTripMs
  for await (const _ of buyer.batches());
  const { id } = await buyer.done
  await Promise.all([buyer.settled, done])
  const sold = await pair.sellerLedger.sessions.get(id, 'seller')
  const bought = await pair.buyerLedger.sessions.get(id, 'buyer')
  return { warned, told, sold: sold?.needed, bought: bought?.needed, atFirst, atLast: buyer.roundTripMs }
}

const TRANSACTION_MS = 60

test('both sides say once, and keep, that the window is too small', async (t) => {
  const { warned, told, sold, bought } = await buy(t, 200n)
  assert.deepEqual(warned, [sold?.toString()])
  assert.ok((sold ?? 0n) > 200n)
  assert.deepEqual(told, [{ window: 200n, need: bought }])
  assert.ok((bought ?? 0n) > 200n)
})

test('a window that is wide enough is not spoken of', async (t) => {
  const { atFirst, atLast, ...said } = await buy(t, 100_000n)
  assert.deepEqual(said, { warned: [], told: [], sold: undefined, bought: undefined })
  assert.ok(atFirst !== undefined && atLast !== undefined && atLast <= atFirst)
})

test('where each payment is a transaction, that is what a round trip takes: a greeting says nothing of it', async (t) => {
  const pay = async (sessionPaid: bigint) => {
    await sleep(TRANSACTION_MS)
    return voucher(sessionPaid)
  }
  const { told, atFirst, atLast, bought } = await buy(t, 200n, { transfers: true, pay }, { transfers: true })
  assert.equal(atFirst, undefined)
  assert.ok(atLast !== undefined && atLast >= TRANSACTION_MS, `${atLast} ms`)
  assert.deepEqual(told, [{ window: 200n, need: bought }])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { RECEIPT_TIMEOUT_MS } from '../../../src/protocols/sdpp/constants.ts'
import { CLOSE_REASON, readSession } from '../../../src/protocols/sdpp/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import {
  countingPayer,
  jsonRecords,
  ManualClock,
  makeBuyer,
  makePair,
  openStreams,
  type Pair,
  serve,
  until
} from '../../support/sdpp.ts'
import { RawSeller } from '../../support/sdpp-raw.ts'

/** Somebody wants no more of a stream without an end, and the connection is lost before the receipt comes. */

const wish = { from: { offset: 0n }, prepay: 0n, maximum: 10n ** 9n }

test('a session that was stopped and lost is resumed for its receipt, not for more records', async (t) => {
  const pair = await makePair(t)
  const payer = countingPayer()
  const trust = createTrustLedger({ store: memoryTrustStore(), strangerCredit: 10n ** 6n })
  await pair.log.append(jsonRecords(50))
  const seen: bigint[] = []
  const left = async () => (await readSession(pair.buyerLedger.sessions, String(buyer.status.id), 'buyer'))?.record
  const open = async (resume = false) => {
    const [outbound, inbound] = await openStreams()
    const served = serve(pair, inbound, { trust })
    const stored = resume ? await readSession(pair.buyerLedger.sessions, String(buyer.status.id), 'buyer') : undefined
    const session = makeBuyer(pair, outbound, { wish, ...(stored && { resume: { stored } }) }, { payer })
    await session.open()
    const reading = (async () => {
      for await (const batch of session.batches())
        for (let i = 0; i < batch.length; i++) seen.push(batch.first + BigInt(i))
    })()
    const lose = async (): Promise<void> => {
      outbound.abort(new Error('cable cut'))
      await Promise.allSettled([session.done, reading, served.done])
    }
    return { session, reading, served, lose }
  }
  const first = await open()
  const buyer = first.session
  await until('all are here', () => seen.length === 50)
  buyer.stop()
  await first.lose()
  assert.equal((await left())?.state, 'stopped')
  await pair.log.append(jsonRecords(1_000))

  // A second loss changes nothing about that.
  const second = await open(true)
  await second.lose()
  assert.equal((await left())?.state, 'stopped')

  const last = await open(true)
  const { received, due, paid } = await last.session.done
  await Promise.all([last.reading, last.session.settled, last.served.done])
  assert.equal((await left())?.state, 'closed')
  // No more than what was under way before its CLOSE came: a window on each stream.
  assert.ok(received >= 50n && received <= 250n, `${received} received`)
  assert.deepEqual([due, paid], [received * 100n, received * 100n])
  assert.deepEqual([...new Set(seen)].length, Number(received))
  const { debt } = (await trust.standing('seller', { peer: pair.buyerSigner.peerId })).peer
  assert.equal(debt, 0n, 'what was sent before it was lost is paid')
})

test('a seller that goes on past the duration of the order is stopped', async (t) => {
  const pair = await makePair(t)
  const clock = new ManualClock()
  const [outbound, inbound] = await openStreams()
  const seller = new RawSeller(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish: { ...wish, duration: 60_000n } }, { clock })
  const opened = buyer.open()
  await seller.begin()
  await opened
  seller.data(jsonRecords(2))
  await until('they are here', () => buyer.status.received === 2n)
  for (let i = 0; i < 3; i++) {
    clock.advance(20_000)
    seller.data(jsonRecords(1))
    await until('the next is here', () => buyer.status.received === BigInt(3 + i))
  }
  clock.advance(RECEIPT_TIMEOUT_MS - 1)
  assert.equal(buyer.status.phase, 'streaming', 'the seller has some time to end it')
  clock.advance(1)
  assert.equal(Number((await seller.next('CLOSE')).content.reason), CLOSE_REASON.buyerDone)
  inbound.abort(new Error('cable cut'))
  await assert.rejects(buyer.done)
})

/** A buyer whose order a seller played by hand has accepted. */
async function begin(pair: Pair) {
  const [outbound, inbound] = await openStreams()
  const seller = new RawSeller(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish })
  const opened = buyer.open()
  await seller.begin()
  await opened
  return { buyer, seller, inbound }
}

test('the most that a stopped session may still cost is durable', async (t) => {
  const pair = await makePair(t, { credit: 500n })
  const { buyer, seller, inbound } = await begin(pair)
  seller.data(jsonRecords(4))
  seller.invoice()
  await until('it is paid', () => buyer.status.paid === 400n)
  buyer.stop()
  await seller.next('PAYMENT')
  await seller.next('CLOSE')
  seller.data(jsonRecords(20))
  seller.invoice({ credited: 400n })
  await until('it has paid what it will', () => buyer.status.paid === 900n)
  inbound.abort(new Error('cable cut'))
  await assert.rejects(buyer.done)
  const left = await pair.buyerLedger.sessions.get(String(buyer.status.id), 'buyer')
  assert.deepEqual([left?.state, left?.limit, left?.due, left?.paid], ['stopped', 900n, 2_400n, 900n])
})

test('a seller that does not settle is left, and the session goes on without a limit', async (t) => {
  const pair = await makePair(t, { credit: 500n })
  const { buyer, seller } = await begin(pair)
  seller.data(jsonRecords(2))
  await until('they are here', () => buyer.status.received === 2n)
  const left = () => pair.buyerLedger.sessions.get(String(buyer.status.id), 'buyer')
  buyer.stop()
  await seller.next('CLOSE')
  while ((await left())?.limit !== 500n) await sleep(5)
  buyer.cut()
  await assert.rejects(buyer.done)
  const { state, limit } = (await left()) ?? {}
  assert.deepEqual([state, limit], ['suspended', undefined])
})

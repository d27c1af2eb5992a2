import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { RECEIPT_TIMEOUT_MS } from '../../../src/protocols/sdpp/constants.ts'
import { isUnconfirmed, readSession, STATUS, type StoredSession } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain } from '../../../src/protocols/sdpp/messages.ts'
import {
  countingPayee,
  countingPayer,
  jsonRecords,
  ManualClock,
  makeBuyer,
  makePair,
  openStreams,
  type Pair,
  serve,
  until,
  voucher
} from '../../support/sdpp.ts'
import { RawSeller } from '../../support/sdpp-raw.ts'

/** RECEIPT and RECEIPT_ACK that were lost with the connection, and how both sides learn that they were not. */

const WISH = { from: { offset: 0n }, quantity: 20n, prepay: 0n, maximum: 10n ** 9n }

async function stored({ buyerLedger }: Pair, id: string): Promise<StoredSession> {
  const session = await readSession(buyerLedger.sessions, id, 'buyer')
  assert.ok(session !== undefined)
  return session
}

/** How many acknowledgements the seller has. */
async function acknowledged({ sellerLedger }: Pair, id: string): Promise<number> {
  const statements = await sellerLedger.sessions.statements(id, 'seller')
  return statements.filter(({ kind }) => kind === 'receipt-ack').length
}

/** A pair, of which one side may be hindered at the end of its session. */
async function market(t: TestContext, hinder: { buyer?: () => Promise<void>; seller?: () => Promise<void> } = {}) {
  const payee = countingPayee(10n ** 12n, {
    end: async () => {
      await hinder.seller?.()
      return voucher(payee.credited.at(-1) ?? 0n)
    }
  })
  const pair = await makePair(t, { payee })
  await pair.log.append(jsonRecords(50))
  const payer = countingPayer(hinder.buyer === undefined ? {} : { end: hinder.buyer })
  return { pair, payer }
}

async function buy({ pair, payer }: Awaited<ReturnType<typeof market>>) {
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish: WISH }, { payer })
  await buyer.open()
  let records = 0
  const reading = (async () => {
    for await (const batch of buyer.batches()) records += batch.length
  })()
  return { buyer, reading, outbound, sold: done, records: () => records }
}

/** Takes the session up as it is stored; resolves with the records that came. */
async function settle({ pair, payer }: Awaited<ReturnType<typeof market>>, id: string): Promise<number> {
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish: WISH, resume: { stored: await stored(pair, id) } }, { payer })
  await buyer.open()
  let records = 0
  for await (const batch of buyer.batches()) records += batch.length
  await buyer.done
  await Promise.all([buyer.settled, done])
  return records
}

test('the seller says that it has the acknowledgement, and only then the session is closed', async (t) => {
  const sides = await market(t)
  const { buyer, reading, sold } = await buy(sides)
  await reading
  const { id } = await buyer.done
  await Promise.all([buyer.settled, sold])
  assert.equal(await acknowledged(sides.pair, id), 1)
  const session = await stored(sides.pair, id)
  assert.deepEqual([session.record.state, buyer.status.phase, isUnconfirmed(session)], ['closed', 'closed', false])
})

test('an acknowledgement that was lost is sent again: no record comes twice, and the receipt is the same', async (t) => {
  const held = Promise.withResolvers<void>()
  let ends = 0
  const sides = await market(t, { buyer: async () => (ends++ === 0 ? held.promise : undefined) })
  const { buyer, reading, outbound, sold, records } = await buy(sides)
  await until('the receipt is being stored', () => ends === 1)
  outbound.abort(new Error('cable cut'))
  held.resolve()
  const { id, receipt } = await buyer.done
  await Promise.all([buyer.settled, reading, sold])
  assert.equal(records(), 20)
  const lost = await stored(sides.pair, id)
  assert.deepEqual([lost.record.state, isUnconfirmed(lost)], ['receipted', true])
  assert.equal(await acknowledged(sides.pair, id), 0)
  assert.equal(await settle(sides, id), 0)
  const session = await stored(sides.pair, id)
  assert.deepEqual([session.record.state, isUnconfirmed(session)], ['closed', false])
  assert.equal(session.receipt?.cid, receipt.cid)
  assert.equal(await acknowledged(sides.pair, id), 1)
})

test('what was due is due while the end is fetched, also when that is cut again', async (t) => {
  const held = Promise.withResolvers<void>()
  let ends = 0
  const sides = await market(t, { buyer: async () => (ends++ === 0 ? held.promise : undefined) })
  const { buyer, reading, outbound, sold } = await buy(sides)
  await until('the receipt is being stored', () => ends === 1)
  outbound.abort(new Error('cable cut'))
  held.resolve()
  const { id, due } = await buyer.done
  await Promise.all([buyer.settled, reading, sold])
  // In the middle of a block: taken up from its beginning.
  assert.equal((await stored(sides.pair, id)).record.checkpoint.position, 0n)
  const [again, inbound] = await openStreams()
  const { done } = serve(sides.pair, inbound)
  const request = { wish: WISH, resume: { stored: await stored(sides.pair, id) } }
  const { sessions } = sides.pair.buyerLedger
  const put: typeof sessions.put = (...session) => {
    // With ACCEPT, before anything comes again.
    again.abort(new Error('cable cut again'))
    return sessions.put(...session)
  }
  const resumed = makeBuyer(sides.pair, again, request, { payer: sides.payer, sessions: { ...sessions, put } })
  await Promise.allSettled([resumed.open(), resumed.done, resumed.settled, done])
  const { record } = await stored(sides.pair, id)
  assert.deepEqual([record.state, record.position, record.due], ['receipted', 20n, due])
})

test('a receipt that was lost is fetched when all records are here', async (t) => {
  const held = Promise.withResolvers<void>()
  let settling = false
  const hold = async (): Promise<void> => {
    settling = true
    await held.promise
  }
  const sides = await market(t, { seller: hold })
  const { buyer, reading, outbound, sold, records } = await buy(sides)
  await until('all came and is paid', () => settling && records() === 20)
  const id = buyer.status.id as string
  outbound.abort(new Error('cable cut'))
  held.resolve()
  await Promise.allSettled([reading, buyer.done, sold])
  const lost = await stored(sides.pair, id)
  assert.equal(lost.receipt, undefined)
  assert.deepEqual([lost.record.state, isUnconfirmed(lost)], ['suspended', true])
  assert.equal(await settle(sides, id), 0)
  const session = await stored(sides.pair, id)
  assert.deepEqual([session.record.state, session.receipt?.content.n], ['closed', 20n])
})

/** A session that has its receipt, with a seller played by hand that has said nothing yet. */
async function receipted(t: TestContext): Promise<{
  buyer: ReturnType<typeof makeBuyer>
  seller: RawSeller
  pair: Pair
  clock: ManualClock
  end: Stream
}> {
  const pair = await makePair(t, { price: { amount: '0', count: 1, unit: 'record' } })
  const [end, inbound] = await openStreams()
  const clock = new ManualClock()
  const buyer = makeBuyer(pair, end, { wish: WISH }, { clock })
  const seller = new RawSeller(pair, inbound)
  const opened = buyer.open()
  await seller.begin({ until: 20n })
  await opened
  // Said too early it means nothing.
  seller.send(encodePlain('STATUS', { code: BigInt(STATUS.ok), text: '' }))
  seller.close()
  seller.invoice()
  seller.receipt()
  await seller.next('RECEIPT_ACK')
  await buyer.done
  return { buyer, seller, pair, clock, end }
}

test('a seller that says nothing is waited for until its time is over, and the session stays unconfirmed', async (t) => {
  const { buyer, pair, clock, end } = await receipted(t)
  assert.equal(end.writeStatus, 'writable')
  clock.advance(RECEIPT_TIMEOUT_MS)
  await buyer.settled
  assert.equal((await stored(pair, buyer.status.id as string)).record.state, 'receipted')
})

test('who must end at once waits no longer', async (t) => {
  const { buyer, pair } = await receipted(t)
  buyer.leave()
  await buyer.settled
  assert.equal((await stored(pair, buyer.status.id as string)).record.state, 'receipted')
})

test('a seller that has forgotten an ended session has nothing more to say of it', async (t) => {
  const { buyer, pair } = await receipted(t)
  buyer.leave()
  await buyer.settled
  const id = buyer.status.id as string
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const again = makeBuyer(pair, outbound, { wish: WISH, resume: { stored: await stored(pair, id) } })
  await assert.rejects(again.open(), /not known here/)
  await done
  assert.equal((await stored(pair, id)).record.state, 'closed')
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { isComplete, readSession, type StoredSession } from '../../../src/protocols/sdpp/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import {
  countingPayer,
  jsonRecords,
  makeBuyer,
  makePair,
  openStreams,
  type Request,
  serve
} from '../../support/sdpp.ts'

/** A session may have its receipt before a consumer that keeps no count has its records: they are there after a crash, too. */

const WISH = { from: { offset: 0n }, quantity: 50n, prepay: 0n, maximum: 10n ** 9n }

/** A session of 50 records in several batches, which has ended before its consumer asked for the second one. */
async function ended(t: TestContext) {
  const pair = await makePair(t, { credit: 1_000n })
  await pair.log.append(jsonRecords(60))
  const trust = createTrustLedger({ store: memoryTrustStore(), strangerCredit: 0n })
  let ends = 0
  const payer = countingPayer({ end: async () => void ends++ })
  const open = async (request: Partial<Request> = {}) => {
    const [outbound, inbound] = await openStreams()
    const { done } = serve(pair, inbound)
    const buyer = makeBuyer(pair, outbound, { wish: WISH, ...request }, { payer, trust })
    await buyer.open()
    return { buyer, batches: buyer.batches(), done }
  }
  const { buyer, batches, done } = await open()
  const first = (await batches.next()).value
  const { id } = await buyer.done
  await Promise.all([buyer.settled, done])
  assert.ok(first !== undefined && first.length < 50)
  const stored = async (): Promise<StoredSession> => {
    const session = await readSession(pair.buyerLedger.sessions, id, 'buyer')
    assert.ok(session !== undefined)
    return session
  }
  const offsets = Array.from(first, ({ offset }) => offset)
  return { buyer, batches, open, stored, trust, offsets, peer: pair.sellerSigner.peerId, ends: () => ends }
}

const all = Array.from({ length: 50 }, (_, i) => BigInt(i))

test('a crash loses nothing that was paid: what was not handed out comes when the session is resumed', async (t) => {
  const { open, stored, batches, offsets } = await ended(t)
  await batches.next()
  const left = await stored()
  assert.deepEqual([left.record.state, left.receipt?.content.n], ['closed', 50n])
  assert.deepEqual([left.record.position, isComplete(left)], [BigInt(offsets.length), false])
  const resumed = await open({ resume: { stored: left } })
  const rest: bigint[] = []
  for await (const batch of resumed.batches) for (const { offset } of batch) rest.push(offset)
  await Promise.all([resumed.buyer.done, resumed.buyer.settled, resumed.done])
  assert.deepEqual([...offsets, ...rest], all)
  const whole = await stored()
  assert.deepEqual([whole.record.state, whole.record.position, isComplete(whole)], ['closed', 50n, true])
  assert.equal(whole.receipt?.cid, left.receipt?.cid)
})

test('a consumer that takes the rest after the end has the session complete when it has all', async (t) => {
  const { batches, stored, offsets } = await ended(t)
  assert.equal(isComplete(await stored()), false)
  for await (const batch of batches) for (const { offset } of batch) offsets.push(offset)
  assert.deepEqual(offsets, all)
  const { record, receipt } = await stored()
  assert.deepEqual([record.state, record.position, record.due], ['closed', 50n, receipt?.content.due])
})

test('a consumer that leaves after the end wants no more, and the session is complete', async (t) => {
  const { batches, stored } = await ended(t)
  await batches.return()
  assert.equal(isComplete(await stored()), true)
})

test('a consumer that commits says by itself how far it is, also after the end', async (t) => {
  const { buyer, batches, stored, offsets } = await ended(t)
  await buyer.commit('mark')
  for await (const _ of batches);
  assert.deepEqual([(await stored()).record.position, (await stored()).record.sink], [BigInt(offsets.length), 'mark'])
  await buyer.commit('end')
  assert.deepEqual([(await stored()).record.position, (await stored()).record.sink], [50n, 'end'])
})

test('one whose consumer never takes the rest holds neither trust nor channel', async (t) => {
  const { stored, trust, peer, ends } = await ended(t)
  assert.equal(isComplete(await stored()), false)
  assert.equal(ends(), 1)
  const { settled, debt, open } = (await trust.standing('buyer', { peer })).peer
  assert.deepEqual([settled, debt, open], [5_000n, 0n, 0n])
})

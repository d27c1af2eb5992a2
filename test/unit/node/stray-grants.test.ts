import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { SessionStore, TrustLedger } from '../../../src/interface/index.ts'
import { closeStrayGrants } from '../../../src/node/stray-grants.ts'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import { jsonRecords, makeBuyer, makePair, openStreams, serve } from '../../support/sdpp.ts'

/** Both sides grant before they store the session: a node may be killed between the two. */

/** Never gets to storing a session, as a process that is killed. */
function killed(sessions: SessionStore): { sessions: SessionStore; reached: Promise<void> } {
  const reached = Promise.withResolvers<void>()
  const put = (): Promise<void> => {
    reached.resolve()
    return new Promise(() => {})
  }
  return { sessions: { ...sessions, put }, reached: reached.promise }
}

async function market(t: TestContext) {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(10))
  const [seller, buyer] = [0, 1].map(() => createTrustLedger({ store: memoryTrustStore(), strangerCredit: 1_000n }))
  return { pair, seller: seller as TrustLedger, buyer: buyer as TrustLedger }
}

async function order(
  t: TestContext,
  { pair, seller, buyer }: Awaited<ReturnType<typeof market>>,
  stores: { sold?: SessionStore; bought?: SessionStore } = {}
) {
  const [outbound, inbound] = await openStreams()
  const { sold = pair.sellerLedger.sessions, bought = pair.buyerLedger.sessions } = stores
  serve(pair, inbound, { trust: seller, sessions: sold })
  t.after(() => outbound.abort(new Error('the test is over')))
  const wish = { from: { offset: 0n }, prepay: 50n, prepayForAll: true, maximum: 10_000n }
  const buying = makeBuyer(pair, outbound, { wish }, { trust: buyer, sessions: bought })
  return { buying, opened: buying.open() }
}

test('a seller that was killed between grant and session gives the stranger credit again', async (t) => {
  const at = await market(t)
  const { sessions, reached } = killed(at.pair.sellerLedger.sessions)
  const first = await order(t, at, { sold: sessions })
  first.opened.catch(() => {})
  await reached
  assert.equal((await at.seller.outstanding('seller')).length, 1)
  const refused = await order(t, at)
  await assert.rejects(refused.opened, /credit 0 and prepay 50 together/)
  await closeStrayGrants({ trust: at.seller, sessions: at.pair.sellerLedger.sessions })
  assert.deepEqual(await at.seller.outstanding('seller'), [])
  await (await order(t, at)).opened
})

test('a buyer that was killed between grant and session has nothing at risk', async (t) => {
  const at = await market(t)
  const { sessions, reached } = killed(at.pair.buyerLedger.sessions)
  const first = await order(t, at, { bought: sessions })
  first.opened.catch(() => {})
  await reached
  assert.equal((await at.buyer.outstanding('buyer')).length, 1)
  await closeStrayGrants({ trust: at.buyer, sessions: at.pair.buyerLedger.sessions })
  assert.deepEqual(await at.buyer.outstanding('buyer'), [])
})

test('a grant whose session is stored stays, and so does a debt', async (t) => {
  const at = await market(t)
  const { buying, opened } = await order(t, at)
  await opened
  const who = { role: 'seller', peer: 'peer', one: 1n, cap: 10n } as const
  await at.seller.grant({ ...who, session: 'owes' })
  await at.seller.close({ role: 'seller', session: 'owes', settled: 0n, debt: 1n })
  await closeStrayGrants({ trust: at.seller, sessions: at.pair.sellerLedger.sessions })
  const left = new Map((await at.seller.outstanding('seller')).map(({ session, open }) => [session, open]))
  assert.deepEqual(
    left,
    new Map([
      [buying.status.id, true],
      ['owes', false]
    ])
  )
})

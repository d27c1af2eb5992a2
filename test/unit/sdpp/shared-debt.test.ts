import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { CREDIT_LOOK_MS } from '../../../src/protocols/sdpp/constants.ts'
import { encodePlain } from '../../../src/protocols/sdpp/messages.ts'
import { transcriptStart } from '../../../src/statements/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import { jsonRecords, ManualClock, makePair, openStreams, serve, until } from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

/** Two sessions of one buyer with one seller, over a connection that both lost: each owes a whole window. */

test('a session that the debt of another leaves no window goes on as soon as that is paid', async (t) => {
  const pair = await makePair(t, { product: { creditForAll: true } })
  await pair.log.append(jsonRecords(1_000))
  const trust = createTrustLedger({ store: memoryTrustStore(), strangerCredit: 1_000n })
  const clock = new ManualClock()
  const open = async (session?: CID, records = 100n) => {
    const [outbound, inbound] = await openStreams()
    const { session: selling, done } = serve(pair, inbound, { trust, clock })
    const buyer = new RawBuyer(pair, outbound)
    if (session === undefined) {
      await buyer.hello()
      await buyer.order()
    } else {
      const root = transcriptStart(session.bytes)
      buyer.send(encodePlain('RESUME', { session, position: 0n, root, paid: 0n }))
    }
    await until('its window is full', () => selling.status.sent === records)
    return { buyer, selling, done, lose: () => outbound.abort(new Error('cable cut')) }
  }
  const before = await Promise.all([open(), open()])
  for (const { lose } of before) lose()
  await Promise.all(before.map(({ done }) => done))
  const { debt } = (await trust.standing('seller', { peer: pair.buyerSigner.peerId })).peer
  assert.equal(debt, 20_000n)

  const [first, second] = before.map(({ buyer }) => buyer.session as CID)
  const one = await open(first)
  one.buyer.pay(10_000n)
  await until('it is credited', () => one.selling.status.credited === 10_000n)
  const look = async (): Promise<void> => {
    clock.advance(CREDIT_LOOK_MS)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await look()
  assert.equal(one.selling.status.sent, 100n, 'the other one owes still')
  assert.equal(one.selling.status.phase, 'streaming')
  // The payee counts what all its sessions paid as one: of this one, too, all is paid.
  const other = await open(second, 200n)
  await look()
  await until('both go on', () => one.selling.status.sent === 200n)
  for (const { lose, done } of [one, other]) {
    lose()
    await done
  }
  assert.equal((await trust.standing('seller', { peer: pair.buyerSigner.peerId })).peer.debt, 20_000n)

  // What was given in between, without an ACCEPT, may be given again.
  const again = await open(first, 200n)
  again.buyer.pay(20_000n)
  await until('it is credited', () => again.selling.status.credited === 20_000n)
  await look()
  assert.equal(again.selling.status.sent, 200n, 'the other one owes again')
  await open(second, 300n)
  await look()
  await until('both go on again', () => again.selling.status.sent === 300n)
})

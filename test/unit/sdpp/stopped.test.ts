import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { readSession } from '../../../src/protocols/sdpp/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import { countingPayer, jsonRecords, makeBuyer, makePair, openStreams, serve, until } from '../../support/sdpp.ts'

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

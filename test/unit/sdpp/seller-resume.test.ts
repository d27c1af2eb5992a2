import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain, type Plain } from '../../../src/protocols/sdpp/messages.ts'
import { transcriptStart } from '../../../src/statements/index.ts'
import { jsonRecords, makePair, openStreams, type Pair, serve, until, voucher } from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

/** A session of which 100 records were sent, 2,000 were paid, and the stream was cut. */
async function cut(t: TestContext): Promise<{ pair: Pair; session: CID }> {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(1_000))
  const [outbound, inbound] = await openStreams()
  const { session: selling, done } = serve(pair, inbound)
  const buyer = new RawBuyer(pair, outbound)
  await buyer.hello()
  await buyer.order()
  await until('the window is full', () => selling.status.sent === 100n)
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
  takeOver: () => Promise<void> = async () => {}
) {
  const [outbound, inbound] = await openStreams()
  const { session: selling, done } = serve(pair, inbound, { takeOver })
  const buyer = new RawBuyer(pair, outbound)
  const root = transcriptStart(session.bytes)
  buyer.send(encodePlain('RESUME', { session, position: 0n, root, paid: 0n, ...fields }))
  return { buyer, selling, done }
}

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
  const beyond = await resume(pair, session, { position: 10n ** 6n })
  assert.equal(await beyond.buyer.status(), STATUS.offsetPruned)
  const lie = await resume(pair, session, { position: 10n, root: randomBytes(32) })
  assert.equal(await lie.buyer.status(), STATUS.transcriptMismatch)
  await lie.done
  assert.equal((await stored(pair, session))?.state, 'disputed')
  const again = await resume(pair, session)
  assert.equal(await again.buyer.status(), STATUS.unknownSession)
})

test('the older stream of a session has ended, and what it held is stored, before the session goes on', async (t) => {
  const { pair, session } = await cut(t)
  const ended = Promise.withResolvers<void>()
  const { buyer, done } = await resume(pair, session, {}, () => ended.promise)
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.deepEqual(buyer.seen, [])
  ended.resolve()
  await buyer.next('ACCEPT')
  buyer.stream.abort(new Error('gone'))
  await done
})

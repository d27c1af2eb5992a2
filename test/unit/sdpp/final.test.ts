import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { CID } from 'multiformats/cid'
import { readSession, STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain } from '../../../src/protocols/sdpp/messages.ts'
import { isDispute, SdppError } from '../../../src/protocols/sdpp/status.ts'
import { transcriptStart } from '../../../src/statements/index.ts'
import {
  buyFrom,
  countingPayee,
  countingPayer,
  jsonRecords,
  makeBuyer,
  makePair,
  openStreams,
  serve,
  until,
  voucher
} from '../../support/sdpp.ts'
import { fillWindow, RawBuyer, RawSeller } from '../../support/sdpp-raw.ts'

/** What ends a session for good, and what only looks like it. */

const status = (code: number): Uint8Array => encodePlain('STATUS', { code: BigInt(code), text: 'it differs' })

test('a dispute is what this side found, and the answer of a seller that compared the roots', () => {
  const at = (code: (typeof STATUS)[keyof typeof STATUS], side: 'local' | 'remote', resuming?: boolean): boolean =>
    isDispute(new SdppError(code, '', { side }), resuming)
  for (const code of [STATUS.badSignature, STATUS.transcriptMismatch, STATUS.accountMismatch]) {
    assert.equal(at(code, 'local'), true)
    assert.equal(at(code, 'remote'), false)
    assert.equal(at(code, 'remote', true), code === STATUS.transcriptMismatch)
  }
  assert.equal(at(STATUS.paymentInvalid, 'local'), false)
})

for (const code of [STATUS.badSignature, STATUS.transcriptMismatch, STATUS.accountMismatch]) {
  test(`seller: a buyer that says ${code} may be wrong: the session is kept, with its evidence, and goes on`, async (t) => {
    const pair = await makePair(t)
    await pair.log.append(jsonRecords(500))
    const { buyer, done } = await fillWindow(pair)
    buyer.send(status(code))
    await done
    const session = buyer.session as CID
    const stored = await readSession(pair.sellerLedger.sessions, session.toString(), 'seller')
    assert.deepEqual([stored?.record.state, stored?.record.position], ['suspended', 100n])
    const kinds = (await pair.sellerLedger.sessions.statements(session.toString(), 'seller')).map(({ kind }) => kind)
    assert.ok(kinds.includes('invoice'))
    const [again, back] = await openStreams()
    const served = serve(pair, back)
    const resumed = new RawBuyer(pair, again)
    resumed.send(encodePlain('RESUME', { session, position: 0n, root: transcriptStart(session.bytes), paid: 0n }))
    await resumed.next('ACCEPT')
    again.abort(new Error('gone'))
    await served.done
  })

  test(`buyer: a seller that says ${code} may be wrong: the session is kept`, async (t) => {
    const pair = await makePair(t)
    const [outbound, inbound] = await openStreams()
    const buyer = makeBuyer(pair, outbound, { wish: { from: { offset: 0n }, prepay: 0n, maximum: 10_000n } })
    const seller = new RawSeller(pair, inbound)
    const opened = buyer.open()
    await seller.begin()
    await opened
    seller.data(jsonRecords(3))
    seller.send(status(code))
    await assert.rejects(buyer.done)
    const record = await pair.buyerLedger.sessions.get(buyer.status.id as string, 'buyer')
    assert.equal(record?.state, 'suspended')
    assert.equal(buyer.resumable, false, 'not by itself')
  })
}

/** A session that is complete and paid, whose receipt cannot be made the first time. */
async function unreceipted(t: TestContext) {
  let broken = true
  const payee = countingPayee(10n ** 12n, {
    end: async () => {
      if (broken) throw new Error('disk full')
      return voucher(payee.credited.at(-1) ?? 0n)
    }
  })
  const pair = await makePair(t, { payee })
  await pair.log.append(jsonRecords(50))
  const mend = (): void => {
    broken = false
  }
  return { pair, mend }
}

test('a session whose receipt could not be made has not ended: it is resumed for it', async (t) => {
  const { pair, mend } = await unreceipted(t)
  const wish = { from: { offset: 0n }, quantity: 20n, prepay: 0n, maximum: 10n ** 9n }
  const payer = countingPayer()
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish }, { payer })
  await buyer.open()
  const reading = (async () => {
    for await (const _ of buyer.batches());
  })()
  await assert.rejects(buyer.done)
  await Promise.allSettled([reading, done])
  const id = buyer.status.id as string
  const stored = await pair.sellerLedger.sessions.get(id, 'seller')
  assert.deepEqual([stored?.state, stored?.position, stored?.paid], ['suspended', 20n, 2_000n])
  mend()
  const [again, back] = await openStreams()
  const served = serve(pair, back)
  const session = await readSession(pair.buyerLedger.sessions, id, 'buyer')
  assert.ok(session !== undefined)
  const resumed = makeBuyer(pair, again, { wish, resume: { stored: session } }, { payer })
  await resumed.open()
  for await (const _ of resumed.batches());
  assert.equal((await resumed.done).due, 2_000n)
  await Promise.all([resumed.settled, served.done])
  assert.equal((await pair.sellerLedger.sessions.get(id, 'seller'))?.state, 'closed')
})

test('a payment for a session that is settled is ignored: the receipt is the same', async (t) => {
  const payee = countingPayee(10n ** 12n)
  const pair = await makePair(t, { payee })
  const records = Array.from({ length: 1_500 }, (_, i) => new TextEncoder().encode(`"${String(i).padStart(998, '0')}"`))
  await pair.log.append(records)
  const wish = { from: { offset: 0n }, quantity: 1_500n, prepay: 0n, maximum: 10n ** 9n }
  const { buyer, sellerDone } = await buyFrom(pair, { wish })
  for await (const _ of buyer.batches());
  await Promise.all([buyer.done, buyer.settled, sellerDone])
  const id = buyer.status.id as string
  const credited = [...payee.credited]
  const receipt = async () =>
    (await pair.sellerLedger.sessions.statements(id, 'seller')).find(({ kind }) => kind === 'receipt')?.cid
  const first = await receipt()

  const [again, back] = await openStreams()
  const served = serve(pair, back)
  const raw = new RawBuyer(pair, again)
  const session = CID.parse(id)
  raw.send(encodePlain('RESUME', { session, position: 0n, root: transcriptStart(session.bytes), paid: 150_000n }))
  const came = (): bigint => raw.seen.reduce((n, one) => (one.name === 'DATA' ? n + BigInt(one.data.count) : n), 0n)
  await until('as much is on its way as may be', () => came() > 1_000n)
  raw.pay(160_000n)
  raw.send(encodePlain('POSITION', { n: came() }))
  await until('all of it is here', () => came() === 1_500n)
  raw.send(encodePlain('POSITION', { n: 1_500n }))
  await until('the receipt comes', () => raw.seen.some(({ name }) => name === 'RECEIPT'))
  const given = raw.seen.find((one) => one.name === 'RECEIPT')
  assert.ok(given?.name === 'RECEIPT')
  assert.equal(given.statement.cid, first)
  assert.equal(await receipt(), first)
  assert.deepEqual(payee.credited, credited)
  again.abort(new Error('gone'))
  await served.done
})

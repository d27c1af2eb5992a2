import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Address, PayerSession, VoucherPayload } from '../../../src/interface/index.ts'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { readSession, STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain, encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { offerPriceOf } from '../../../src/protocols/sdpp/negotiation.ts'
import { signStatement, statementLink } from '../../../src/statements/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import { countingPayer, jsonRecords, makeBuyer, makePair, openStreams, until, voucher } from '../../support/sdpp.ts'
import { RawSeller } from '../../support/sdpp-raw.ts'
import { LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore } from '../payments/memory.ts'

/** A buyer that pays ahead, and sellers that take what was paid and do not come back with what it was for. */

const PREPAY = 1_000n
const wish = { from: { offset: 0n }, prepay: PREPAY, prepayForAll: true, maximum: 10_000n }

async function market(t: TestContext, rail: Partial<PayerSession> = {}) {
  const pair = await makePair(t)
  const trust = createTrustLedger({ store: memoryTrustStore(), strangerCredit: 0n })
  const ended: bigint[] = []
  const end = async (due: bigint): Promise<void> => void ended.push(due)
  let suspended = 0
  const suspend = async (): Promise<void> => void suspended++
  const payer = countingPayer({ end, suspend, ...rail })
  const stand = async () => {
    const { peer } = await trust.standing('buyer', { peer: pair.sellerSigner.peerId })
    return [peer.open, peer.debt]
  }
  /** @param id - of the session to go on with */
  const sit = async (id?: string) => {
    const [outbound, inbound] = await openStreams()
    // Timers of a stream that nobody ends would keep the process.
    t.after(() => inbound.abort(new Error('the test is over')))
    const stored = id === undefined ? undefined : await readSession(pair.buyerLedger.sessions, id, 'buyer')
    const buyer = makeBuyer(pair, outbound, { wish, ...(stored && { resume: { stored } }) }, { payer, trust })
    const opened = buyer.open()
    opened.catch(() => {})
    return { buyer, opened, seller: new RawSeller(pair, inbound), stream: inbound }
  }
  return { pair, payer, ended, suspensions: () => suspended, stand, sit }
}

/** All is paid ahead, 4 records of 100 come, and the stream is lost. */
async function cut({ sit }: Awaited<ReturnType<typeof market>>): Promise<string> {
  const { buyer, opened, seller, stream } = await sit()
  await seller.begin({ ahead: PREPAY, base: 0n })
  await opened
  await until('it is paid ahead', () => buyer.status.paid === PREPAY)
  seller.data(jsonRecords(4))
  await until('they are here', () => buyer.status.received === 4n)
  stream.abort(new Error('cable cut'))
  await assert.rejects(buyer.done)
  return String(buyer.status.id)
}

test('what was paid ahead stays owed when the seller says that it knows the session no more', async (t) => {
  const at = await market(t)
  const id = await cut(at)
  assert.deepEqual(await at.stand(), [0n, PREPAY - 400n])
  const { buyer, seller } = await at.sit(id)
  await seller.next('RESUME')
  seller.send(encodePlain('STATUS', { code: BigInt(STATUS.unknownSession), text: 'who are you?' }))
  await assert.rejects(buyer.done)
  assert.deepEqual(await at.stand(), [0n, PREPAY - 400n])
  assert.equal((await at.pair.buyerLedger.sessions.get(id, 'buyer'))?.state, 'abandoned')
  assert.deepEqual(at.ended, [PREPAY], 'the seller may claim all of it')
})

test('what was paid ahead stays owed however often the seller drops a RESUME', async (t) => {
  const at = await market(t)
  const id = await cut(at)
  for (let i = 0; i < 3; i++) {
    const { buyer, seller, stream } = await at.sit(id)
    await seller.next('RESUME')
    stream.abort(new Error('cable cut'))
    await assert.rejects(buyer.done)
    assert.deepEqual(await at.stand(), [0n, PREPAY - 400n])
  }
  assert.equal((await at.pair.buyerLedger.sessions.get(id, 'buyer'))?.state, 'suspended')
  assert.deepEqual(at.ended, [])
})

test('a stream that is lost before RESUME, or before ORDER, leaves no prepay open', async (t) => {
  const at = await market(t)
  const { payer } = at
  for (const id of [undefined, await cut(at)]) {
    const { open, resume } = payer
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    const wait = async (): Promise<PayerSession> => {
      asked.resolve()
      await answer.promise
      return (id === undefined ? open : resume)({} as never)
    }
    Object.assign(payer, id === undefined ? { open: wait } : { resume: wait })
    const { buyer, seller, stream } = await at.sit(id)
    if (id === undefined) {
      await seller.hello()
      seller.offer()
    }
    await asked.promise
    stream.abort(new Error('cable cut'))
    await assert.rejects(buyer.done)
    answer.resolve()
    const given = id === undefined ? () => at.ended.length > 0 : () => at.suspensions() > 1
    await until('it is given up', given)
    for (let i = 0; i < 200 && (await at.stand())[0] !== 0n; i++) await new Promise((r) => setTimeout(r, 5))
    assert.deepEqual(await at.stand(), [0n, PREPAY - 400n])
    Object.assign(payer, { open, resume })
  }
  const states = (await at.pair.buyerLedger.sessions.list('buyer'))
    .filter(({ peer, state }) => peer === at.pair.sellerSigner.peerId && state !== 'abandoned')
    .map(({ state }) => state)
  assert.deepEqual(states, ['suspended'])
})

/** What ACCEPT must show is asked of rails with channels only. */
const channel = { channelId: voucher(0n).channelId }

test('an ACCEPT that leaves the session without evidence is refused', async (t) => {
  for (const fields of [{}, { base: 0n, credited: 1n }, { base: 5n, proof: voucher(5n), credited: 1n }]) {
    const at = await market(t, channel)
    const { buyer, seller } = await at.sit()
    await seller.begin(fields)
    assert.equal(await seller.status(), STATUS.paymentInvalid)
    await assert.rejects(buyer.done, { code: 'paymentInvalid' })
    assert.deepEqual(at.payer.paid, [])
  }
  // What the seller claimed of a voucher that it lost is covered by the next one.
  for (const fields of [{ base: 5n }, { base: 5n, proof: voucher(5n) }]) {
    const at = await market(t, channel)
    const { opened, seller } = await at.sit()
    await seller.begin(fields)
    await opened
  }
})

test('of a session that is settled the first ACCEPT and RECEIPT stay', async (t) => {
  const at = await market(t)
  const { buyer, opened, seller } = await at.sit()
  await seller.begin({ base: 0n })
  await opened
  seller.data(jsonRecords(2))
  seller.close()
  await until('it settles', () => buyer.status.phase === 'settling')
  seller.invoice()
  await until('it is paid', () => buyer.status.paid === 200n)
  const totals = { ...seller.totals, credited: 200n, unused: 0n, reason: 2n, proof: voucher(200n) }
  const receipt = signStatement(at.pair.sellerSigner, 'receipt', totals, 0)
  seller.send(encodeSigned('RECEIPT', receipt))
  await buyer.done
  const id = String(buyer.status.id)
  const kept = async () =>
    (await at.pair.buyerLedger.sessions.statements(id, 'buyer')).filter(
      ({ kind }) => kind === 'accept' || kind === 'receipt'
    )
  const before = await kept()

  const again = await at.sit(id)
  await again.seller.next('RESUME')
  again.seller.offered = seller.offered
  again.seller.ordered = seller.ordered
  await again.seller.accept({ credited: 200n, proof: voucher(1n) })
  await again.opened
  again.seller.progress = seller.progress
  again.seller.transcript = seller.transcript
  again.seller.close()
  again.seller.invoice({ credited: 200n })
  again.seller.receipt({ credited: 200n, reason: 1n })
  assert.equal(await again.seller.status(), STATUS.accountMismatch)
  await assert.rejects(again.buyer.done)
  assert.deepEqual(await kept(), before)
  assert.ok(before.some(({ payload }) => statementLink(payload).equals(receipt.link)))
  assert.deepEqual(await at.stand(), [0n, 0n])
})

test('a seller that gives every advance back as unused gets no second one over another channel', async (t) => {
  const { chain } = memoryChain()
  const payment = { ...LISTING, price: { amount: '100', count: 1, unit: 'record' as const } }
  const terms = memoryPayee(chain, memoryStore()).terms(payment)
  assert.ok(terms)
  const pair = await makePair(t, { document: { payment: [payment] } })
  const trust = createTrustLedger({ store: memoryTrustStore(), strangerCredit: 0n })
  const payer = memoryPayer(chain, memoryStore())
  /** Takes what is paid ahead and closes before the first record: with a RECEIPT in which nothing is wrong. */
  const take = async (authorizer: string): Promise<bigint> => {
    const [outbound, inbound] = await openStreams()
    t.after(() => inbound.abort(new Error('the test is over')))
    const buyer = makeBuyer(pair, outbound, { wish }, { payer, trust })
    const opened = buyer.open()
    const seller = new RawSeller(pair, inbound)
    await seller.hello()
    const receiverAuthorizer: Address = `0x${authorizer.repeat(20)}`
    seller.offer({ prices: [offerPriceOf({ ...terms, receiverAuthorizer }, 100n)] })
    seller.ordered = (await seller.next('ORDER')).statement
    const { prepay } = seller.ordered.content
    await seller.accept({ ahead: prepay, base: 0n })
    await opened
    const proof = prepay > 0n ? ((await seller.next('PAYMENT')).content.payload as VoucherPayload) : undefined
    seller.close()
    seller.invoice({ credited: prepay })
    const paid = { credited: prepay, unused: prepay, reason: 2n, ...(proof && { proof }) }
    seller.send(encodeSigned('RECEIPT', signStatement(pair.sellerSigner, 'receipt', { ...seller.totals, ...paid }, 0)))
    await buyer.done
    return prepay
  }
  const taken: bigint[] = []
  for (const authorizer of ['5a', '5b', '5c']) taken.push(await take(authorizer))
  assert.deepEqual(taken, [PREPAY, 0n, 0n])
  // Over the channel in which it lies the same advance is shown again: nothing more is signed.
  assert.equal(
    (await payer.channels?.list())?.reduce((sum, { paid }) => sum + paid, 0n),
    PREPAY
  )
})

test('where payments move money, what a seller keeps that ends the session by itself stays owed; what the buyer left does not', async (t) => {
  for (const [stops, debt] of [
    [false, PREPAY - 400n],
    [true, 0n]
  ] as const) {
    const at = await market(t, { transfers: true })
    const { buyer, opened, seller, stream } = await at.sit()
    await seller.begin({ ahead: PREPAY })
    await opened
    await until('it is paid ahead', () => buyer.status.paid === PREPAY)
    seller.data(jsonRecords(4))
    await until('they are here', () => buyer.status.received === 4n)
    if (stops) buyer.stop()
    seller.close()
    const credited = PREPAY
    seller.invoice({ credited })
    seller.receipt({ credited, unused: PREPAY - 400n })
    await buyer.done
    assert.deepEqual(await at.stand(), [0n, debt])
    stream.abort(new Error('cable cut'))
    await buyer.settled
    // Fetching it once more settles nothing.
    const again = await at.sit(String(buyer.status.id))
    await again.seller.next('RESUME')
    again.stream.abort(new Error('cable cut'))
    await assert.rejects(again.buyer.done)
    assert.deepEqual(await at.stand(), [0n, debt])
  }
})

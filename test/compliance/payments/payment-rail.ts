import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import {
  type Demand,
  isVoucher,
  type ListingPayment,
  type Payee,
  type PayeeSession,
  type Payer,
  type PayerSession,
  type PaymentPayload,
  type PaymentTerms,
  priceOfOneRecord,
  type RailName,
  type RailOrder
} from '../../../src/interface/index.ts'
import type { BudgetLimits } from '../../../src/payments/index.ts'

export interface Sides {
  payer: Payer
  payee: Payee
}

/** A buyer and a seller on one rail, with real ledgers. */
export interface Market {
  readonly rail: RailName
  readonly listing: ListingPayment
  sides: () => Promise<Sides>
  /** Rails that transfer: the invoice that asks for so much; sessions have IDs that invoices can name. */
  demand?: (session: string, due: bigint) => Demand
  /** Ends both nodes; the next `sides` come from what was durable. */
  restart: () => Promise<void>
}

export interface RailSetup<M extends Market = Market> {
  rail: RailName
  start: (t: TestContext, options?: { limits?: BudgetLimits }) => Promise<M>
}

export interface Session {
  id: string
  buying: PayerSession
  selling: PayeeSession
  terms: PaymentTerms
  market: Market
}

/** OFFER, ORDER, ACCEPT without the wire. `meddle` is what happens to the order on its way. */
export async function startSession(
  market: Market,
  maximum: bigint,
  meddle: (order: RailOrder) => RailOrder = (order) => order,
  one?: bigint
): Promise<Session> {
  const { payer, payee } = await market.sides()
  const terms = payee.terms(market.listing)
  assert.ok(terms, 'the seller offers this way to pay')
  assert.equal(await payer.objection(terms, market.listing, { maximum }), undefined)
  const digest = (): `0x${string}` => `0x${randomBytes(32).toString('hex')}`
  const binding = { offerDigest: digest(), buyerPeerDigest: digest(), orderNonce: digest() }
  const id = CID.createV1(0x71, Digest.create(0x12, randomBytes(32))).toString()
  const buying = await payer.open({
    terms,
    binding,
    seller: 'seller',
    maximum,
    one: one ?? priceOfOneRecord(terms.price, 1024n)
  })
  try {
    await buying.begin(id)
    const order = meddle(buying.order)
    const selling = await payee.accept({ terms, binding, order, buyer: 'buyer', maximum })
    await selling.begin(id)
    if (selling.base !== undefined) await buying.accept(selling.base, selling.proof)
    return { id, buying, selling, terms, market }
  } catch (error) {
    await buying.end(0n)
    throw error
  }
}

/** RESUME and ACCEPT without the wire, on whatever runs of the two sides. */
export async function resumeSession(
  market: Market,
  { id, terms, buying }: Session,
  maximum = 100n,
  one = priceOfOneRecord(terms.price, 1024n)
): Promise<Session> {
  const { payer, payee } = await market.sides()
  const channel = buying.channelId === undefined ? {} : { channelId: buying.channelId }
  const account = buying.order.account === undefined ? {} : { account: buying.order.account }
  const request = { sessionId: id, ...channel, ...account, terms, maximum }
  const bought = await payer.resume({ ...request, peer: 'seller', one })
  const sold = await payee.resume({ ...request, peer: 'buyer' })
  if (sold.base !== undefined) await bought.accept(sold.base, sold.proof)
  return { id, terms, market, buying: bought, selling: sold }
}

/** What a voucher is for. */
export function amountOf(payload: PaymentPayload | undefined): bigint | undefined {
  return isVoucher(payload) ? payload.maxClaimableAmount : undefined
}

/** Signs or moves what is missing to `sessionPaid`. */
export function pay({ id, buying, market }: Session, sessionPaid: bigint) {
  const demand = market.demand?.(id, sessionPaid)
  return buying.pay(sessionPaid, demand === undefined ? {} : { demand })
}

/** One PAYMENT from one side to the other. */
export async function payAndCredit(session: Session, sessionPaid: bigint) {
  const { selling } = session
  const payload = await pay(session, sessionPaid)
  assert.equal(selling.verify(sessionPaid, payload), undefined)
  await selling.credit(sessionPaid, payload)
  return payload
}

export async function endSession({ buying, selling }: Session, due: bigint, credited: bigint) {
  const proof = await selling.end(due, credited)
  await buying.end(due)
  return proof
}

/** What every rail must do, whatever it moves. Rails with channels have `channelCompliance` besides. */
export function paymentRailCompliance(name: string, setup: RailSetup): void {
  /** Atomic units of one record: nothing moves on the free rail. */
  const unit = setup.rail === 'free' ? 0n : 10n

  describe(`${name}: what every rail does`, () => {
    test('names itself the same way everywhere', async (t) => {
      const market = await setup.start(t)
      const { payer, payee } = await market.sides()
      assert.deepEqual([payer.rail, payee.rail, payee.terms(market.listing)?.rail], Array(3).fill(setup.rail))
      const { network, asset } = market.listing
      const expected = { rail: setup.rail, ...(network && { network }), ...(asset && { asset }) }
      assert.deepEqual(payer.capabilities(), [expected])
    })

    test('a session: order, payments, end', async (t) => {
      const session = await startSession(await setup.start(t), 100n * unit)
      assert.equal(session.selling.base, setup.rail === 'evm' ? 0n : undefined)
      assert.equal(session.selling.proof, undefined)
      for (const n of [1n, 2n, 5n]) await payAndCredit(session, n * unit)
      await endSession(session, 5n * unit, 5n * unit)
    })

    test('a payment that comes twice, or late, changes nothing', async (t) => {
      const session = await startSession(await setup.start(t), 100n * unit)
      const first = await payAndCredit(session, unit)
      const second = await payAndCredit(session, 2n * unit)
      for (const payload of [second, first]) await session.selling.credit(unit, payload)
      assert.equal(session.selling.verify(2n * unit, second), undefined)
      await endSession(session, 2n * unit, 2n * unit)
    })

    test('more than the maximum is neither signed nor credited', async (t) => {
      const session = await startSession(await setup.start(t), 10n * unit)
      const payload = await payAndCredit(session, 10n * unit)
      const tooMuch = 10n * unit + 1n
      assert.notEqual(session.selling.verify(tooMuch, payload), undefined)
      await assert.rejects(session.selling.credit(tooMuch, payload), { code: 'paymentInvalid' })
      if (unit > 0n) await assert.rejects(pay(session, tooMuch), { code: 'budget' })
      await endSession(session, 10n * unit, 10n * unit)
    })

    test('what is given away needs no budget', async (t) => {
      const limits: BudgetLimits = { perRecord: 0n, perSession: 0n, perSeller: 0n, perHour: 0n, perDay: 0n }
      const session = await startSession(await setup.start(t, { limits }), 0n)
      await endSession(session, 0n, 0n)
    })

    test('what one record can cost at most is held against the cap, at order, resume and payment', async (t) => {
      if (unit === 0n) return
      const limits: BudgetLimits = { perRecord: 3n * unit }
      const market = await setup.start(t, { limits })
      const dear = 3n * unit + 1n
      const over = { code: 'budget', details: { setting: 'budgetPerRecord', need: `${dear}`, limit: `${3n * unit}` } }
      await assert.rejects(startSession(market, 100n * unit, undefined, dear), over)
      const session = await startSession(market, 100n * unit, undefined, 3n * unit)
      await payAndCredit(session, unit)
      await session.buying.suspend()
      await session.selling.suspend()
      limits.perRecord = 2n * unit
      const lowered = {
        code: 'budget',
        details: { setting: 'budgetPerRecord', need: `${3n * unit}`, limit: `${2n * unit}` }
      }
      const resumed = resumeSession(market, session, 100n * unit, 3n * unit).then((again) => pay(again, 50n * unit))
      await assert.rejects(resumed, lowered)
    })

    test('ends once, however often it is told to', async (t) => {
      const session = await startSession(await setup.start(t), 10n * unit)
      await payAndCredit(session, 3n * unit)
      const proof = await session.selling.end(3n * unit, 3n * unit)
      assert.deepEqual(await session.selling.end(3n * unit, 3n * unit), proof)
      await session.buying.end(3n * unit)
      await session.buying.end(3n * unit)
    })

    test('claims what was paid, and nothing the second time', async (t) => {
      const market = await setup.start(t)
      const session = await startSession(market, 100n * unit)
      await payAndCredit(session, 7n * unit)
      await endSession(session, 7n * unit, 7n * unit)
      const { payee } = await market.sides()
      const { claimed, transactions, rejected } = await payee.claim()
      // Where each payment moves money there is nothing left to claim.
      assert.deepEqual([claimed, rejected], [setup.rail === 'evm' ? 7n * unit : 0n, []])
      assert.equal(transactions.length, setup.rail === 'evm' ? 2 : 0)
      assert.deepEqual(await payee.claim(), { claimed: 0n, transactions: [], rejected: [] })
    })

    test('another session after a restart of both', async (t) => {
      const market = await setup.start(t)
      const before = await startSession(market, 50n * unit)
      await payAndCredit(before, 5n * unit)
      await endSession(before, 5n * unit, 5n * unit)
      await market.restart()
      const session = await startSession(market, 50n * unit)
      assert.equal(session.selling.base ?? 0n, setup.rail === 'evm' ? 5n * unit : 0n)
      await payAndCredit(session, 4n * unit)
      await endSession(session, 4n * unit, 4n * unit)
      const { claimed } = await (await market.sides()).payee.claim()
      assert.equal(claimed, setup.rail === 'evm' ? 9n * unit : 0n)
    })

    test('does not serve what belongs to another rail', async (t) => {
      const market = await setup.start(t)
      const { payer, payee } = await market.sides()
      const other: ListingPayment =
        setup.rail === 'free'
          ? { rail: 'evm', network: 'eip155:1', price: { amount: '1', count: 1, unit: 'record' } }
          : { rail: 'free', price: { amount: '0', count: 1, unit: 'record' } }
      assert.equal(payee.terms(other), undefined)
      const price = { amount: 1n, count: 1n, unit: 'record' as const }
      assert.notEqual(
        await payer.objection({ rail: setup.rail, network: 'eip155:1', price }, market.listing),
        undefined
      )
    })
  })
}

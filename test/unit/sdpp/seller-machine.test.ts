import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Records, SessionTerms } from '../../../src/protocols/sdpp/account.ts'
import {
  ACCEPT_TIMEOUT_MS,
  INVOICE_DELAY_MS,
  MAX_IN_FLIGHT_BYTES,
  PAYMENT_TIMEOUT_MS,
  POSITION_TIMEOUT_MS,
  RECEIPT_TIMEOUT_MS
} from '../../../src/protocols/sdpp/constants.ts'
import { sellerStep } from '../../../src/protocols/sdpp/seller-machine.ts'
import {
  type Invoicing,
  type SellerEffect,
  type SellerEvent,
  type SellerState,
  sellerStart
} from '../../../src/protocols/sdpp/seller-state.ts'
import { CLOSE_REASON, STATUS } from '../../../src/protocols/sdpp/status.ts'

const TERMS: SessionTerms = {
  price: { amount: 10n, count: 1n, unit: 'record' },
  k: 4n,
  credit: 100n,
  prepay: 0n,
  ahead: 0n,
  maximum: 10_000n,
  start: 0n
}

/** A seller under test, with the effects of its last step. */
class Seller {
  state: SellerState
  now = 0
  effects: SellerEffect[] = []
  readonly records: Records

  constructor(options: {
    terms?: Partial<SessionTerms>
    invoicing?: Invoicing | 'one'
    available?: bigint
    sizes?: number[]
  }) {
    const sizes = options.sizes ?? new Array(100).fill(6)
    let at = 0
    const ends = Uint32Array.from(sizes, (size) => {
      at += 4 + size
      return at
    })
    this.records = { first: 0n, count: sizes.length, ends }
    const { invoicing = 'strict' } = options
    this.state = { ...sellerStart(0, 'strict'), invoicing }
    const terms = { ...TERMS, ...options.terms }
    this.step({ type: 'offered' })
    this.step({ type: 'ordered' })
    this.step({ type: 'accepted', terms, available: options.available })
  }

  step(event: SellerEvent): SellerEffect[] {
    const [state, effects] = sellerStep(this.state, event, this.now)
    this.state = state
    this.effects = effects
    return effects
  }

  /** Offers the block until nothing more is sent; all effects together. */
  pump(): SellerEffect[] {
    const all: SellerEffect[] = []
    while (this.state.phase === 'streaming' && this.state.blocked === 'no') {
      if (this.state.sent.n === BigInt(this.records.count)) all.push(...this.step({ type: 'ended' }))
      else all.push(...this.step({ type: 'block', records: this.records }))
    }
    return all
  }

  pay(sessionPaid: bigint): void {
    this.step({ type: 'credited', sessionPaid })
  }

  tickAt(now: number): SellerEffect[] {
    this.now = now
    return this.step({ type: 'tick' })
  }
}

const invoicesOf = (effects: SellerEffect[]): bigint[] =>
  effects.flatMap((effect) => (effect.type === 'invoice' ? [effect.n] : []))
const typesOf = (effects: SellerEffect[]): string[] => effects.map(({ type }) => type)

test('window: it sends as long as due − credited ≤ credit afterwards, then asks and waits', () => {
  const seller = new Seller({ terms: { k: 1_000n } })
  const effects = seller.pump()
  assert.equal(seller.state.sent.n, 10n)
  assert.equal(seller.state.blocked, 'window')
  assert.deepEqual(invoicesOf(effects), [10n])
  seller.pay(35n)
  seller.pump()
  assert.equal(seller.state.sent.n, 13n)
  assert.equal(seller.state.due - seller.state.credited, 95n)
})

test('strict: an invoice at every log offset divisible by k', () => {
  const seller = new Seller({ terms: { credit: 10_000n, start: 3n } })
  assert.deepEqual(invoicesOf(seller.pump()).slice(0, 4), [1n, 5n, 9n, 13n])
})

test('adaptive: while one is unanswered and half the window is free, others are skipped', () => {
  const seller = new Seller({ terms: { credit: 400n }, invoicing: 'adaptive' })
  const effects = seller.pump()
  const [first, second] = invoicesOf(effects)
  assert.equal(first, 4n)
  assert.equal(second, 40n, 'the next only when more than half the window was used and a slice ended')
  assert.ok(effects.filter(({ type }) => type === 'data').length < 10)
  assert.equal(seller.state.blocked, 'window')
  const strict = new Seller({ terms: { credit: 400n } })
  assert.equal(invoicesOf(strict.pump()).length, 10)
})

test('adaptive: invoices are skipped up to half of the window and not beyond', () => {
  const seller = new Seller({ terms: { credit: 400n }, invoicing: 'adaptive' })
  const invoices: bigint[] = []
  for (let first = 0; first < 40; first += 4) {
    const records = { first: BigInt(first), count: 4, ends: seller.records.ends.subarray(0, 4) }
    invoices.push(...invoicesOf(seller.step({ type: 'block', records })))
  }
  assert.deepEqual(invoices, [4n, 24n, 28n, 32n, 36n, 40n])
})

test('adaptive: with nothing unanswered it asks at k as strict does', () => {
  const seller = new Seller({ terms: { credit: 400n }, invoicing: 'adaptive' })
  seller.step({ type: 'block', records: seller.records })
  assert.equal(seller.state.sent.n, 4n)
  seller.pay(40n)
  seller.step({ type: 'block', records: seller.records })
  assert.deepEqual(invoicesOf(seller.effects), [8n])
})

test('one second after the first uninvoiced record it asks, and only then', () => {
  const seller = new Seller({ terms: { k: 1_000n }, sizes: [6] })
  seller.step({ type: 'block', records: seller.records })
  assert.equal(seller.state.deadline, INVOICE_DELAY_MS)
  assert.deepEqual(seller.tickAt(INVOICE_DELAY_MS - 1), [])
  assert.deepEqual(invoicesOf(seller.tickAt(INVOICE_DELAY_MS)), [1n])
  assert.equal(seller.state.uninvoicedSince, undefined)
})

test('that second counts from the first uninvoiced record, not from the last', () => {
  const seller = new Seller({ terms: { k: 1_000n } })
  for (const at of [0, 400, 800]) {
    seller.now = at
    const records = { first: seller.state.sent.n, count: 1, ends: seller.records.ends.subarray(0, 1) }
    seller.step({ type: 'block', records })
  }
  assert.equal(seller.state.deadline, INVOICE_DELAY_MS)
})

test('uninvoiced records never start the payment timer, and an answered invoice stops it', () => {
  const seller = new Seller({ terms: { k: 1_000n }, sizes: [6, 6] })
  assert.equal(seller.state.deadline, undefined)
  seller.step({ type: 'block', records: { ...seller.records, count: 1, ends: seller.records.ends.subarray(0, 1) } })
  seller.tickAt(INVOICE_DELAY_MS)
  assert.equal(seller.state.deadline, INVOICE_DELAY_MS + PAYMENT_TIMEOUT_MS)
  seller.pay(10n)
  assert.equal(seller.state.deadline, undefined)
})

test('not paid in time: a fault with the amount; newer invoices do not restart the timer', () => {
  const seller = new Seller({ terms: { k: 1n, credit: 10_000n } })
  for (let second = 0; second < 19; second++) {
    seller.now = second * 1_000
    seller.step({ type: 'block', records: seller.records })
    assert.equal(invoicesOf(seller.effects).length, 1)
  }
  const effects = seller.tickAt(PAYMENT_TIMEOUT_MS)
  assert.deepEqual(typesOf(effects), ['fail'])
  assert.deepEqual(effects[0], { type: 'fail', code: STATUS.paymentTimeout, text: 'no payment of 10 within 20 s' })
  assert.equal(seller.state.phase, 'failed')
})

test('paying too little does not restart the timer; paying what was asked does, for what was asked since', () => {
  const seller = new Seller({ terms: { k: 1n, credit: 10_000n } })
  seller.step({ type: 'block', records: seller.records })
  seller.now = 15_000
  seller.step({ type: 'block', records: seller.records })
  seller.pay(9n)
  assert.equal(seller.state.deadline, PAYMENT_TIMEOUT_MS)
  seller.now = 16_000
  seller.pay(10n)
  assert.equal(seller.state.deadline, 16_000 + PAYMENT_TIMEOUT_MS)
  seller.pay(20n)
  assert.equal(seller.state.deadline, undefined)
})

test('topping up pauses the payment timer, once', () => {
  const seller = new Seller({ terms: { k: 1n } })
  seller.step({ type: 'toppingUp' })
  seller.step({ type: 'block', records: seller.records })
  seller.now = 10_000
  seller.step({ type: 'toppingUp' })
  assert.equal(seller.state.deadline, 10_000 + ACCEPT_TIMEOUT_MS)
  seller.now = 20_000
  seller.step({ type: 'toppingUp' })
  assert.equal(seller.state.deadline, 10_000 + ACCEPT_TIMEOUT_MS)
  assert.deepEqual(typesOf(seller.tickAt(10_000 + ACCEPT_TIMEOUT_MS)), ['fail'])
})

test('pay first: with credit 0 nothing leaves before a payment, and a buyer who owes nothing is let go politely', () => {
  const seller = new Seller({ terms: { credit: 0n, prepay: 20n, ahead: 20n, k: 1n } })
  assert.deepEqual(seller.pump(), [])
  assert.equal(seller.state.blocked, 'window')
  seller.pay(20n)
  seller.pump()
  assert.equal(seller.state.sent.n, 2n)
  assert.equal(seller.state.due, seller.state.credited)
  const effects = seller.tickAt(PAYMENT_TIMEOUT_MS)
  assert.deepEqual(typesOf(effects), ['close', 'invoice', 'receipt'])
  assert.equal(seller.state.reason, CLOSE_REASON.notPaid)
})

test('maximum: the last record that it allows is sent, then CLOSE', () => {
  const seller = new Seller({ terms: { maximum: 25n } })
  const effects = seller.pump()
  assert.equal(seller.state.sent.n, 2n)
  assert.deepEqual(typesOf(effects).slice(-2), ['close', 'invoice'])
  assert.equal(seller.state.reason, CLOSE_REASON.maximum)
})

test('what the channel can pay is used up: the seller asks for more, waits, and ends as with the maximum', () => {
  const seller = new Seller({ available: 15n })
  assert.deepEqual(typesOf(seller.pump()), ['data', 'invoice', 'topUp'])
  assert.deepEqual([seller.state.sent.n, seller.state.blocked], [1n, 'channel'])
  seller.now = 1_000
  seller.pay(10n)
  assert.deepEqual(typesOf(seller.pump()), ['topUp'])
  assert.equal(seller.state.deadline, 1_000 + PAYMENT_TIMEOUT_MS)
  seller.step({ type: 'toppingUp' })
  assert.equal(seller.state.deadline, 1_000 + ACCEPT_TIMEOUT_MS)
  seller.step({ type: 'toppingUp' })
  assert.equal(seller.state.deadline, 1_000 + ACCEPT_TIMEOUT_MS)
  seller.step({ type: 'credited', sessionPaid: 10n, available: 25n })
  assert.deepEqual(typesOf(seller.pump()), ['data', 'invoice', 'topUp'])
  seller.pay(20n)
  seller.pump()
  // A deposit has come: the next one gets its time, too.
  seller.step({ type: 'toppingUp' })
  assert.deepEqual(typesOf(seller.tickAt(1_000 + ACCEPT_TIMEOUT_MS)), ['close', 'invoice', 'receipt'])
  assert.equal(seller.state.reason, CLOSE_REASON.maximum)
  const free = new Seller({ available: 0n, terms: { price: { amount: 0n, count: 1n, unit: 'record' } } })
  free.pump()
  assert.equal(free.state.sent.n, 100n)
})

test('quantity: complete at the ordered end, in the middle of a block', () => {
  const seller = new Seller({ terms: { end: 7n } })
  const effects = seller.pump()
  const slices = effects.filter((effect) => effect.type === 'data')
  assert.equal(seller.state.sent.n, 7n)
  assert.deepEqual(
    slices.map(({ from, to, endOfBlock }) => [from, to, endOfBlock]),
    [
      [0, 4, false],
      [4, 7, false]
    ]
  )
  assert.equal(seller.state.reason, CLOSE_REASON.complete)
  seller.pay(70n)
  assert.deepEqual(typesOf(seller.effects), ['receipt'])
})

test('a free range costs nothing and moves even when nothing else may', () => {
  const seller = new Seller({ terms: { credit: 10n, free: { from: 1n, to: 4n } } })
  seller.pump()
  assert.equal(seller.state.sent.n, 4n)
  assert.equal(seller.state.due, 10n)
})

test('the end: CLOSE and final invoice; the receipt when it is paid, or when the time is over', () => {
  const paid = new Seller({ sizes: [6] })
  assert.deepEqual(typesOf(paid.pump()), ['data', 'close', 'invoice'])
  paid.pay(10n)
  assert.deepEqual(paid.effects, [{ type: 'receipt', n: 1n, bytes: 6n, due: 10n, credited: 10n, reason: 2 }])
  const unpaid = new Seller({ sizes: [6] })
  unpaid.pump()
  assert.deepEqual(unpaid.tickAt(PAYMENT_TIMEOUT_MS), [
    { type: 'receipt', n: 1n, bytes: 6n, due: 10n, credited: 0n, reason: 2 }
  ])
  assert.deepEqual(typesOf(unpaid.tickAt(PAYMENT_TIMEOUT_MS + RECEIPT_TIMEOUT_MS)), ['finish'])
  assert.equal(unpaid.state.phase, 'closed')
})

test('crossing CLOSE: the second changes nothing, and nothing new is sent after the first', () => {
  const seller = new Seller({ terms: { credit: 10_000n } })
  seller.step({ type: 'block', records: seller.records })
  assert.deepEqual(typesOf(seller.step({ type: 'close', reason: 1 })), ['close', 'invoice'])
  assert.deepEqual(seller.step({ type: 'close', reason: 1 }), [])
  assert.deepEqual(seller.step({ type: 'block', records: seller.records }), [])
  assert.equal(seller.state.reason, 1)
})

test('payments: a lower or equal amount is no fault and moves nothing; one in flight may be partly credited', () => {
  const seller = new Seller({})
  seller.pump()
  seller.pay(50n)
  assert.deepEqual(typesOf(seller.effects), ['pump'])
  seller.pay(40n)
  assert.deepEqual(seller.effects, [])
  assert.equal(seller.state.credited, 50n)
})

test('flow: never more than 1 MiB on its way, a position frees, and one beyond what was sent is a fault', () => {
  const size = 100_000
  const terms = { price: { amount: 0n, count: 1n, unit: 'record' as const }, k: 1n }
  const seller = new Seller({ terms, sizes: new Array(30).fill(size) })
  seller.pump()
  assert.equal(seller.state.blocked, 'flow')
  const sent = Number(seller.state.sent.n)
  assert.ok(sent * (size + 4) <= MAX_IN_FLIGHT_BYTES && (sent + 1) * (size + 4) > MAX_IN_FLIGHT_BYTES)
  assert.deepEqual(typesOf(seller.step({ type: 'position', n: 3n })), ['pump'])
  seller.pump()
  assert.equal(Number(seller.state.sent.n), sent + 3)
  seller.step({ type: 'position', n: 2n })
  assert.deepEqual(seller.pump(), [], 'an older position frees nothing')
  const effects = seller.step({ type: 'position', n: 31n })
  assert.equal(effects[0]?.type === 'fail' && effects[0].code, STATUS.unexpected)
})

test('a block larger than what is left of the budget waits; with nothing on its way it is cut', () => {
  const free = { price: { amount: 0n, count: 1n, unit: 'record' as const } }
  const seller = new Seller({ terms: { ...free, k: 1_000n }, sizes: new Array(3).fill(500_000) })
  const [slice] = seller.step({ type: 'block', records: seller.records })
  assert.ok(slice?.type === 'data')
  assert.deepEqual([slice.from, slice.to, slice.endOfBlock], [0, 2, false])
  assert.deepEqual(seller.step({ type: 'block', records: seller.records }), [])
  assert.equal(seller.state.blocked, 'flow')
})

test('small slices share an entry of the in-flight list', () => {
  const seller = new Seller({ terms: { k: 1n, credit: 100_000n } })
  seller.pump()
  assert.ok(seller.state.inFlight.length <= 1)
})

test('one: k records after the last invoice, and none while another is unanswered', () => {
  const seller = new Seller({ terms: { credit: 1_000n, k: 4n, start: 3n }, invoicing: 'one' })
  seller.step({ type: 'block', records: { ...seller.records, first: 3n } })
  assert.deepEqual([seller.state.sent.n, seller.state.invoiced.n], [4n, 4n])
  const effects = seller.step({ type: 'block', records: { ...seller.records, first: 3n } })
  assert.deepEqual(typesOf(effects), ['data'])
  assert.ok(seller.state.sent.n > 50n)
  assert.deepEqual(seller.tickAt(INVOICE_DELAY_MS + 1), [], 'time alone makes no second one')
})

test('one: the end waits for the open invoice, then asks for the rest', () => {
  const seller = new Seller({ terms: { credit: 10_000n, k: 4n }, invoicing: 'one' })
  const sending = seller.step({ type: 'block', records: seller.records })
  assert.deepEqual(invoicesOf(sending), [4n])
  seller.step({ type: 'block', records: seller.records })
  assert.equal(seller.state.sent.n, 100n)
  assert.deepEqual(seller.step({ type: 'ended' }), [])
  assert.equal(seller.state.phase, 'streaming')
  seller.pay(40n)
  const [close, final] = seller.step({ type: 'ended' })
  assert.deepEqual([close?.type, final?.type === 'invoice' && final.n], ['close', 100n])
  assert.equal(seller.state.phase, 'settling')
  seller.pay(1_000n)
  assert.equal(seller.state.phase, 'receipted')
})

test('one: a buyer that closes and does not pay the open invoice has not paid in time', () => {
  const seller = new Seller({ terms: { credit: 10_000n, k: 4n }, invoicing: 'one' })
  seller.step({ type: 'block', records: seller.records })
  assert.deepEqual(seller.step({ type: 'close', reason: CLOSE_REASON.complete }), [])
  const [failed] = seller.tickAt(PAYMENT_TIMEOUT_MS)
  assert.equal(failed?.type === 'fail' && failed.code, STATUS.paymentTimeout)
})

test('one: a session that ends for a bad record ends at once', () => {
  const seller = new Seller({ terms: { credit: 10_000n, k: 4n }, invoicing: 'one' })
  seller.step({ type: 'block', records: seller.records })
  const effects = seller.step({ type: 'close', reason: CLOSE_REASON.schema })
  assert.deepEqual(typesOf(effects), ['close', 'invoice', 'receipt'])
})

test('flow: who acknowledges nothing is given up; a POSITION that frees nothing wins no time', () => {
  // Price 0: nothing is ever owed.
  const free = { price: { amount: 0n, count: 1n, unit: 'record' } as const, k: 1_000n }
  // One record fills the budget.
  const size = MAX_IN_FLIGHT_BYTES - 4
  const seller = new Seller({ terms: free, sizes: [size, size, size] })
  seller.pump()
  assert.deepEqual([seller.state.blocked, seller.state.sent.n], ['flow', 1n])
  seller.tickAt(INVOICE_DELAY_MS)
  assert.equal(seller.state.deadline, POSITION_TIMEOUT_MS)
  seller.now = POSITION_TIMEOUT_MS - 1
  assert.deepEqual(seller.step({ type: 'position', n: 0n }), [])
  assert.equal(seller.state.deadline, POSITION_TIMEOUT_MS)
  seller.step({ type: 'position', n: 1n })
  seller.pump()
  assert.deepEqual([seller.state.blocked, seller.state.sent.n], ['flow', 2n])
  seller.tickAt(POSITION_TIMEOUT_MS + INVOICE_DELAY_MS)
  assert.equal(seller.state.phase, 'streaming', 'it has the whole time again')
  const [effect] = seller.tickAt(2 * POSITION_TIMEOUT_MS - 1)
  assert.equal(effect?.type === 'fail' && effect.code, STATUS.timeout)
  assert.equal(seller.state.phase, 'failed')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionTerms } from '../../../src/protocols/sdpp/account.ts'
import {
  type Answering,
  type BuyerEffect,
  type BuyerEvent,
  type BuyerState,
  buyerStart,
  buyerStep,
  type Totals
} from '../../../src/protocols/sdpp/buyer-machine.ts'
import {
  ACCEPT_TIMEOUT_MS,
  HELLO_TIMEOUT_MS,
  MAX_IN_FLIGHT_BYTES,
  ORDER_TIMEOUT_MS,
  POSITION_EVERY_BYTES,
  RECEIPT_TIMEOUT_MS,
  SILENCE_TIMEOUT_MS
} from '../../../src/protocols/sdpp/constants.ts'
import { STATUS } from '../../../src/protocols/sdpp/status.ts'

const TERMS: SessionTerms = {
  price: { amount: 10n, count: 1n, unit: 'record' },
  k: 4n,
  credit: 100n,
  prepay: 50n,
  ahead: 0n,
  maximum: 1_000n,
  start: 100n
}

class Buyer {
  state: BuyerState
  now = 0
  effects: BuyerEffect[] = []

  constructor(terms: Partial<SessionTerms> = {}, answering: Answering = 'every') {
    this.state = buyerStart(0, answering)
    this.step({ type: 'offerReceived' })
    this.step({ type: 'orderSent' })
    this.step({ type: 'accepted', terms: { ...TERMS, ...terms } })
  }

  step(event: BuyerEvent): BuyerEffect[] {
    const [state, effects] = buyerStep(this.state, event, this.now)
    this.state = state
    this.effects = effects
    return effects
  }

  data(count: number, bytes = count * 10, first = 100n + this.state.received.n): BuyerEffect[] {
    const { n, records, bytes: before } = this.state.received
    const more = BigInt(count)
    const progress = { n: n + more, records: records + more, bytes: before + BigInt(bytes) }
    return this.step({ type: 'data', first, progress, bytes })
  }

  get totals(): Totals {
    const { received, due, credited } = this.state
    return { n: received.n, bytes: received.bytes, due, credited, rootMatches: true }
  }

  invoice(change: Partial<Totals> = {}): BuyerEffect[] {
    return this.step({ type: 'invoice', ...this.totals, ...change })
  }

  fault(): number | undefined {
    assert.equal(this.state.phase, 'failed')
    const [effect] = this.effects
    return effect?.type === 'fail' ? effect.code : undefined
  }
}

const paysOf = (effects: BuyerEffect[]): bigint[] =>
  effects.flatMap((effect) => (effect.type === 'pay' ? [effect.sessionPaid] : []))

test('it pays what was received, when an invoice asks', () => {
  const buyer = new Buyer()
  assert.deepEqual(paysOf(buyer.data(3)), [])
  assert.deepEqual(buyer.invoice(), [{ type: 'keepInvoice' }, { type: 'pay', n: 3n, sessionPaid: 30n }])
  assert.deepEqual(paysOf(buyer.invoice()), [], 'the same again asks for nothing')
})

test('ahead: paid right after ACCEPT, kept topped up, and not once the session ends', () => {
  const buyer = new Buyer({ ahead: 50n, credit: 0n })
  assert.deepEqual(buyer.effects, [{ type: 'pay', n: 0n, sessionPaid: 50n }])
  buyer.data(5)
  assert.deepEqual(paysOf(buyer.invoice()), [100n])
  buyer.data(2)
  buyer.step({ type: 'closeReceived', reason: 2 })
  assert.deepEqual(paysOf(buyer.invoice()), [])
  assert.equal(buyer.state.asked, 100n)
})

test('it never pays above the maximum', () => {
  const buyer = new Buyer({ ahead: 50n, maximum: 75n })
  buyer.data(5)
  assert.deepEqual(paysOf(buyer.invoice()), [75n])
})

test('newest: one payment at a time, then one for everything that came meanwhile', () => {
  const buyer = new Buyer({}, 'newest')
  buyer.data(1)
  assert.deepEqual(paysOf(buyer.invoice()), [10n])
  buyer.data(1)
  assert.deepEqual(paysOf(buyer.invoice()), [])
  buyer.data(1)
  assert.deepEqual(paysOf(buyer.step({ type: 'paid', sessionPaid: 10n })), [30n])
  assert.deepEqual(paysOf(buyer.step({ type: 'paid', sessionPaid: 30n })), [])
  const every = new Buyer()
  every.data(1)
  every.invoice()
  every.data(1)
  assert.deepEqual(paysOf(every.invoice()), [20n])
})

const LIES: Array<[string, Partial<Totals>, number]> = [
  ['a higher position', { n: 4n }, STATUS.accountMismatch],
  ['a lower position', { n: 2n }, STATUS.accountMismatch],
  ['more bytes', { bytes: 31n }, STATUS.accountMismatch],
  ['more due', { due: 31n }, STATUS.accountMismatch],
  ['less due', { due: 29n }, STATUS.accountMismatch],
  ['more credited than paid', { credited: 11n }, STATUS.accountMismatch],
  ['another root', { rootMatches: false }, STATUS.transcriptMismatch]
]

for (const [what, lie, code] of LIES) {
  test(`an invoice that states ${what} is a fault`, () => {
    const buyer = new Buyer()
    buyer.data(3)
    buyer.invoice(lie)
    assert.equal(buyer.fault(), code)
    assert.deepEqual(paysOf(buyer.effects), [])
  })
  test(`a receipt that states ${what} is a fault`, () => {
    const buyer = new Buyer()
    buyer.data(3)
    buyer.step({ type: 'closeReceived', reason: 2 })
    buyer.invoice()
    const credited = lie.credited === undefined ? {} : { credited: 31n }
    buyer.step({ type: 'receipt', ...buyer.totals, ...lie, ...credited })
    assert.equal(buyer.fault(), code)
  })
}

test('credited may not go back', () => {
  const buyer = new Buyer()
  buyer.data(3)
  buyer.invoice()
  buyer.step({ type: 'paid', sessionPaid: 30n })
  buyer.invoice({ credited: 30n })
  buyer.invoice({ credited: 29n })
  assert.equal(buyer.fault(), STATUS.accountMismatch)
})

test('data out of order, repeated, beyond the end or beyond the maximum is a fault', () => {
  for (const first of [99n, 101n, 0n]) {
    const buyer = new Buyer()
    buyer.data(1, 10, first)
    assert.equal(buyer.fault(), STATUS.unexpected, `${first}`)
  }
  const long = new Buyer({ end: 102n })
  long.data(2)
  long.data(1)
  assert.equal(long.fault(), STATUS.unexpected)
  const dear = new Buyer({ maximum: 25n })
  dear.data(2)
  dear.data(1)
  assert.equal(dear.fault(), STATUS.unexpected)
})

test('data and invoices after CLOSE and the final invoice are faults, as is a second CLOSE', () => {
  const after = (): Buyer => {
    const buyer = new Buyer()
    buyer.step({ type: 'closeReceived', reason: 2 })
    return buyer
  }
  const data = after()
  data.data(1)
  assert.equal(data.fault(), STATUS.unexpected)
  const invoice = after()
  invoice.invoice()
  invoice.invoice()
  assert.equal(invoice.fault(), STATUS.unexpected)
  const close = after()
  close.step({ type: 'closeReceived', reason: 2 })
  assert.equal(close.fault(), STATUS.unexpected)
  const receipt = after()
  receipt.step({ type: 'receipt', ...receipt.totals })
  assert.equal(receipt.fault(), STATUS.unexpected)
})

test('stopping: CLOSE with the position handled; data on its way still counts and is paid; crossing is no fault', () => {
  const buyer = new Buyer()
  buyer.data(2)
  buyer.step({ type: 'handled', n: 1n, bytes: 10, idle: false })
  assert.deepEqual(buyer.step({ type: 'stop', reason: 1 }), [{ type: 'close', reason: 1, n: 1n }])
  assert.deepEqual(buyer.step({ type: 'stop', reason: 1 }), [])
  buyer.data(1)
  buyer.step({ type: 'closeReceived', reason: 1 })
  assert.deepEqual(paysOf(buyer.invoice()), [30n])
  buyer.step({ type: 'receipt', ...buyer.totals, credited: 30n })
  assert.equal(buyer.state.phase, 'receipted')
  assert.deepEqual(buyer.effects, [{ type: 'acknowledge' }])
})

test('stopped, it pays no more than the seller trusted it with when CLOSE was sent, however much comes', () => {
  const buyer = new Buyer()
  buyer.data(4)
  assert.deepEqual(paysOf(buyer.invoice()), [40n])
  buyer.step({ type: 'stop', reason: 1 })
  assert.equal(buyer.state.limit, 140n)
  buyer.data(4)
  assert.deepEqual(paysOf(buyer.invoice({ credited: 40n })), [80n])
  buyer.data(20)
  assert.deepEqual(paysOf(buyer.invoice({ credited: 80n })), [140n])
  buyer.data(20)
  assert.deepEqual(paysOf(buyer.invoice({ credited: 140n })), [])
})

test('stopped, it pays what a seller may have sent that had widened the window without a word', () => {
  const buyer = new Buyer({ credit: 0n })
  buyer.data(30)
  buyer.invoice()
  buyer.step({ type: 'stop', reason: 1 })
  assert.equal(buyer.state.limit, 600n)
})

test('stopped, it pays for no more bytes than may have been on their way, whatever credit is named', () => {
  const buyer = new Buyer({ credit: 10n ** 12n, maximum: 10n ** 12n })
  buyer.step({ type: 'stop', reason: 1 })
  for (let i = 1n; i <= 10n; i++) {
    buyer.data(1, MAX_IN_FLIGHT_BYTES / 4)
    buyer.step({ type: 'handled', n: i, bytes: MAX_IN_FLIGHT_BYTES / 4, idle: true })
  }
  assert.deepEqual(paysOf(buyer.invoice()), [40n])
})

test('resumed after it was stopped, the limit is the one of before', () => {
  const [ordered] = buyerStep(buyerStart(0, 'every'), { type: 'resumeSent' }, 0)
  const received = { n: 5n, records: 5n, bytes: 50n }
  const resumed = { received, due: 50n, paid: 60n, credited: 60n, limit: 70n }
  const [accepted] = buyerStep(ordered, { type: 'accepted', terms: TERMS, resumed }, 0)
  const [stopped] = buyerStep(accepted, { type: 'stop', reason: 1 }, 0)
  assert.equal(stopped.limit, 70n)
})

test('resumed after it was stopped, what comes again is paid up to the limit, whatever bytes that are', () => {
  const received = { n: 1n, records: 1n, bytes: 10n }
  const buyer = new Buyer({ credit: 1_000n })
  const [ordered] = buyerStep(buyerStart(0, 'every'), { type: 'resumeSent' }, 0)
  const resumed = { received, due: 90n, paid: 10n, credited: 10n, limit: 500n }
  const [accepted] = buyerStep(ordered, { type: 'accepted', terms: { ...TERMS, credit: 1_000n }, resumed }, 0)
  buyer.state = accepted
  buyer.step({ type: 'stop', reason: 1 })
  for (let n = 2n; n <= 9n; n++) {
    buyer.data(1, MAX_IN_FLIGHT_BYTES / 4)
    buyer.step({ type: 'handled', n, bytes: MAX_IN_FLIGHT_BYTES / 4, idle: true })
  }
  assert.deepEqual(paysOf(buyer.invoice({ credited: 10n })), [90n])
})

test('the end is put off for a deposit once, and again only for what was credited since', () => {
  const buyer = new Buyer()
  buyer.data(4)
  buyer.step({ type: 'stop', reason: 1 })
  buyer.step({ type: 'toppingUp' })
  const first = ACCEPT_TIMEOUT_MS + RECEIPT_TIMEOUT_MS
  assert.equal(buyer.state.deadline, first)
  buyer.now = 1_000
  buyer.step({ type: 'toppingUp' })
  assert.equal(buyer.state.deadline, first)
  buyer.invoice()
  buyer.invoice({ credited: 40n })
  buyer.step({ type: 'toppingUp' })
  assert.equal(buyer.state.deadline, 1_000 + first)
})

test('positions: when the queue is empty, or after 128 KiB, and only for what is new', () => {
  const buyer = new Buyer({ price: { amount: 0n, count: 1n, unit: 'record' } })
  buyer.data(1, 70_000)
  buyer.data(1, 70_000)
  buyer.data(1, 70_000)
  assert.deepEqual(buyer.step({ type: 'handled', n: 1n, bytes: 70_000, idle: false }), [])
  assert.deepEqual(buyer.step({ type: 'handled', n: 2n, bytes: 70_000, idle: false }), [{ type: 'position', n: 2n }])
  assert.deepEqual(buyer.step({ type: 'handled', n: 3n, bytes: 70_000, idle: true }), [{ type: 'position', n: 3n }])
  assert.deepEqual(buyer.step({ type: 'handled', n: 3n, bytes: 0, idle: true }), [])
  assert.ok(140_000 >= POSITION_EVERY_BYTES)
  assert.equal(buyer.state.unacknowledgedBytes, 0)
})

test('a seller that ignores the in-flight budget is a fault', () => {
  const buyer = new Buyer({ price: { amount: 0n, count: 1n, unit: 'record' } })
  buyer.data(1, MAX_IN_FLIGHT_BYTES)
  buyer.data(1, 1)
  assert.equal(buyer.state.phase, 'streaming', 'one frame more may cross a position')
  buyer.data(1, 1)
  assert.equal(buyer.fault(), STATUS.unexpected)
})

test('timers: each phase has its own, streaming has none', () => {
  const start = buyerStart(0, 'every')
  assert.equal(start.deadline, HELLO_TIMEOUT_MS)
  const [ordering] = buyerStep(start, { type: 'offerReceived' }, 5)
  assert.equal(ordering.deadline, 5 + ORDER_TIMEOUT_MS)
  const [ordered] = buyerStep(ordering, { type: 'orderSent' }, 6)
  assert.equal(ordered.deadline, 6 + ACCEPT_TIMEOUT_MS)
  const buyer = new Buyer()
  assert.equal(buyer.state.deadline, undefined)
  buyer.step({ type: 'stop', reason: 1 })
  assert.equal(buyer.state.deadline, SILENCE_TIMEOUT_MS)
  buyer.now = 7
  buyer.step({ type: 'closeReceived', reason: 1 })
  assert.equal(buyer.state.deadline, 7 + RECEIPT_TIMEOUT_MS)
  buyer.now = buyer.state.deadline as number
  buyer.step({ type: 'tick' })
  assert.equal(buyer.fault(), STATUS.timeout)
})

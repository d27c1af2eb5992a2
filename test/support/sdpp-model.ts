import assert from 'node:assert/strict'
import { affordableUnits, due, type Progress } from '../../src/interface/index.ts'
import { advance, type Records, type SessionTerms } from '../../src/protocols/sdpp/account.ts'
import {
  type Answering,
  type BuyerEvent,
  type BuyerState,
  buyerStart,
  buyerStep
} from '../../src/protocols/sdpp/buyer-machine.ts'
import { MAX_IN_FLIGHT_BYTES } from '../../src/protocols/sdpp/constants.ts'
import { sellerStep } from '../../src/protocols/sdpp/seller-machine.ts'
import {
  type Invoicing,
  type SellerEvent,
  type SellerState,
  sellerStart
} from '../../src/protocols/sdpp/seller-state.ts'
import { CLOSE_REASON, STATUS } from '../../src/protocols/sdpp/status.ts'

/** Both machines against each other, over two lossless pipes, under a schedule that a seed decides. */

export interface Scenario {
  terms: SessionTerms
  available: bigint | undefined
  invoicing: Invoicing
  answering: Answering
  /** Record sizes, block by block. */
  blocks: number[][]
  /** The blocks that are in the log when the session starts; the others are appended while it runs. */
  present: number
  stopAfter?: number
  /** Offset of a record that breaks the schema. */
  violates?: bigint
  seed: number
}

type ToBuyer = { bytes: number; event: BuyerEvent }
type ToSeller = SellerEvent | { type: 'payment'; n: bigint; sessionPaid: bigint }

function random(seed: number): () => number {
  let a = seed | 0
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export class Market {
  readonly scenario: Scenario
  seller: SellerState
  buyer: BuyerState
  now = 0
  steps = 0
  invoices = 0
  payments = 0
  ticks = 0
  maxInFlight = 0
  readonly #random: () => number
  readonly #log: Records[] = []
  readonly #toBuyer: ToBuyer[] = []
  readonly #toSeller: ToSeller[] = []
  readonly #signing: Array<{ n: bigint; sessionPaid: bigint }> = []
  readonly #storing: bigint[] = []
  /** CLOSE for a bad record: it follows the payments that were asked for. */
  #closing: ToSeller | undefined
  readonly #consuming: Array<{ n: bigint; bytes: number }> = []
  #pump = false
  #head = 0n
  #sentBytes = 0
  #freedBytes = 0
  #bytesAt: Array<{ n: bigint; total: number }> = []
  #lastInvoice = 0n

  constructor(scenario: Scenario) {
    this.scenario = scenario
    this.#random = random(scenario.seed)
    this.seller = sellerStart(0, scenario.invoicing)
    this.buyer = buyerStart(0, scenario.answering)
    for (let i = 0; i < scenario.present; i++) this.#append()
    for (const type of ['offered', 'ordered'] as const) this.sell({ type })
    for (const type of ['offerReceived', 'orderSent'] as const) this.buy({ type })
    this.sell({ type: 'accepted', terms: scenario.terms, available: scenario.available })
    this.#toBuyer.push({ bytes: 0, event: { type: 'accepted', terms: scenario.terms } })
  }

  get finished(): boolean {
    return this.seller.phase === 'closed' && this.buyer.phase === 'closed'
  }

  get head(): bigint {
    return this.#head
  }

  sell(event: SellerEvent): void {
    const [state, effects] = sellerStep(this.seller, event, this.now)
    this.seller = state
    for (const effect of effects) {
      switch (effect.type) {
        case 'data': {
          const bytes = effect.progress.n === 0n ? 0 : this.#sliceBytes(effect.from, effect.to)
          const first = this.scenario.terms.start + effect.progress.n - BigInt(effect.to - effect.from)
          this.#sentBytes += bytes
          this.#bytesAt.push({ n: effect.progress.n, total: this.#sentBytes })
          this.#toBuyer.push({ bytes, event: { type: 'data', first, progress: effect.progress, bytes } })
          break
        }
        case 'invoice': {
          const { n, bytes, due, credited } = effect
          this.invoices++
          if (this.scenario.invoicing === 'strict') assert.ok(n - this.#lastInvoice <= this.scenario.terms.k)
          this.#lastInvoice = n
          this.#toBuyer.push({ bytes: 0, event: { type: 'invoice', n, bytes, due, credited, rootMatches: true } })
          break
        }
        case 'receipt': {
          const { n, bytes, due, credited } = effect
          this.#toBuyer.push({ bytes: 0, event: { type: 'receipt', n, bytes, due, credited, rootMatches: true } })
          break
        }
        case 'close':
          this.#toBuyer.push({ bytes: 0, event: { type: 'closeReceived', reason: effect.reason } })
          break
        case 'topUp':
          // This buyer cannot: it wants no more than the channel can pay.
          this.#toBuyer.push({ bytes: 0, event: { type: 'stop', reason: CLOSE_REASON.maximum } })
          break
        case 'pump':
          this.#pump = true
          break
        case 'fail':
          assert.fail(`seller failed: ${effect.code} ${effect.text}`)
          break
        case 'finish':
          if (event.type === 'acknowledged') this.#toBuyer.push({ bytes: 0, event: { type: 'confirmed' } })
          break
      }
    }
    this.#check()
  }

  buy(event: BuyerEvent): void {
    const { received } = this.buyer
    const [state, effects] = buyerStep(this.buyer, event, this.now)
    this.buyer = state
    for (const effect of effects) {
      switch (effect.type) {
        case 'pay':
          this.payments++
          this.#signing.push({ n: effect.n, sessionPaid: effect.sessionPaid })
          break
        case 'position':
          this.#toSeller.push({ type: 'position', n: effect.n })
          this.#freedBytes = this.#bytesAt.findLast(({ n }) => n <= effect.n)?.total ?? this.#freedBytes
          break
        case 'close':
          if (effect.reason === CLOSE_REASON.schema) this.#closing = { type: 'close', reason: effect.reason }
          else this.#toSeller.push({ type: 'close', reason: effect.reason })
          break
        case 'acknowledge':
          this.#toSeller.push({ type: 'acknowledged' })
          break
        case 'deliver':
          assert.ok(event.type === 'data')
          this.#consuming.push({ n: event.progress.n, bytes: event.bytes })
          break
        case 'fail':
          assert.fail(`buyer failed: ${effect.code} ${effect.text}`)
          break
        case 'keepInvoice':
          break
      }
    }
    this.#check()
    if (event.type === 'data') this.#judge(event, received)
  }

  #judge({ first, progress }: Extract<BuyerEvent, { type: 'data' }>, before: Progress): void {
    const { violates, terms } = this.scenario
    if (violates === undefined || violates < first || violates >= terms.start + progress.n) return
    const records = this.#log.find((block) => first < block.first + BigInt(block.count)) as Records
    const [from, to] = [Number(first - records.first), Number(violates - records.first)]
    this.buy({ type: 'violated', payable: advance(terms, before, records, from, to) })
  }

  /** Runs until both sides are closed; a turn in which nothing can happen is a deadlock. */
  run(): void {
    while (!this.finished) {
      const moves = this.#moves()
      if (moves.length === 0) {
        if (this.#head < this.#total) this.#waitForInvoice()
        else assert.fail(`deadlock: seller ${this.seller.phase}/${this.seller.blocked}, buyer ${this.buyer.phase}`)
        continue
      }
      const move = moves[Math.floor(this.#random() * moves.length)] as () => void
      move()
      if (++this.steps === this.scenario.stopAfter) this.buy({ type: 'stop', reason: 1 })
      assert.ok(this.steps < 20_000, 'no end')
    }
  }

  get #total(): bigint {
    return BigInt(this.scenario.blocks.reduce((sum, block) => sum + block.length, 0))
  }

  /** Live product: nothing moves until the next record, or until a second is over and its invoice is due. */
  #waitForInvoice(): void {
    const { deadline } = this.seller
    if (deadline !== undefined && this.seller.uninvoicedSince !== undefined) {
      this.now = deadline
      this.ticks++
      this.sell({ type: 'tick' })
    } else this.#append()
  }

  #moves(): Array<() => void> {
    const moves: Array<() => void> = []
    if (this.#pump && this.seller.phase === 'streaming' && this.seller.blocked === 'no')
      moves.push(() => this.#deliver())
    if (this.#toBuyer.length > 0) moves.push(() => this.buy((this.#toBuyer.shift() as ToBuyer).event))
    if (this.#toSeller.length > 0) {
      moves.push(() => {
        const message = this.#toSeller.shift() as ToSeller
        if (message.type === 'close' && message.reason === CLOSE_REASON.schema && this.#storing.length > 0) {
          this.#toSeller.unshift(message)
          return
        }
        if (message.type !== 'payment') return this.sell(message)
        assert.ok(message.n <= this.seller.sent.n)
        if (this.seller.phase === 'receipted') return
        this.sell({ type: 'paymentArrived', sessionPaid: message.sessionPaid })
        this.#storing.push(message.sessionPaid)
      })
    }
    const closing = this.#closing
    if (closing !== undefined && this.#signing.length === 0) {
      moves.push(() => {
        this.#closing = undefined
        this.#toSeller.push(closing)
      })
    }
    if (this.#signing.length > 0) {
      moves.push(() => {
        const payment = this.#signing.shift() as { n: bigint; sessionPaid: bigint }
        this.#toSeller.push({ type: 'payment', ...payment })
        this.buy({ type: 'paid', sessionPaid: payment.sessionPaid })
      })
    }
    if (this.#storing.length > 0) {
      // Writes may end in any order.
      const at = Math.floor(this.#random() * this.#storing.length)
      moves.push(() => this.sell({ type: 'credited', sessionPaid: this.#storing.splice(at, 1)[0] as bigint }))
    }
    if (this.#consuming.length > 0) {
      moves.push(() => {
        const batch = this.#consuming.shift() as { n: bigint; bytes: number }
        this.buy({ type: 'handled', ...batch, idle: this.#consuming.length === 0 })
      })
    }
    if (moves.length > 0 && this.#log.length < this.scenario.blocks.length && this.#random() < 0.2) {
      moves.push(() => this.#append())
    }
    return moves
  }

  /** What the session's pump does: the block of the next offset, or the end. */
  #deliver(): void {
    const { terms } = this.scenario
    const next = terms.start + this.seller.sent.n
    if (terms.end !== undefined && next >= terms.end) return this.sell({ type: 'ended' })
    if (next >= this.#head) {
      this.#pump = false
      if (this.#head === this.#total) this.sell({ type: 'ended' })
      return
    }
    const records = this.#log.find(({ first, count }) => next < first + BigInt(count)) as Records
    this.sell({ type: 'block', records })
  }

  #sliceBytes(from: number, to: number): number {
    const next = this.scenario.terms.start + this.seller.sent.n - 1n
    const { ends } = this.#log.find(({ first, count }) => next < first + BigInt(count)) as Records
    return (ends[to - 1] as number) - (from === 0 ? 0 : (ends[from - 1] as number))
  }

  #append(): void {
    let at = 0
    const lengths = this.scenario.blocks[this.#log.length] as number[]
    const ends = Uint32Array.from(lengths, (length) => {
      at += 4 + length
      return at
    })
    this.#log.push({ first: this.#head, count: lengths.length, ends })
    this.#head += BigInt(lengths.length)
    this.#pump = true
  }

  #check(): void {
    const { seller, buyer } = this
    const { terms, available } = this.scenario
    assert.ok(seller.due - seller.credited <= terms.credit, `seller at risk ${seller.due - seller.credited}`)
    assert.ok(seller.due <= terms.maximum)
    assert.ok(available === undefined || seller.due <= available)
    assert.ok(buyer.asked - buyer.due <= terms.ahead && terms.ahead <= terms.prepay, `buyer at risk ${buyer.asked}`)
    assert.ok(buyer.asked <= terms.maximum)
    assert.ok(buyer.paid <= buyer.asked && seller.credited <= buyer.asked)
    assert.ok(buyer.received.n <= seller.sent.n && buyer.handled <= buyer.received.n)
    const inFlight = this.#sentBytes - this.#freedBytes
    this.maxInFlight = Math.max(this.maxInFlight, inFlight)
    assert.ok(inFlight <= MAX_IN_FLIGHT_BYTES, `${inFlight} in flight`)
  }

  /** After the end: nothing lost, nothing owed, and the reason is true. */
  checkEnd(): void {
    const { seller, buyer } = this
    const { terms, available } = this.scenario
    assert.deepEqual(buyer.received, seller.sent)
    assert.equal(buyer.due, seller.due)
    assert.equal(seller.due, due(terms.price, seller.sent))
    const { payable } = buyer
    if (payable !== undefined) {
      const owed = due(terms.price, payable)
      assert.equal(terms.start + payable.n, this.scenario.violates)
      assert.ok(buyer.asked >= owed && buyer.asked <= owed + terms.ahead, `${buyer.asked} paid of ${owed}`)
      // A seller that was paid for everything may have given its receipt by then.
      if (seller.due <= seller.credited) return
      assert.equal(seller.credited, buyer.asked)
      assert.equal(seller.reason, CLOSE_REASON.schema)
      return
    }
    assert.ok(seller.credited >= seller.due, `${seller.credited} credited of ${seller.due}`)
    assert.ok(buyer.credited >= buyer.due)
    const reached = terms.start + seller.sent.n
    switch (seller.reason) {
      case 0:
        return assert.equal(reached < (terms.end as bigint), false)
      case 1:
        return assert.notEqual(this.scenario.stopAfter, undefined)
      case 2:
        return assert.equal(reached, this.#total)
      case 3: {
        const most = available === undefined || terms.maximum < available ? terms.maximum : available
        const units = affordableUnits(terms.price, most) as bigint
        const next = this.#log.find(({ first, count }) => reached < first + BigInt(count)) as Records
        const i = Number(reached - next.first)
        const size = BigInt((next.ends[i] as number) - (i === 0 ? 0 : (next.ends[i - 1] as number)) - 4)
        const after = terms.price.unit === 'KiB' ? seller.sent.bytes + size : seller.sent.records + 1n
        return assert.ok(after > units)
      }
      default:
        assert.fail(`ended for reason ${seller.reason} (${STATUS.internal})`)
    }
  }
}

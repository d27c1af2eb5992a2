import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  DdmError,
  type PayeeSession,
  type PayerSession,
  type PaymentPayload,
  type ResumeRequest
} from '../../../src/interface/index.ts'
import { bindingOf, eip712, LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore } from './memory.ts'

interface Live {
  id: string
  /** Ordered; `limit` is what the seller still serves of it after a resume. */
  maximum: bigint
  limit: bigint
  buying: PayerSession
  selling: PayeeSession
  /** PAYMENTs on the wire, oldest first: a stream keeps its order, streams overtake each other. */
  wire: Array<{ sessionPaid: bigint; payload: Promise<PaymentPayload | undefined> }>
  paid: bigint
  credited: bigint
  buyerOpen: boolean
  sellerOpen: boolean
  /** Whether the side uses it; one that was cut, or whose node was restarted, waits to be resumed. */
  buyerUp: boolean
  sellerUp: boolean
  /** `due` of a RECEIPT on the wire. */
  receipt: bigint | undefined
}

/**
 * One buyer and one seller, one channel, any number of sessions in any interleaving: payments, receipts and cuts on the
 * wire, restarts, resumes, deposits on the way, claims and refunds, also such as a reorg undoes. Honest sides never refuse
 * each other's payments, and the sums hold after every step.
 */
class Market {
  readonly #money = memoryChain()
  readonly #bought = memoryStore(pause)
  readonly #sold = memoryStore(pause)
  #payer = memoryPayer(this.#money.chain, this.#bought)
  #payee = memoryPayee(this.#money.chain, this.#sold)
  readonly sessions: Live[] = []
  /** Deposits that made room in a session. */
  topUps = 0
  /** Consumed at the seller by ended sessions, counted by the model. */
  #consumed = 0n
  #signed = 0n
  #made = 0
  /** Counts what may take from an order under way what its buyer counted on. */
  #moves = 0

  async open(maximum: bigint): Promise<void> {
    const moves = this.#moves
    const terms = this.#payee.terms(LISTING)
    assert.ok(terms)
    const id = `s${++this.#made}`
    const binding = bindingOf(this.#made)
    const buying = await this.#payer.open({ terms, binding, seller: 'seller', maximum, one: 10n })
    await buying.begin(id)
    let selling: PayeeSession
    try {
      selling = await this.#payee.accept({ terms, binding, order: buying.order, buyer: 'buyer', maximum })
    } catch (error) {
      // The seller still keeps the promise of a session that the buyer has lost, or has just taken one up again, or paid
      // the deposit back: an honest refusal.
      if (!(error instanceof DdmError) || error.code !== 'refused') throw error
      const lost = this.sessions.some((one) => !(one.buyerOpen && one.buyerUp) && one.sellerOpen)
      assert.ok(lost || this.#moves !== moves, error.message)
      return buying.end(0n)
    }
    await selling.begin(id)
    const live = { id, maximum, limit: maximum, buying, selling, wire: [], paid: 0n, credited: 0n, receipt: undefined }
    this.sessions.push({ ...live, buyerOpen: true, sellerOpen: true, buyerUp: true, sellerUp: true })
    // ACCEPT takes its time: other sessions may end meanwhile.
    await pause()
    await buying.accept(selling.base as bigint, selling.proof)
  }

  pay(session: Live, more: bigint): void {
    const { buyerOpen, buyerUp, paid, limit } = session
    if (!buyerOpen || !buyerUp || paid >= limit) return
    session.paid = paid + more > limit ? limit : paid + more
    const payload = session.buying.pay(session.paid)
    payload.catch(() => {})
    session.wire.push({ sessionPaid: session.paid, payload })
  }

  async deliver(session: Live): Promise<void> {
    const next = session.wire.shift()
    if (next === undefined) return
    const payload = await next.payload
    if (!session.sellerOpen || !session.sellerUp) return
    assert.equal(session.selling.verify(next.sessionPaid, payload), undefined)
    await session.selling.credit(next.sessionPaid, payload)
    session.credited = next.sessionPaid
  }

  /** The seller ends in order; the RECEIPT goes on the wire. */
  async finish(session: Live, unused: bigint): Promise<void> {
    if (!session.sellerOpen || !session.buyerOpen || !session.sellerUp || !session.buyerUp) return
    while (session.wire.length > 0) await this.deliver(session)
    const due = session.credited > unused ? session.credited - unused : 0n
    await this.#sellerEnds(session, due)
    session.receipt = due
  }

  async receipt(session: Live): Promise<void> {
    if (session.receipt === undefined || !session.buyerOpen || !session.buyerUp) return
    session.buyerOpen = false
    await Promise.all(session.wire.map(({ payload }) => payload))
    await session.buying.end(session.receipt)
  }

  /** The stream is lost; each side notices in its own time. */
  async lose(session: Live): Promise<void> {
    await this.#buyerLoses(session)
    await this.#sellerLoses(session)
  }

  async #buyerLoses(session: Live): Promise<void> {
    if (!session.buyerOpen || !session.buyerUp) return
    await Promise.all(session.wire.map(({ payload }) => payload))
    Object.assign(session, { buyerUp: false, wire: [], receipt: undefined })
    await session.buying.suspend()
  }

  async #sellerLoses(session: Live): Promise<void> {
    if (!session.sellerOpen || !session.sellerUp) return
    session.sellerUp = false
    await session.selling.suspend()
  }

  /** RESUME and ACCEPT: what was paid and lost is presented again. */
  async resume(session: Live): Promise<void> {
    if (!session.buyerOpen || !session.sellerOpen) return
    this.#moves++
    await this.lose(session)
    await this.#resumeBuyer(session)
    await this.#resumeSeller(session)
    const { buying, selling } = session
    assert.deepEqual([buying.paid, selling.credited], [session.paid, session.credited])
    if (session.paid > session.credited) {
      assert.equal(selling.verify(session.paid, buying.payload), undefined)
      await selling.credit(session.paid, buying.payload)
      session.credited = session.paid
    }
    const available = selling.available() as bigint
    session.limit = available < session.maximum ? available : session.maximum
    await buying.accept(selling.base as bigint, selling.proof)
  }

  async #resumeBuyer(session: Live): Promise<void> {
    session.buying = await this.#payer.resume(this.#request(session))
    session.buyerUp = true
  }

  async #resumeSeller(session: Live): Promise<void> {
    session.selling = await this.#payee.resume(this.#request(session))
    session.sellerUp = true
  }

  #request({ id, maximum, buying: { channelId } }: Live): ResumeRequest {
    const terms = this.#payee.terms(LISTING)
    assert.ok(terms && channelId)
    return { sessionId: id, channelId, terms, peer: 'seller', maximum }
  }

  /** The channel is short of what was ordered: a refund or other orders came first. */
  async topUp(session: Live): Promise<void> {
    const { buying, selling, buyerOpen, buyerUp, sellerOpen, sellerUp, maximum } = session
    if (!buyerOpen || !buyerUp || !sellerOpen || !sellerUp) return
    const before = selling.available() as bigint
    const deposit = await buying.topUp?.()
    this.#moves++
    await selling.topUp?.(deposit)
    this.#moves++
    const available = selling.available() as bigint
    session.limit = available < maximum ? available : maximum
    if (deposit !== undefined && before < maximum && available > before) this.topUps++
  }

  /** While a session is cut another order takes what it was promised. */
  async overtake(session: Live): Promise<void> {
    await this.lose(session)
    await this.open(session.maximum)
    await this.resume(session)
    await this.topUp(session)
  }

  /** The chain takes back the last claim or refund. */
  reorg(): void {
    this.#money.reorg()
  }

  /** Nobody resumes it: each side gives it up by itself. */
  async cutBuyer(session: Live): Promise<void> {
    if (!session.buyerOpen) return
    await this.#buyerLoses(session)
    if (!session.buyerUp) await this.#resumeBuyer(session)
    session.buyerOpen = false
    await session.buying.end(session.maximum)
  }

  async cutSeller(session: Live): Promise<void> {
    if (!session.sellerOpen) return
    if (!session.sellerUp) await this.#resumeSeller(session)
    await this.#sellerEnds(session, session.maximum)
  }

  async #sellerEnds(session: Live, due: bigint): Promise<void> {
    session.sellerOpen = false
    this.#consumed += due < session.credited ? due : session.credited
    await session.selling.end(due, session.credited)
  }

  async restartBuyer(): Promise<void> {
    for (const session of this.sessions.filter(({ buyerOpen }) => buyerOpen)) {
      await Promise.all(session.wire.map(({ payload }) => payload))
      Object.assign(session, { buyerUp: false, wire: [], receipt: undefined })
    }
    this.#payer = memoryPayer(this.#money.chain, this.#bought)
  }

  restartSeller(): void {
    for (const session of this.sessions) session.sellerUp = false
    this.#payee = memoryPayee(this.#money.chain, this.#sold)
  }

  async refund(): Promise<void> {
    const [sold] = await this.#sold.payees()
    if (sold !== undefined) await this.#payee.channels?.refund(sold.channelId)
    this.#moves++
  }

  async watch(): Promise<void> {
    await this.#payee.channels?.watch()
    await this.#payee.channels?.finishRefunds()
  }

  async claim(): Promise<void> {
    await this.#payee.claim()
  }

  async check(): Promise<void> {
    const [bought] = await this.#bought.payers()
    const [sold] = await this.#sold.payees()
    if (bought === undefined || sold === undefined) return
    assert.equal((await this.#bought.payers()).length, 1, 'one channel')
    const balance = this.#money.balances.get(sold.channelId) ?? 0n
    const open = this.sessions.filter(({ sellerOpen }) => sellerOpen)
    const counted = open.reduce((sum, { credited }) => sum + credited, this.#consumed)
    const highest = sold.voucher?.maxClaimableAmount ?? 0n
    assert.ok(bought.signed >= this.#signed, 'what was signed never decreases')
    this.#signed = bought.signed
    assert.ok(highest >= counted, `the voucher ${highest} covers all that was credited, ${counted}`)
    assert.ok(counted <= balance, `the deposit ${balance} covers all that was credited, ${counted}`)
    assert.ok((this.#money.claimed.get(sold.channelId) ?? 0n) <= highest)
    // Signed for, and no more: the sum of what the sessions paid.
    const paid = this.sessions.reduce((sum, session) => sum + session.paid, 0n)
    assert.ok(bought.signed <= paid, `signed ${bought.signed}, paid ${paid}`)
  }

  /** All streams end: the seller's base is what was consumed, each session once; the buyer's own count is not below. */
  async settle(): Promise<void> {
    for (const session of this.sessions) {
      await this.finish(session, 0n)
      await this.receipt(session)
      await this.cutBuyer(session)
      await this.cutSeller(session)
    }
    await this.open(1n)
    await this.check()
    const [bought] = await this.#bought.payers()
    const [sold] = await this.#sold.payees()
    assert.equal(sold?.base, this.#consumed)
    assert.ok((bought?.base ?? 0n) >= this.#consumed)
    assert.ok((bought?.base ?? 0n) <= this.sessions.reduce((sum, { paid }) => sum + paid, 0n))
    await this.claim()
    const claimed = this.#money.claimed.get(sold?.channelId ?? '0x') ?? 0n
    assert.equal((await this.#sold.payees())[0]?.claimed ?? 0n, claimed)
    assert.ok(claimed >= this.#consumed, `${claimed} claimed of ${this.#consumed} earned`)
  }
}

let turn = 0
/** A store or a stream that answers now after one, now after several turns of the loop. */
async function pause(): Promise<void> {
  turn = (turn * 1103515245 + 12345) % 2147483648
  for (let i = turn % 3; i > 0; i--) await new Promise((resolve) => setImmediate(resolve))
}

const amount = fc.bigInt({ min: 1n, max: 40n })
const which = fc.nat({ max: 7 })
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('open' as const), amount }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('pay' as const), which, amount }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('deliver' as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('finish' as const), which, unused: fc.bigInt(0n, 5n) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('receipt', 'cutBuyer', 'cutSeller'), which }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('lose', 'resume', 'topUp', 'overtake'), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom('restartBuyer', 'restartSeller', 'claim', 'refund', 'watch', 'reorg')
    })
  }
)

test('any interleaving of sessions on one channel keeps the sums of both sides', async () => {
  assert.ok(eip712)
  let topUps = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, together) => {
      const market = new Market()
      const opening: Array<Promise<void>> = []
      for (const action of steps) {
        if (action.type === 'open') {
          // Either one after the other, or while the rest goes on.
          const opened = market.open(action.amount)
          if (together) opening.push(opened)
          else await opened
        } else if ('which' in action) {
          const session = market.sessions.at(action.which % (market.sessions.length || 1))
          if (session === undefined) continue
          if (action.type === 'pay') market.pay(session, action.amount)
          else if (action.type === 'finish') await market.finish(session, action.unused)
          else await market[action.type](session)
        } else {
          await Promise.all(opening.splice(0))
          await market[action.type]()
        }
        await market.check()
      }
      await Promise.all(opening)
      await market.settle()
      topUps += market.topUps
    }),
    { numRuns: 500 }
  )
  assert.ok(topUps > 0, 'no channel was topped up')
})

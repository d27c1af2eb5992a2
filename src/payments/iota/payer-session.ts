import {
  type AbortOptions,
  DdmError,
  type Demand,
  faultPoint,
  type Gas,
  type PayerSession,
  type PaymentTerms,
  type PayOptions,
  type RailOrder,
  type SignedTransaction,
  type Transfer,
  type TransferPayload
} from '../../interface/index.ts'
import { readDemand } from './demand.ts'
import { paymentFee } from './fees.ts'
import { paymentMemo } from './memo.ts'
import type { IotaPayerInit } from './payer.ts'
import { isSponsored, toDigest } from './transaction.ts'

interface SessionInit {
  terms: PaymentTerms
  seller: string
  maximum: bigint
  /** Most that one record can cost; undefined when the session is taken up only to be ended. */
  one: bigint | undefined
  order: RailOrder
}

/** Payments of one session, one after the other. */
export class IotaPayerSession implements PayerSession {
  readonly transfers = true
  readonly order: RailOrder
  readonly #rail: IotaPayerInit
  readonly #init: SessionInit
  #id: string | undefined
  #paid = 0n
  #last: TransferPayload | undefined
  #open = true
  #paying: Promise<unknown> = Promise.resolve()

  constructor(rail: IotaPayerInit, init: SessionInit) {
    this.#rail = rail
    this.#init = init
    this.order = init.order
  }

  get paid(): bigint {
    return this.#paid
  }

  get payload(): TransferPayload | undefined {
    return this.#last
  }

  async begin(sessionId: string): Promise<void> {
    this.#id = sessionId
  }

  /** @param unsettled - what was signed and may be somebody else's to send */
  resume(sessionId: string, sent: readonly Transfer[], unsettled: readonly SignedTransaction[]): void {
    this.#id = sessionId
    const last = sent.at(-1)
    if (last === undefined) return
    this.#paid = last.sessionPaid
    const { transaction, demand } = last
    // One at this side's own fee is its own to send: the seller finds it at the ledger.
    const waiting = unsettled.find((one) => one.transaction === transaction && isSponsored(one.bytes))
    const unsent = waiting === undefined ? {} : { unsent: { bytes: waiting.bytes, signature: waiting.signature } }
    this.#last = { transaction, demand, ...unsent }
  }

  /** Nothing is consumed before its time here: there is no base. */
  async accept(): Promise<void> {}

  pay(sessionPaid: bigint, options: PayOptions = {}): Promise<TransferPayload | undefined> {
    const paying = this.#paying.then(() => this.#pay(sessionPaid, options))
    this.#paying = paying.catch(() => {})
    return paying
  }

  async #pay(sessionPaid: bigint, { demand, signal }: PayOptions): Promise<TransferPayload | undefined> {
    if (sessionPaid <= this.#paid) return this.#last
    if (demand === undefined) {
      throw new DdmError('internal', 'a payment on this rail names the statement that asks for it')
    }
    const { terms, seller, maximum, one } = this.#init
    const session = this.#id
    if (!this.#open || session === undefined || terms.payTo === undefined) {
      throw new DdmError('internal', 'the session has ended; nothing more is paid for it')
    }
    if (sessionPaid > maximum) {
      throw new DdmError('budget', `paying ${sessionPaid} is above the session's maximum ${maximum}`, {
        details: { need: `${sessionPaid}`, limit: `${maximum}` }
      })
    }
    const options = signal === undefined ? {} : { signal }
    const amount = sessionPaid - this.#paid
    const gas = terms.sponsored === true ? this.#gasFor(sessionPaid, demand) : undefined
    const fee = gas === undefined ? paymentFee(await this.#rail.client.gasPrice(options)) : 0n
    const spending = { seller, session, amount: amount + fee, ...(one === undefined ? {} : { unitPrice: one }) }
    await this.#rail.budget.reserve(spending, options)
    const request = {
      output: { to: terms.payTo, amount },
      memo: paymentMemo(demand),
      transfer: { session, amount, sessionPaid, fee, demand }
    }
    if (gas === undefined) {
      const { transaction } = await this.#rail.wallet.send(request, options)
      this.#last = { transaction, demand }
    } else {
      const { coin: id, version, digest, price, budget } = gas
      const coin = { id, version, digest: toDigest(digest), balance: 0n }
      const sponsor = { owner: terms.payTo, coin, price, budget }
      const { transaction, bytes, signature } = await this.#rail.wallet.sign(request, sponsor, options)
      this.#last = { transaction, demand, unsent: { bytes, signature } }
    }
    this.#paid = sessionPaid
    faultPoint('payment.stored')
    return this.#last
  }

  /** The seller's coin that the statement offers for the fee: once, and for no less than it asks. */
  #gasFor(sessionPaid: bigint, demand: Demand): Gas | undefined {
    if (this.#last?.demand.payload === demand.payload) return undefined
    const { asked, gas } = readDemand(demand)
    return sessionPaid < asked ? undefined : gas
  }

  suspend(options?: AbortOptions): Promise<void> {
    return this.#settle(options)
  }

  async end(_due: bigint, options?: AbortOptions): Promise<void> {
    if (!this.#open) return
    this.#open = false
    if (this.#id !== undefined && this.#init.terms.sponsored === true) {
      await this.#rail.wallet.giveUp(this.#id, options)
    }
    await this.#settle(options)
  }

  /** Fees are spent too. What may yet be carried out stays reserved. */
  async #settle(options?: AbortOptions): Promise<void> {
    const session = this.#id
    if (session === undefined) return
    const sent = await this.#rail.transfers.sent(session, options)
    const used = sent.reduce((sum, { amount, fee }) => sum + amount + fee, 0n)
    await this.#rail.budget.settle({ session, used }, options)
  }
}

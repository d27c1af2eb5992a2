import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AbortOptions,
  DdmError,
  faultPoint,
  type Gas,
  type Hex,
  isTransfer,
  type PayeeSession,
  type PaymentPayload,
  type Transfer,
  type TransferPayload
} from '../../interface/index.ts'
import { FieldError, readAnyStatement, type Statement, verifyStatement } from '../../statements/index.ts'
import { readDemand } from './demand.ts'
import { gasBudget, leastPayment, paymentFee } from './fees.ts'
import { type ExpectedPayment, paymentProblem } from './judge.ts'
import type { KeptCoins } from './kept-coins.ts'
import { type Coin, type ExecutedTransaction, RejectedTransaction } from './ledger-client.ts'
import { paymentMemo } from './memo.ts'
import type { IotaPayeeInit } from './payee.ts'
import { sponsorProblem } from './sponsored.ts'
import { fromDigest } from './transaction.ts'

/** A node may lag behind the one that executed the payment; the payment's own time-out is longer. */
const EXECUTION_TIMEOUT_MS = 20_000
const POLL_MS = 100

interface SessionInit {
  account: Hex
  maximum: bigint
  /** Nanos that the account holds. */
  balance: bigint
  kept: KeptCoins
}

/** What a session was paid, as the ledger shows it. */
export class IotaPayeeSession implements PayeeSession {
  readonly transfers = true
  readonly base = undefined
  readonly proof = undefined
  readonly covered: bigint
  readonly #rail: IotaPayeeInit
  readonly #init: SessionInit
  #id: string | undefined
  #credited = 0n
  #open = true
  /** Pays the fees of this session. */
  #coin: Coin | undefined
  /** A payment that uses this version of it may come. */
  #isOffered = false
  /** Payments whose fee this side paid, or offered to pay. */
  #sponsored = 0n
  #crediting: Promise<unknown> = Promise.resolve()

  constructor(rail: IotaPayeeInit, init: SessionInit) {
    this.#rail = rail
    this.#init = init
    this.covered = init.balance
  }

  get credited(): bigint {
    return this.#credited
  }

  offerGas(asked: bigint): Gas | undefined {
    if (this.#isOffered || !this.#isWorth(asked) || this.#isFrozen) return undefined
    const gas = this.#gas
    this.#isOffered = gas !== undefined
    return gas
  }

  /**
   * However many payments a buyer makes of a price: fees stay within their share of what the session brings, but for one.
   * That is for the last payment, which may be small.
   */
  #isWorth(asked: bigint): boolean {
    const { gasPrice, maxFeePercent } = this.#rail
    const payments = this.#sponsored > 1n ? this.#sponsored : 1n
    return asked >= payments * leastPayment(paymentFee(gasPrice), maxFeePercent)
  }

  get #isFrozen(): boolean {
    try {
      this.#rail.sponsor?.permit()
      return false
    } catch {
      return true
    }
  }

  get #gas(): Gas | undefined {
    const coin = this.#coin
    if (coin === undefined) return undefined
    const { gasPrice } = this.#rail
    const { id, version, digest, balance } = coin
    const budget = gasBudget(gasPrice, 1)
    return balance < budget ? undefined : { coin: id, version, digest: fromDigest(digest), price: gasPrice, budget }
  }

  /** One coin for the whole session: each payment leaves a new version of it. */
  async lendGas(options?: AbortOptions): Promise<void> {
    const { sponsor, gasPrice } = this.#rail
    const kept = this.#id === undefined ? undefined : this.#init.kept.take(this.#id)
    this.#coin = kept ?? (await sponsor?.wallet.lend(gasBudget(gasPrice, 1), options))
  }

  available(): undefined {
    return undefined
  }

  async begin(sessionId: string): Promise<void> {
    this.#id = sessionId
  }

  resume(sessionId: string, received: readonly Transfer[]): void {
    this.#id = sessionId
    for (const { sessionPaid, demand } of received) {
      if (sessionPaid > this.#credited) this.#credited = sessionPaid
      if (readDemand(demand).gas !== undefined) this.#sponsored++
    }
  }

  verify(sessionPaid: bigint, payload: PaymentPayload | undefined): string | undefined {
    const { maximum } = this.#init
    if (!this.#open) return 'the session has ended'
    if (sessionPaid > maximum) return `${sessionPaid} paid is above the session's maximum ${maximum}`
    if (payload === undefined) return sessionPaid === 0n ? undefined : 'a payment on this rail names its transaction'
    if (!isTransfer(payload)) return 'a payment on this rail names its transaction'
    return this.#demandProblem(payload)
  }

  /** Sends a payment that this side pays the fee of; a payment that was sent before is looked up. */
  async #send(
    sessionPaid: bigint,
    payload: TransferPayload,
    expected: ExpectedPayment,
    options: AbortOptions
  ): Promise<ExecutedTransaction> {
    const { client, sponsor } = this.#rail
    const { transaction, unsent } = payload
    // It was signed before, and what became of it is not known yet.
    const isSending = sponsor?.wallet.isSending(transaction) === true
    const known = await client.executed(transaction, options)
    if (known !== undefined) return known
    if (isSending) return this.#executed(transaction, options)
    const problem = this.#sponsorProblem(sessionPaid, payload)
    if (problem !== undefined || unsent === undefined || sponsor === undefined)
      throw invalid(problem ?? 'it was not sent')
    // What fails, or is no payment, costs its fee all the same: that is known before anything is signed.
    const wrong = paymentProblem(await client.tryOut(unsent.bytes, options).catch(refused), expected)
    if (wrong !== undefined) throw invalid(wrong)
    // No fault of the payer, and nothing that it has to know more of.
    if (this.#isFrozen)
      throw new DdmError('unreachable', 'the seller signs nothing now; present the payment again later')
    const signature = await sponsor.account.sign(unsent.bytes)
    const signatures = [unsent.signature, signature]
    const coin = this.#coin
    const executed = await client.execute(unsent.bytes, signatures, options).catch((error: unknown) => {
      if (coin === undefined || error instanceof RejectedTransaction) return refused(error)
      // It may have been carried out: which version the coin has now is not known.
      this.#coin = undefined
      sponsor.wallet.sendLent(coin, { transaction, bytes: unsent.bytes, signatures })
      throw error
    })
    if (coin !== undefined) this.#coin = { ...executed.gasCoin, balance: coin.balance - executed.fee }
    this.#sponsored++
    return executed
  }

  /** The fee is offered by a statement, for all that it asks: a part of it may be worth less than its fee. */
  #sponsorProblem(sessionPaid: bigint, payload: TransferPayload): string | undefined {
    const { asked, gas } = readDemand(payload.demand)
    if (sessionPaid < asked) return `it brings the session to ${sessionPaid}, the fee was offered for ${asked}`
    const coin = this.#coin
    const isOffered = gas !== undefined && coin !== undefined && gas.coin === coin.id && gas.version === coin.version
    return sponsorProblem(payload, isOffered ? gas : undefined, this.#rail.payTo)
  }

  /** The invoice comes back with the payment: what was asked need not be remembered. */
  #demandProblem({ demand }: TransferPayload): string | undefined {
    try {
      const statement = readAnyStatement(demand.payload, demand.signature)
      const { kind, issuer } = statement
      if (kind !== 'invoice' && kind !== 'accept') return `a payment answers an INVOICE or ACCEPT, not ${kind}`
      if (issuer !== this.#rail.issuer) return `the payment answers a statement of ${issuer}`
      const { session } = statement.content as Statement<'invoice' | 'accept'>
      if (session.toString() !== this.#id) return `the payment answers an invoice of session ${session}`
      return verifyStatement(statement) ? undefined : 'the invoice that the payment answers has a bad signature'
    } catch (error) {
      if (error instanceof FieldError) return `the payment answers no statement: ${error.message}`
      throw error
    }
  }

  credit(sessionPaid: bigint, payload: PaymentPayload | undefined, options?: AbortOptions): Promise<void> {
    const crediting = this.#crediting.then(() => this.#credit(sessionPaid, payload, options))
    this.#crediting = crediting.catch(() => {})
    return crediting
  }

  async #credit(sessionPaid: bigint, payload: PaymentPayload | undefined, options: AbortOptions = {}): Promise<void> {
    const problem = this.verify(sessionPaid, payload)
    if (problem !== undefined) throw invalid(problem)
    if (!isTransfer(payload) || sessionPaid <= this.#credited) return
    const { client, transfers, payTo } = this.#rail
    const { transaction, demand } = payload
    const which = { network: client.network, transaction }
    const known = await transfers.received(which, options)
    if (known !== undefined) throw this.#paidBefore(known)
    const amount = sessionPaid - this.#credited
    const expected = { payer: this.#init.account, payTo, amount, memo: paymentMemo(demand) }
    const executed = await (payload.unsent === undefined
      ? this.#executed(transaction, options)
      : this.#send(sessionPaid, payload, expected, options))
    const wrong = paymentProblem(executed, expected)
    if (wrong !== undefined) throw invalid(wrong)
    faultPoint('payment.verified')
    const transfer = {
      ...which,
      session: this.#id as string,
      amount,
      sessionPaid,
      fee: 0n,
      demand,
      at: executed.at > 0 ? executed.at : Date.now()
    }
    // No signal: a payment that arrived counts, whatever happens to the stream.
    if (!(await transfers.putReceived(transfer))) throw invalid(`transaction ${transaction} has paid another invoice`)
    this.#credited = sessionPaid
    this.#isOffered = false
    faultPoint('payment.stored')
  }

  #paidBefore({ transaction, session, sessionPaid }: Transfer): DdmError {
    return invalid(`transaction ${transaction} has paid ${sessionPaid} of session ${session} before`)
  }

  /**
   * @throws DdmError `unreachable` while the node does not know the transaction: no fault of the payer
   */
  async #executed(transaction: Hex, { signal }: AbortOptions): Promise<ExecutedTransaction> {
    const { client } = this.#rail
    const until = performance.now() + EXECUTION_TIMEOUT_MS
    for (;;) {
      const executed = await client.executed(transaction, signal === undefined ? {} : { signal })
      if (executed !== undefined) return executed
      if (performance.now() > until) {
        throw new DdmError('unreachable', `the ledger does not show transaction ${transaction}; it may lag behind`)
      }
      await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal })
    }
  }

  async suspend(): Promise<void> {
    await this.#crediting
    if (this.#isOffered && this.#coin !== undefined && this.#id !== undefined) {
      this.#init.kept.keep(this.#id, this.#coin)
      this.#coin = undefined
    } else this.#returnGas()
  }

  async end(): Promise<undefined> {
    await this.#crediting
    this.#open = false
    this.#returnGas()
    return undefined
  }

  #returnGas(): void {
    if (this.#coin !== undefined) this.#rail.sponsor?.wallet.takeBack(this.#coin)
    this.#coin = undefined
  }
}

function refused(error: unknown): never {
  if (error instanceof RejectedTransaction) throw invalid(`the ledger refused the payment: ${error.message}`)
  throw error
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}

import {
  type AbortOptions,
  type AssetId,
  type ClaimResult,
  DdmError,
  type Hex,
  type ListingPayment,
  type Payee,
  type PayeeRequest,
  type PayeeSession,
  type PaymentTerms,
  type ResumeRequest,
  type TransferStore
} from '../../interface/index.ts'
import { type IotaAccount, isAuthorized } from './account.ts'
import { granularityFor, paymentFee } from './fees.ts'
import { KeptCoins } from './kept-coins.ts'
import type { LedgerClient } from './ledger-client.ts'
import { IotaPayeeSession } from './payee-session.ts'
import type { IotaWallet } from './wallet.ts'

export interface IotaPayeeInit {
  client: LedgerClient
  transfers: TransferStore
  /** Account that is paid, 32 bytes. */
  payTo: Hex
  /** Peer ID that signs invoices. */
  issuer: string
  assetId: AssetId
  /** Nanos per unit of gas, for the granularity that offers name. */
  gasPrice: bigint
  /** Most that the fee of a payment may be of it, in percent; invoices are that large where the window allows it. */
  maxFeePercent: number
  /**
   * Pays the fees of payments, as far as its wallet has coins to spare and they are worth it. `permit` is the kill switch:
   * throws while nothing may be signed. @default nobody's
   */
  sponsor?: { account: IotaAccount; wallet: IotaWallet; permit: () => void }
}

/** Seller's role on the iota rail: what its own ledger node shows as executed counts, and nothing else. */
export class IotaPayee implements Payee {
  readonly rail = 'iota'
  readonly #init: IotaPayeeInit
  readonly #kept = new KeptCoins((coin) => this.#init.sponsor?.wallet.takeBack(coin))

  constructor(init: IotaPayeeInit) {
    this.#init = init
  }

  terms(listing: ListingPayment): PaymentTerms | undefined {
    const { client, assetId, payTo, gasPrice, maxFeePercent } = this.#init
    const { rail, network, asset } = listing
    if (rail !== 'iota' || network !== client.network || asset !== assetId || listing.payTo !== payTo) return undefined
    const { amount, count, unit } = listing.price
    const price = { amount: BigInt(amount), count: BigInt(count), unit }
    const k = granularityFor(price, paymentFee(gasPrice), maxFeePercent)
    const sponsored = this.#init.sponsor === undefined ? {} : { sponsored: true }
    return { rail, price, network, asset, payTo, ...(k === undefined ? {} : { k }), ...sponsored }
  }

  async accept(request: PayeeRequest, options: AbortOptions = {}): Promise<PayeeSession> {
    const { client } = this.#init
    const { account, accountAuth } = request.order
    if (account === undefined || accountAuth === undefined) {
      throw new DdmError('paymentInvalid', 'the order has no account or no accountAuth')
    }
    if (!(await isAuthorized(account, accountAuth, client.network, request.binding))) {
      throw new DdmError('paymentInvalid', `accountAuth is not signed by account ${account} for this order`)
    }
    await request.authorize?.(account)
    const balance = await client.balance(account, options)
    const session = new IotaPayeeSession(this.#init, {
      account,
      maximum: request.maximum,
      balance,
      kept: this.#kept
    })
    await session.lendGas(options)
    return session
  }

  async resume(request: ResumeRequest, options: AbortOptions = {}): Promise<PayeeSession> {
    const { sessionId, maximum, account, toEnd = false } = request
    if (account === undefined) throw new DdmError('notFound', `session ${sessionId} names no paying account`)
    const { client, transfers } = this.#init
    const balance = toEnd ? 0n : await client.balance(account as Hex, options)
    const session = new IotaPayeeSession(this.#init, {
      account: account as Hex,
      maximum,
      balance,
      kept: this.#kept
    })
    session.resume(sessionId, await transfers.receivedOf(sessionId, options))
    if (!toEnd) await session.lendGas(options)
    return session
  }

  /** Payments have arrived when they count: there is nothing to claim. */
  async claim(): Promise<ClaimResult> {
    return { claimed: 0n, transactions: [], rejected: [] }
  }
}

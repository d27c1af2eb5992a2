import {
  type AbortOptions,
  type AssetId,
  type Budget,
  DdmError,
  type ListingPayment,
  type Payer,
  type PayerRequest,
  type PayerSession,
  type PaymentTerms,
  type Price,
  priceOfOneRecord,
  type ResumeRequest,
  type TransferStore
} from '../../interface/index.ts'
import type { IotaAccount } from './account.ts'
import { paymentFee } from './fees.ts'
import type { LedgerClient } from './ledger-client.ts'
import { IotaPayerSession } from './payer-session.ts'
import type { IotaWallet } from './wallet.ts'

export interface IotaPayerInit {
  account: IotaAccount
  client: LedgerClient
  wallet: IotaWallet
  transfers: TransferStore
  budget: Budget
  assetId: AssetId
}

/** Buyer's role on the iota rail: each invoice that asks for something is paid by a transaction. */
export class IotaPayer implements Payer {
  readonly rail = 'iota'
  readonly #init: IotaPayerInit

  constructor(init: IotaPayerInit) {
    this.#init = init
  }

  capabilities() {
    const { client, assetId } = this.#init
    return [{ rail: this.rail, network: client.network, asset: assetId } as const]
  }

  async fee({ sponsored }: Pick<PaymentTerms, 'sponsored'>, options?: AbortOptions): Promise<bigint> {
    return sponsored === true ? 0n : paymentFee(await this.#init.client.gasPrice(options))
  }

  async objection(
    terms: PaymentTerms,
    listing: ListingPayment,
    { maximum, ...options }: AbortOptions & { maximum?: bigint } = {}
  ): Promise<string | undefined> {
    const { client, assetId, account } = this.#init
    const { network, asset, payTo, price } = terms
    if (network !== client.network) return `the offer is for network ${network}, this wallet is on ${client.network}`
    if (asset !== assetId) return `the offer is in ${asset}, this wallet pays ${assetId}`
    if (payTo === undefined || payTo !== listing.payTo) {
      return `the offer pays ${payTo ?? 'nobody'}, the listing names ${listing.payTo}`
    }
    if (payTo.length !== account.address.length) return `${payTo} is no account of ${client.network}`
    return maximum === 0n ? undefined : this.#lack(price, await this.fee(terms, options), options)
  }

  async lacks({ price }: ListingPayment, options?: AbortOptions): Promise<string | undefined> {
    const { amount, count, unit } = price
    return this.#lack({ amount: BigInt(amount), count: BigInt(count), unit }, await this.fee({}, options), options)
  }

  async #lack(price: Price, fee: bigint, options?: AbortOptions): Promise<string | undefined> {
    const { client, account } = this.#init
    const need = priceOfOneRecord(price, 1n) + fee
    const have = await client.balance(account.address, options)
    return have >= need
      ? undefined
      : `account ${account.address} holds ${have} nanos, one record and its fee cost ${need}`
  }

  async open({ terms, binding, seller, maximum, one }: PayerRequest, options?: AbortOptions): Promise<PayerSession> {
    const { account, client, budget } = this.#init
    // An order at a maximum of 0 spends nothing: samples need no budget.
    if (maximum > 0n) await budget.reserve({ seller, session: '', amount: 0n, unitPrice: one, first: one }, options)
    budget.permit()
    const order = {
      rail: this.rail,
      account: account.address,
      accountAuth: await account.authorize(client.network, binding)
    } as const
    return new IotaPayerSession(this.#init, { terms, seller, maximum, one, order })
  }

  async resume({ sessionId, terms, peer, maximum, account, one }: ResumeRequest, options?: AbortOptions) {
    const { transfers, wallet, account: own } = this.#init
    if (account !== own.address) {
      throw new DdmError(
        'notFound',
        `session ${sessionId} is paid by account ${account}, this wallet is ${own.address}`
      )
    }
    // What is under way counts, or does not: that is known first.
    await wallet.start()
    const session = new IotaPayerSession(this.#init, {
      terms,
      seller: peer,
      maximum,
      one,
      order: { rail: this.rail, account: own.address }
    })
    const unsettled = await transfers.unsettled(this.#init.client.network, options)
    session.resume(sessionId, await transfers.sent(sessionId, options), unsettled)
    return session
  }
}

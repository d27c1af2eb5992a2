import {
  type AbortOptions,
  type Address,
  type AssetId,
  type ChannelChain,
  type ChannelConfig,
  type ChannelStore,
  type ClaimResult,
  DdmError,
  type Hex,
  type ListingPayment,
  type Logger,
  type NetworkId,
  type Payee,
  type PayeeRequest,
  type PayeeSession,
  type PaymentTerms,
  type ResumeRequest
} from '../../interface/index.ts'
import { ChainHealth } from './chain-health.ts'
import type { ClaimPolicy } from './claim-plan.ts'
import type { Eip712 } from './eip712.ts'
import { EvmPayeeChannels } from './payee-channels.ts'
import type { PayeeLane } from './payee-lane.ts'
import { PayeeLanes } from './payee-lanes.ts'
import { checkCollector, relayDeposit } from './relay.ts'
import { Turns } from './serial.ts'
import { malformedSignature } from './signature.ts'

export interface EvmPayeeInit {
  chain: ChannelChain
  channels: ChannelStore
  eip712: Eip712
  /** Account that is paid, lower case. */
  payTo: Address
  /** This voucher store's own: no voucher serves two stores. */
  receiverAuthorizer: Address
  /** Its key, which signs refunds; without it none is given. */
  authorizerKey?: Uint8Array
  /** When vouchers are presented by themselves. @default when old, or when a withdrawal begins */
  claimPolicy?: Omit<ClaimPolicy, 'oldAfter'>
  /** Gas of a deposit that is relayed may cost this much of it, in percent, where `claimPolicy` weighs gas. @default 100 */
  relayGasPercent?: bigint
  networkId: NetworkId
  assetId: AssetId
  /** Seconds between a payer asking its deposit back and getting it; what offers state. */
  withdrawDelay: number
  /** Blocks come with transactions only, as on a dev chain. @default false */
  quiet?: boolean
  /** Unix ms. @default Date.now */
  wallTime?: () => number
  /** Monotonic ms. @default performance.now */
  now?: () => number
  logger: Logger
}

const NO_ADDRESS = `0x${'00'.repeat(20)}`

/** Seller's role on the evm rail. */
export function evmPayee(init: EvmPayeeInit): Payee {
  return new EvmPayee(init)
}

class EvmPayee implements Payee {
  readonly rail = 'evm'
  readonly #init: EvmPayeeInit
  readonly #lanes: PayeeLanes
  readonly channels: EvmPayeeChannels

  constructor(init: EvmPayeeInit) {
    this.#init = init
    const health = new ChainHealth(init)
    this.#lanes = new PayeeLanes({ ...init, health, relays: new Turns() })
    this.channels = new EvmPayeeChannels(init, this.#lanes, health)
  }

  terms(listing: ListingPayment): PaymentTerms | undefined {
    const { networkId, assetId, payTo, receiverAuthorizer, chain, withdrawDelay } = this.#init
    const { rail, network, asset, price } = listing
    if (rail !== 'evm' || network !== networkId || asset !== assetId || listing.payTo !== payTo) return undefined
    return {
      rail,
      price: { amount: BigInt(price.amount), count: BigInt(price.count), unit: price.unit },
      network,
      asset,
      payTo,
      receiverAuthorizer,
      escrow: chain.escrow,
      withdrawDelay
    }
  }

  async accept(request: PayeeRequest, options: AbortOptions = {}): Promise<PayeeSession> {
    const { chain, eip712 } = this.#init
    const { config, channelAuth, accountAuth, deposit } = request.order
    if (config === undefined || channelAuth === undefined) throw invalid('the order has no channel or no channelAuth')
    this.#checkConfig(config, request.terms)
    checkCollector(chain, deposit)
    const channelId = eip712.channelId(eip712.escrowDomain(chain.chainId, chain.escrow), config)
    const digest = eip712.session(eip712.sessionDomain(chain.chainId, chain.escrow), channelId, request.binding)
    this.#checkSigner('channelAuth', digest, channelAuth, "the channel's authorizer", config.payerAuthorizer)
    if (accountAuth !== undefined) this.#checkSigner('accountAuth', digest, accountAuth, 'its payer', config.payer)
    await request.authorize?.(config.payer)
    const loading = this.#lanes.of(channelId, config)
    const lane = await loading
    // Dropped while it was loading.
    if (!this.#lanes.has(channelId, loading)) return this.accept(request, options)
    return this.#inTurn(lane, () => this.#order(lane, request, options), options)
  }

  async resume(request: ResumeRequest, options: AbortOptions = {}): Promise<PayeeSession> {
    const { channelId, toEnd = false } = request
    const stored = channelId === undefined ? undefined : await this.#init.channels.payee(channelId, options)
    const config = stored?.config ?? (request.maximum === 0n ? request.config : undefined)
    if (channelId === undefined || config === undefined) {
      throw new DdmError('notFound', `there is no channel ${channelId ?? ''} of session ${request.sessionId}`)
    }
    const loading = this.#lanes.of(channelId, config)
    const lane = await loading
    // Dropped while it was loading.
    if (!this.#lanes.has(channelId, loading)) return this.resume(request, options)
    const take = async (): Promise<PayeeSession> => {
      if (!toEnd) {
        await lane.refresh(options)
        lane.checkBalance(0n)
      }
      return lane.resume(request, options)
    }
    return this.#inTurn(lane, take, options)
  }

  async #inTurn<T>(lane: PayeeLane, work: () => Promise<T>, options: AbortOptions): Promise<T> {
    try {
      return await lane.orders.run(work, options)
    } finally {
      // Whoever asks costs no memory for a channel that nothing is known of.
      if (lane.idle && lane.channel.voucher === undefined) this.#lanes.forget(lane)
    }
  }

  async #order(lane: PayeeLane, request: PayeeRequest, options: AbortOptions): Promise<PayeeSession> {
    const { channelId } = lane.channel
    const { deposit } = request.order
    await lane.refresh(options)
    // Also when the channel could pay this order without it: another order of the buyer may count on it. Gas is spent
    // only on what makes the order possible.
    if (deposit !== undefined && lane.free + deposit.amount >= request.maximum) {
      await relayDeposit(lane, deposit, () => lane.free >= request.maximum, options)
    }
    const { free } = lane
    if (free < request.maximum) {
      throw new DdmError(
        'refused',
        `channel ${channelId} can pay ${free}, the order may cost ${request.maximum}; deposit more or order less`,
        { details: { have: `${free}`, need: `${request.maximum}` } }
      )
    }
    const session = lane.session(request)
    try {
      await lane.store(options)
    } catch (error) {
      lane.close(session)
      throw error
    }
    return session
  }

  claim(channelIds?: Hex[], options: AbortOptions = {}): Promise<ClaimResult> {
    return this.channels.claim(channelIds, options)
  }

  #checkConfig(config: ChannelConfig, terms: PaymentTerms): void {
    const { payTo, receiverAuthorizer, chain } = this.#init
    const expected: Array<[keyof ChannelConfig, string | number]> = [
      ['receiver', payTo],
      ['receiverAuthorizer', receiverAuthorizer],
      ['token', chain.token.address],
      ['withdrawDelay', terms.withdrawDelay ?? this.#init.withdrawDelay]
    ]
    for (const [key, value] of expected) {
      if (config[key] !== value) throw invalid(`the channel's ${key} is ${config[key]}, offered was ${value}`)
    }
    if (config.payerAuthorizer === NO_ADDRESS) throw invalid("the channel's payerAuthorizer is the zero address")
  }

  #checkSigner(name: string, digest: Uint8Array, signature: Hex, whose: string, expected: Address): void {
    const malformed = malformedSignature(signature)
    if (malformed !== undefined) throw invalid(`${name}: ${malformed}`)
    const signer = this.#init.eip712.recover(digest, signature)
    if (signer !== expected) throw invalid(`${name} is signed by ${signer ?? 'nobody'}, ${whose} is ${expected}`)
  }
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}

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
  type PayeeChannel,
  type PayeeRequest,
  type PayeeSession,
  type PaymentTerms
} from '../../interface/index.ts'
import { claimChannels } from './claim.ts'
import type { Eip712 } from './eip712.ts'
import { PayeeLane } from './payee-lane.ts'
import { malformedSignature, recoverSigner } from './signature.ts'

export interface EvmPayeeInit {
  chain: ChannelChain
  channels: ChannelStore
  eip712: Eip712
  /** Account that is paid, lower case. */
  payTo: Address
  /** This voucher store's own: no voucher serves two stores. */
  receiverAuthorizer: Address
  networkId: NetworkId
  assetId: AssetId
  /** Seconds between a payer asking its deposit back and getting it; what offers state. */
  withdrawDelay: number
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
  readonly #lanes = new Map<Hex, Promise<PayeeLane>>()

  constructor(init: EvmPayeeInit) {
    this.#init = init
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
    const { config, channelAuth, deposit } = request.order
    if (config === undefined || channelAuth === undefined) throw invalid('the order has no channel or no channelAuth')
    this.#checkConfig(config, request.terms)
    const channelId = eip712.channelId(eip712.escrowDomain(chain.chainId, chain.escrow), config)
    this.#checkAuthorization(channelId, config, channelAuth, request)
    const lane = await this.#lane(channelId, config)
    return lane.exclusive(async () => {
      if (deposit !== undefined) await this.#relay(config, channelId, deposit, options)
      await lane.refresh(options)
      const free = lane.free
      if (free < request.maximum) {
        throw new DdmError(
          'refused',
          `channel ${channelId} can pay ${free}, the order may cost ${request.maximum}; deposit more or order less`,
          { details: { have: `${free}`, need: `${request.maximum}` } }
        )
      }
      const session = lane.session(request)
      await lane.store(options)
      return session
    })
  }

  claim(channelIds?: Hex[], options: AbortOptions = {}): Promise<ClaimResult> {
    const { chain, channels, logger } = this.#init
    const lanes = async (): Promise<PayeeLane[]> => {
      const stored = (await channels.payees(options)).filter(
        ({ chainId, escrow, channelId }) =>
          chainId === chain.chainId && escrow === chain.escrow && (channelIds?.includes(channelId) ?? true)
      )
      return Promise.all(stored.map(({ channelId, config }) => this.#lane(channelId, config)))
    }
    return claimChannels({ chain, logger, lanes }, options)
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

  #checkAuthorization(channelId: Hex, config: ChannelConfig, channelAuth: Hex, request: PayeeRequest): void {
    const { chain, eip712 } = this.#init
    const malformed = malformedSignature(channelAuth)
    if (malformed !== undefined) throw invalid(`channelAuth: ${malformed}`)
    const digest = eip712.session(eip712.sessionDomain(chain.chainId, chain.escrow), channelId, request.binding)
    const signer = recoverSigner(eip712, digest, channelAuth)
    if (signer !== config.payerAuthorizer) {
      throw invalid(
        `channelAuth is signed by ${signer ?? 'nobody'}, the channel's authorizer is ${config.payerAuthorizer}`
      )
    }
  }

  async #relay(
    config: ChannelConfig,
    channelId: Hex,
    deposit: NonNullable<PayeeRequest['order']['deposit']>,
    options: AbortOptions
  ): Promise<void> {
    const { chain, logger } = this.#init
    if (deposit.collector !== chain.eip3009Collector) {
      throw new DdmError(
        'refused',
        `the deposit names collector ${deposit.collector}, this network has ${chain.eip3009Collector}`
      )
    }
    try {
      const transaction = await chain.deposit(config, deposit, options)
      logger.info('deposit relayed', { channelId, amount: deposit.amount.toString(), transaction })
    } catch (error) {
      if (error instanceof DdmError && error.code === 'chain') {
        throw new DdmError('refused', `the deposit was not accepted by the chain: ${error.message}`, { cause: error })
      }
      throw error
    }
  }

  /** One object per channel: sessions of one channel share its vouchers. */
  #lane(channelId: Hex, config: ChannelConfig): Promise<PayeeLane> {
    const known = this.#lanes.get(channelId)
    if (known !== undefined) return known
    const lane = this.#load(channelId, config)
    this.#lanes.set(channelId, lane)
    lane.catch(() => this.#lanes.delete(channelId))
    return lane
  }

  async #load(channelId: Hex, config: ChannelConfig): Promise<PayeeLane> {
    const { chain, channels } = this.#init
    const { chainId, escrow } = chain
    const fresh: PayeeChannel = { channelId, config, chainId, escrow, base: 0n, claimed: 0n }
    const stored = await channels.payee(channelId)
    // Sessions that were open when the node went: what was paid in them is consumed.
    const left = stored === undefined ? [] : (await channels.sessions('payee', channelId)).filter(({ open }) => open)
    const base = left.reduce((sum, { paid }) => sum + paid, stored?.base ?? 0n)
    const lane = new PayeeLane({ ...(stored ?? fresh), base }, this.#init)
    for (const session of left) await channels.putPayee(lane.channel, { ...session, open: false })
    return lane
  }
}

function invalid(text: string): DdmError {
  return new DdmError('paymentInvalid', text)
}

import { randomBytes } from 'node:crypto'
import {
  type AbortOptions,
  type Address,
  type AssetId,
  type Budget,
  type ChannelChain,
  type ChannelConfig,
  type ChannelStore,
  DdmError,
  type DepositAuthorization,
  type Hex,
  type ListingPayment,
  type Logger,
  type NetworkId,
  type Payer,
  type PayerChannel,
  type PayerRequest,
  type PayerSession,
  type PaymentTerms
} from '../../interface/index.ts'
import { toHex } from '../../statements/index.ts'
import { type Eip712, encodeCollectorData } from './eip712.ts'
import { PayerLane } from './payer-lane.ts'
import { signDigest } from './signature.ts'

/** An EVM key that signs digests. */
export interface EvmSigner {
  /** Lower case. */
  address: Address
  privateKey: Uint8Array
}

export interface EvmPayerInit {
  chain: ChannelChain
  channels: ChannelStore
  budget: Budget
  eip712: Eip712
  /** Pays deposits. */
  wallet: EvmSigner
  /** The channels' payerAuthorizer: signs vouchers and session authorizations. */
  voucherSigner: EvmSigner
  networkId: NetworkId
  assetId: AssetId
  /** Longest withdraw delay accepted, in seconds. */
  maxWithdrawDelay: number
  /** Most that is deposited in one channel, atomic units. */
  maxDeposit: bigint
  logger: Logger
}

/** How long a relayed deposit may be carried out, in seconds. */
const DEPOSIT_VALID_SECONDS = 3600n

/** Buyer's role on the evm rail: one channel per seller, reused and topped up, deposits relayed by the seller. */
export function evmPayer(init: EvmPayerInit): Payer {
  return new EvmPayer(init)
}

class EvmPayer implements Payer {
  readonly rail = 'evm'
  readonly #init: EvmPayerInit
  readonly #lanes = new Map<Hex, PayerLane>()

  constructor(init: EvmPayerInit) {
    this.#init = init
  }

  capabilities(): Array<{ rail: 'evm'; network: NetworkId; asset: AssetId }> {
    return [{ rail: 'evm', network: this.#init.networkId, asset: this.#init.assetId }]
  }

  objection(terms: PaymentTerms, listing: ListingPayment): string | undefined {
    const { networkId, assetId, chain, maxWithdrawDelay } = this.#init
    const { network, asset, payTo, escrow, receiverAuthorizer, withdrawDelay } = terms
    if (network !== networkId) return `the offer is for network ${network}, this wallet is on ${networkId}`
    if (asset !== assetId) return `the offer asks for ${asset}, this wallet pays in ${assetId}`
    if (escrow !== chain.escrow) return `the offer names escrow ${escrow}, the network profile ${chain.escrow}`
    if (payTo === undefined || payTo !== listing.payTo) return `the offer pays ${payTo}, the listing ${listing.payTo}`
    if (receiverAuthorizer === undefined) return 'the offer names no receiverAuthorizer'
    if (withdrawDelay === undefined || withdrawDelay > maxWithdrawDelay) {
      return `the offer locks deposits for ${withdrawDelay} s, the limit here is ${maxWithdrawDelay} s`
    }
    return undefined
  }

  async open(request: PayerRequest, options: AbortOptions = {}): Promise<PayerSession> {
    const { eip712, chain, voucherSigner } = this.#init
    const { lane, balance } = await this.#lane(request, options)
    const { config, channelId } = lane.channel
    const committed = lane.committed
    const free = balance > committed ? balance - committed : 0n
    const deposit =
      free >= request.maximum
        ? undefined
        : await this.#authorizeDeposit(lane.channel, balance, request.maximum - free, options)
    const digest = eip712.session(eip712.sessionDomain(chain.chainId, chain.escrow), channelId, request.binding)
    const session = lane.session(request, {
      rail: 'evm',
      config,
      channelAuth: signDigest(digest, voucherSigner.privateKey),
      ...(deposit === undefined ? {} : { deposit })
    })
    await lane.store(options)
    return session
  }

  /** The channel to this seller on these terms, with the balance that the chain has for it; a new one when there is none. */
  async #lane({ terms, seller }: PayerRequest, options: AbortOptions): Promise<{ lane: PayerLane; balance: bigint }> {
    const { channels, chain, eip712, wallet, voucherSigner } = this.#init
    const wanted = {
      payer: wallet.address,
      payerAuthorizer: voucherSigner.address,
      receiver: terms.payTo as Address,
      receiverAuthorizer: terms.receiverAuthorizer as Address,
      token: chain.token.address,
      withdrawDelay: terms.withdrawDelay as number
    }
    const known = (await channels.payers(options)).filter(
      ({ config, chainId, escrow }) =>
        chainId === chain.chainId &&
        escrow === chain.escrow &&
        Object.entries(wanted).every(([key, value]) => config[key as keyof ChannelConfig] === value)
    )
    for (const channel of known) {
      const { balance, pendingWithdrawal } = await chain.channel(channel.channelId, options)
      if (pendingWithdrawal > 0n) continue
      return { lane: this.#laneOf(channel), balance }
    }
    const config: ChannelConfig = { ...wanted, salt: toHex(randomBytes(32)) }
    const channelId = eip712.channelId(eip712.escrowDomain(chain.chainId, chain.escrow), config)
    const { chainId, escrow } = chain
    const channel: PayerChannel = { channelId, config, seller, chainId, escrow, deposited: 0n, signed: 0n, base: 0n }
    return { lane: this.#laneOf(channel), balance: 0n }
  }

  #laneOf(channel: PayerChannel): PayerLane {
    const known = this.#lanes.get(channel.channelId)
    if (known !== undefined) return known
    const lane = new PayerLane(channel, this.#init)
    this.#lanes.set(channel.channelId, lane)
    return lane
  }

  /** An EIP-3009 authorization for the escrow's collector, bound to the channel; the seller relays it and pays the gas. */
  async #authorizeDeposit(
    { channelId }: PayerChannel,
    balance: bigint,
    amount: bigint,
    options: AbortOptions
  ): Promise<DepositAuthorization> {
    const { chain, eip712, wallet, maxDeposit } = this.#init
    if (balance + amount > maxDeposit) {
      throw new DdmError(
        'budget',
        `the purchase needs ${balance + amount} deposited with this seller, the budget allows ${maxDeposit}`,
        { details: { need: `${balance + amount}`, limit: `${maxDeposit}` } }
      )
    }
    const held = await chain.tokenBalance(wallet.address, options)
    if (held < amount) {
      throw new DdmError('funds', `the wallet ${wallet.address} holds ${held}, the deposit needs ${amount}; fund it`, {
        details: { have: `${held}`, need: `${amount}` }
      })
    }
    const validBefore = (await chain.timestamp(options)) + DEPOSIT_VALID_SECONDS
    const salt = BigInt(toHex(randomBytes(32)))
    const { address, name, version } = chain.token
    const domain = eip712.domain({ name, version, chainId: chain.chainId, verifyingContract: address })
    const digest = eip712.receiveAuthorization(domain, {
      from: wallet.address,
      to: chain.eip3009Collector,
      value: amount,
      validAfter: 0n,
      validBefore,
      nonce: eip712.depositNonce(channelId, salt)
    })
    const data = encodeCollectorData(0n, validBefore, salt, signDigest(digest, wallet.privateKey))
    return { amount, collector: chain.eip3009Collector, data }
  }
}

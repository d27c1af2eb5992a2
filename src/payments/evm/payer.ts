import { randomBytes } from 'node:crypto'
import {
  type AbortOptions,
  type Address,
  type AssetId,
  type Budget,
  type ChannelChain,
  type ChannelConfig,
  type ChannelState,
  type ChannelStore,
  DdmError,
  type DepositAuthorization,
  faultPoint,
  type Hex,
  type ListingPayment,
  type Logger,
  type NetworkId,
  type Payer,
  type PayerChannel,
  type PayerRequest,
  type PayerSession,
  type PaymentTerms,
  type RandomBytes,
  type ResumeRequest
} from '../../interface/index.ts'
import { toHex } from '../../statements/index.ts'
import { authorizeDeposit, openAuthorization, reachOf } from './deposit.ts'
import type { Eip712 } from './eip712.ts'
import { EvmPayerChannels } from './payer-channels.ts'
import { type DepositForLane, PayerLane } from './payer-lane.ts'
import { Turns, until } from './serial.ts'

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
  /** Most that is locked with one seller, unspent, over all channels to it; atomic units. */
  maxDeposit: bigint
  /** Send deposits to the chain from here, paying gas, instead of letting the seller relay them. @default false */
  directDeposits?: boolean
  /** @default node:crypto's */
  random?: RandomBytes
  /** Unix ms. @default Date.now */
  now?: () => number
  logger: Logger
}

/** Buyer's role on the evm rail: one channel per seller, reused and topped up, deposits relayed by the seller. */
export function evmPayer(init: EvmPayerInit): Payer {
  return new EvmPayer(init)
}

type Held = Pick<ChannelState, 'balance' | 'unconfirmed'>

class EvmPayer implements Payer {
  readonly rail = 'evm'
  readonly #init: EvmPayerInit
  readonly #lanes = new Map<Hex, Promise<PayerLane>>()
  /** By seller, and by account paid. */
  readonly #turns = new Turns<string>()
  readonly channels: EvmPayerChannels

  constructor(init: EvmPayerInit) {
    this.#init = init
    this.channels = new EvmPayerChannels({
      ...init,
      stored: (options) => this.#channels(options),
      laneOf: (channel) => this.#laneOf(channel),
      inTurn: (channel, work, options) => this.#inTurn(channel.seller, channel.config.receiver, work, options)
    })
  }

  capabilities(): Array<{ rail: 'evm'; network: NetworkId; asset: AssetId }> {
    return [{ rail: 'evm', network: this.#init.networkId, asset: this.#init.assetId }]
  }

  async lacks({ price }: ListingPayment, options?: AbortOptions): Promise<string | undefined> {
    const { chain, wallet } = this.#init
    const count = BigInt(price.count)
    const need = (BigInt(price.amount) + count - 1n) / count
    const have = await chain.tokenBalance(wallet.address, options)
    if (have >= need || (await this.channels.list(options)).some(({ unspent }) => unspent >= need)) return undefined
    return `account ${wallet.address} holds ${have} atomic units of ${chain.token.name}, one record costs ${need}`
  }

  objection(terms: PaymentTerms, listing: ListingPayment): string | undefined {
    const { networkId, assetId, chain } = this.#init
    const { network, asset, payTo, escrow, receiverAuthorizer, withdrawDelay } = terms
    if (network !== networkId) return `the offer is for network ${network}, this wallet is on ${networkId}`
    if (asset !== assetId) return `the offer asks for ${asset}, this wallet pays in ${assetId}`
    if (escrow !== chain.escrow) return `the offer names escrow ${escrow}, the network profile ${chain.escrow}`
    if (payTo === undefined || payTo !== listing.payTo) return `the offer pays ${payTo}, the listing ${listing.payTo}`
    if (receiverAuthorizer === undefined) return 'the offer names no receiverAuthorizer'
    if (withdrawDelay === undefined) return 'the offer names no withdrawDelay'
    return undefined
  }

  /** Two orders must not count on the same deposit, nor open a channel each. */
  open(request: PayerRequest, options: AbortOptions = {}): Promise<PayerSession> {
    const { seller, terms } = request
    return this.#inTurn(seller, terms.payTo as Address, () => this.#open(request, options), options)
  }

  /**
   * One at a time over all that the cap of deposits covers: a seller, whatever account it names, and an account, whoever
   * names it. Always the seller's turn first: nobody waits in a circle.
   */
  #inTurn<T>(seller: string, payTo: Address, work: () => Promise<T>, options: AbortOptions): Promise<T> {
    return this.#turns.run(seller, () => this.#turns.run(payTo, work, options), options)
  }

  async resume(request: ResumeRequest, options: AbortOptions = {}): Promise<PayerSession> {
    const { channelId, peer, one, maximum, toEnd = false } = request
    const permission = { seller: peer, session: '', amount: 0n, ...(one === undefined ? {} : { unitPrice: one }) }
    if (maximum > 0n && !toEnd) await this.#init.budget.reserve(permission, options)
    const channel = channelId === undefined ? undefined : await this.#init.channels.payer(channelId, options)
    if (channel === undefined) {
      throw new DdmError('notFound', `this wallet has no channel ${channelId ?? ''} of session ${request.sessionId}`)
    }
    const lane = await this.#laneOf(channel)
    return lane.resume(request, options)
  }

  async #open(request: PayerRequest, options: AbortOptions): Promise<PayerSession> {
    const { eip712, chain, budget, voucherSigner, wallet } = this.#init
    const { seller, terms, binding, one } = request
    // Nothing is spent yet, but also a deposit is a signature: not for a seller or a price that the budget forbids.
    const permission = { seller, session: '', amount: 0n, unitPrice: one, first: one }
    // An order at a maximum of 0 spends nothing: samples need no budget.
    if (request.maximum > 0n) {
      await budget.reserve(permission, options)
      this.#checkDelay(terms)
    }
    const { lane, state } = await this.#lane(request, options)
    const deposit = await this.#deposit(lane, state, request, options)
    const others = request.maximum > 0n ? await this.#elsewhere(lane, request, options) : []
    const { config, channelId } = lane.channel
    const digest = eip712.session(eip712.sessionDomain(chain.chainId, chain.escrow), channelId, binding)
    const session = lane.session(request, {
      rail: 'evm',
      config,
      channelAuth: eip712.sign(digest, voucherSigner.privateKey),
      // Anybody could name this account as the payer of a channel: the seller counts it only where it has signed.
      ...(config.payer === config.payerAuthorizer ? {} : { accountAuth: eip712.sign(digest, wallet.privateKey) }),
      ...(deposit === undefined ? {} : { deposit })
    })
    session.elsewhere = () => others.reduce((sum, { lane, reach }) => sum + lane.ahead(reach), 0n)
    this.#lanes.set(channelId, Promise.resolve(lane))
    try {
      // Before anything leaves: without its config nobody gets a deposit out again.
      await lane.store(options)
    } catch (error) {
      lane.close(session)
      throw error
    }
    return session
  }

  #checkDelay({ withdrawDelay = 0 }: PaymentTerms): void {
    const { maxWithdrawDelay } = this.#init
    if (withdrawDelay <= maxWithdrawDelay) return
    throw new DdmError(
      'budget',
      `the seller locks deposits for ${withdrawDelay} s, maxWithdrawDelay allows ${maxWithdrawDelay} s; to accept that, raise maxWithdrawDelay`,
      { details: { setting: 'maxWithdrawDelay', need: `${withdrawDelay}`, limit: `${maxWithdrawDelay}` } }
    )
  }

  /** In the middle of a session: also what a withdrawal takes away is missing. */
  readonly #topUp: DepositForLane = (lane, request, options) => {
    const { channelId, config } = lane.channel
    const work = async (): Promise<DepositAuthorization | undefined> => {
      const { pendingWithdrawal, ...state } = await this.#init.chain.channel(channelId, options)
      const deposit = await this.#deposit(lane, state, { ...request, maximum: pendingWithdrawal }, options)
      await lane.store(options)
      if (deposit !== undefined) faultPoint('topUp.stored')
      return deposit
    }
    return this.#inTurn(request.seller, config.receiver, work, options)
  }

  /** Stored first: without its config nobody gets a deposit out again. */
  async #depositDirectly(lane: PayerLane, deposit: DepositAuthorization, options: AbortOptions): Promise<undefined> {
    const { chain, logger } = this.#init
    await lane.store(options)
    faultPoint('deposit.sending')
    const transaction = await chain.deposit(lane.channel.config, deposit, options)
    faultPoint('deposit.mined')
    const { channelId } = lane.channel
    logger.info('deposited', { channelId, amount: deposit.amount.toString(), transaction })
    return undefined
  }

  /** What is missing for this order; one deposit of a channel is under way at a time. */
  async #deposit(
    lane: PayerLane,
    state: Held,
    request: Pick<PayerRequest, 'terms' | 'seller' | 'maximum'>,
    options: AbortOptions
  ): Promise<DepositAuthorization | undefined> {
    const { chain } = this.#init
    let held = state
    for (;;) {
      const { committed, depositing } = lane
      // Less than committed after a refund by a seller that counted less as consumed.
      // Of a channel that was restored nobody here knows what is left: the deposit is for all of the order.
      const used = lane.channel.stale === true && held.balance > committed ? held.balance : committed
      const missing = used + request.maximum - held.balance
      if (missing <= 0n) return undefined
      const read = (): Promise<Held> => chain.channel(lane.channel.channelId, options)
      if (depositing === undefined) {
        const open = await openAuthorization(lane, options)
        // An order that carried a deposit may have been answered since the balance was read.
        const now = await read()
        if (now.balance !== held.balance) {
          held = now
          continue
        }
        const others = await this.#elsewhere(lane, request, options)
        const elsewhere = others.reduce((sum, { lane: { channel }, reach }) => sum + above(reach, channel.base), 0n)
        const { balance, unconfirmed = 0n } = now
        const deposit = await authorizeDeposit(
          lane,
          { amount: missing, balance, unconfirmed, open, elsewhere },
          options
        )
        return this.#init.directDeposits === true ? this.#depositDirectly(lane, deposit, options) : deposit
      }
      await until(depositing, options)
      held = await read()
    }
  }

  /** The channel to this seller on these terms, with the balance that the chain has for it; a new one when there is none. */
  async #lane({ terms, seller }: PayerRequest, options: AbortOptions): Promise<{ lane: PayerLane; state: Held }> {
    const { chain, eip712, wallet, voucherSigner } = this.#init
    const wanted = {
      payer: wallet.address,
      payerAuthorizer: voucherSigner.address,
      receiver: terms.payTo as Address,
      receiverAuthorizer: terms.receiverAuthorizer as Address,
      token: chain.token.address,
      withdrawDelay: terms.withdrawDelay as number
    }
    for (const channel of await this.#channels(options)) {
      const { config, channelId } = channel
      if (!Object.entries(wanted).every(([key, value]) => config[key as keyof ChannelConfig] === value)) continue
      const state = await chain.channel(channelId, options)
      if (state.pendingWithdrawal > 0n) continue
      return { lane: await this.#laneOf(channel), state }
    }
    const config: ChannelConfig = { ...wanted, salt: toHex((this.#init.random ?? randomBytes)(32)) }
    const { chainId, escrow } = chain
    const channelId = eip712.channelId(eip712.escrowDomain(chainId, escrow), config)
    const channel: PayerChannel = { channelId, config, seller, chainId, escrow, deposited: 0n, signed: 0n, base: 0n }
    return { lane: new PayerLane(channel, this.#init, this.#topUp), state: { balance: 0n } }
  }

  /** A seller that changes its receiverAuthorizer with every offer gets a channel each time, but no budget each time. */
  async #elsewhere(
    { channel: { channelId } }: PayerLane,
    { terms, seller }: Pick<PayerRequest, 'terms' | 'seller'>,
    options: AbortOptions
  ): Promise<Array<{ lane: PayerLane; reach: bigint }>> {
    const others = (await this.#channels(options)).filter(
      (other) => other.channelId !== channelId && (other.seller === seller || other.config.receiver === terms.payTo)
    )
    return Promise.all(
      others.map(async (other) => {
        const lane = await this.#laneOf(other)
        return { lane, reach: await reachOf(lane, options) }
      })
    )
  }

  async #channels(options: AbortOptions): Promise<PayerChannel[]> {
    const { channels, chain } = this.#init
    const known = await channels.payers(options)
    return known.filter(({ chainId, escrow }) => chainId === chain.chainId && escrow === chain.escrow)
  }

  #laneOf(channel: PayerChannel): Promise<PayerLane> {
    const known = this.#lanes.get(channel.channelId)
    if (known !== undefined) return known
    const lane = this.#load(channel)
    this.#lanes.set(channel.channelId, lane)
    lane.catch(() => this.#lanes.delete(channel.channelId))
    return lane
  }

  async #load(channel: PayerChannel): Promise<PayerLane> {
    const lane = new PayerLane(channel, this.#init, this.#topUp)
    lane.restore(await this.#init.channels.sessions('payer', channel.channelId))
    return lane
  }
}

function above(amount: bigint, floor: bigint): bigint {
  return amount > floor ? amount - floor : 0n
}

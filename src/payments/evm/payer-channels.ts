import {
  type AbortOptions,
  type ChannelStanding,
  type ChannelState,
  DdmError,
  faultPoint,
  type Hex,
  type PayerChannel,
  type PayerChannels
} from '../../interface/index.ts'
import type { EvmPayerInit } from './payer.ts'
import type { PayerLane } from './payer-lane.ts'
import { nextBlockTime } from './time.ts'

export interface EvmPayerChannelsInit extends EvmPayerInit {
  /** Channels of this chain and escrow in the ledger. */
  stored: (options: AbortOptions) => Promise<PayerChannel[]>
  laneOf: (channel: PayerChannel) => Promise<PayerLane>
  /** Runs alone among the orders to the same seller or receiver. */
  inTurn: <T>(channel: PayerChannel, work: () => Promise<T>, options: AbortOptions) => Promise<T>
}

/** The buyer's way out of its channels, without the seller. */
export class EvmPayerChannels implements PayerChannels {
  readonly #init: EvmPayerChannelsInit

  constructor(init: EvmPayerChannelsInit) {
    this.#init = init
  }

  async list(options: AbortOptions = {}): Promise<ChannelStanding[]> {
    const { stored, chain, laneOf } = this.#init
    const channels = await stored(options)
    const states = await chain.channelStates(channels, options)
    return Promise.all(
      channels.map(async (channel, index) => standingOf(await laneOf(channel), states[index] as ChannelState))
    )
  }

  async withdraw(
    channelId: Hex,
    amount?: bigint,
    options: AbortOptions = {}
  ): Promise<{ amount: bigint; finalizeAfter: bigint; transaction: Hex }> {
    const { chain, laneOf, inTurn, logger } = this.#init
    const channel = await this.#channel(channelId, options)
    return inTurn(
      channel,
      async () => {
        const state = await this.#state(channel, options)
        if (state.pendingWithdrawal > 0n) {
          throw new DdmError(
            'refused',
            `${state.pendingWithdrawal} is asked back already; it can be taken ${when(state)}: ddm channels finish ${channelId}`
          )
        }
        const { unspent } = standingOf(await laneOf(channel), state)
        const wanted = amount ?? unspent
        if (wanted === 0n || wanted > unspent) {
          throw new DdmError('funds', `channel ${channelId} has ${unspent} unspent, ${wanted} was asked back`, {
            details: { have: `${unspent}`, need: `${wanted}` }
          })
        }
        faultPoint('withdrawal.sending')
        const transaction = await chain.initiateWithdraw(channel.config, wanted, options)
        faultPoint('withdrawal.mined')
        const { finalizeAfter } = await this.#state(channel, options)
        logger.info('withdrawal begun', { channelId, amount: wanted.toString(), transaction })
        return { amount: wanted, finalizeAfter, transaction }
      },
      options
    )
  }

  async finish(channelId: Hex, options: AbortOptions = {}): Promise<{ amount: bigint; transaction: Hex }> {
    const { chain, logger, now = Date.now } = this.#init
    const channel = await this.#channel(channelId, options)
    const before = await this.#state(channel, options)
    if (before.finalizeAfter === 0n) {
      throw new DdmError(
        'refused',
        `nothing of channel ${channelId} was asked back: ddm channels withdraw ${channelId}`
      )
    }
    if (nextBlockTime(await chain.timestamp(options), now()) < before.finalizeAfter) {
      throw new DdmError('refused', `the deposit of channel ${channelId} can be taken ${when(before)}, not yet`, {
        details: { finalizeAfter: Number(before.finalizeAfter) }
      })
    }
    faultPoint('withdrawal.finishing')
    const transaction = await chain.finalizeWithdraw(channel.config, options)
    faultPoint('withdrawal.finished')
    const { balance } = await this.#state(channel, options)
    const amount = before.balance > balance ? before.balance - balance : 0n
    logger.info('withdrawal finished', { channelId, amount: amount.toString(), transaction })
    return { amount, transaction }
  }

  async #channel(channelId: Hex, options: AbortOptions): Promise<PayerChannel> {
    const channel = (await this.#init.stored(options)).find((one) => one.channelId === channelId)
    if (channel === undefined) throw new DdmError('notFound', `this wallet has no channel ${channelId}`)
    return channel
  }

  async #state(channel: PayerChannel, options: AbortOptions): Promise<ChannelState> {
    return (await this.#init.chain.channelStates([channel], options))[0] as ChannelState
  }
}

/** What is promised to open sessions, or signed for and not claimed, is not the buyer's to take. */
function standingOf(lane: PayerLane, state: ChannelState): ChannelStanding {
  const { committed } = lane
  const { channelId, seller, signed, base } = lane.channel
  const { balance, totalClaimed, pendingWithdrawal, finalizeAfter, unconfirmed = 0n } = state
  const used = committed > totalClaimed ? committed : totalClaimed
  const left = balance > used ? balance - used : 0n
  return {
    channelId,
    role: 'payer',
    counterparty: seller,
    balance,
    unconfirmed,
    paid: signed,
    claimed: totalClaimed,
    unclaimed: base > totalClaimed ? base - totalClaimed : 0n,
    unspent: left > pendingWithdrawal ? left - pendingWithdrawal : 0n,
    ahead: lane.ahead(balance + unconfirmed),
    pendingWithdrawal,
    finalizeAfter
  }
}

function when({ finalizeAfter }: ChannelState): string {
  return `from ${new Date(Number(finalizeAfter) * 1000).toISOString()}`
}

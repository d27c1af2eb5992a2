import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AbortOptions,
  type ChannelStanding,
  DdmError,
  type Hex,
  type NetworkToken,
  type Payee,
  type Payer,
  type PayerChannels,
  type RefundResult,
  type SessionRecord,
  type SessionStore
} from '../interface/index.ts'
import { atomicAmount } from './money.ts'

export interface ChannelsComponents {
  payers: readonly Payer[]
  payees: readonly Payee[]
  sessions: SessionStore
  token: NetworkToken
  /** Meets the seller again over a session that has ended, and asks for the rest of the deposit. */
  askBack: (session: SessionRecord, options: AbortOptions) => Promise<void>
  /** Pays a buyer back. */
  payBack: (channelId: Hex, options: AbortOptions) => Promise<RefundResult>
}

/** The seller claims, then refunds, and both want to be mined. */
const REFUND_TIMEOUT_MS = 120_000
const ASK_CHAIN_EVERY_MS = 500

/** States of a session that ended in order. */
const ENDED: readonly string[] = ['receipted', 'closed']

/** The deposits of this node, of both roles. */
export class Channels {
  readonly #components: ChannelsComponents

  constructor(components: ChannelsComponents) {
    this.#components = components
  }

  readonly list = async (options: AbortOptions = {}): Promise<ChannelStanding[]> => {
    const { payers, payees } = this.#components
    const lists = await Promise.all(
      [...payers, ...payees].map(async ({ channels }) => (await channels?.list(options)) ?? [])
    )
    return lists.flat()
  }

  readonly withdraw = async (id: string, amount?: string | bigint, options: AbortOptions = {}) => {
    const { channelId } = await this.#find(id, options, 'payer')
    const units = amount === undefined ? undefined : atomicAmount(amount, this.#components.token, 'amount')
    return this.#payer().withdraw(channelId, units, options)
  }

  readonly finish = async (id: string, options: AbortOptions = {}) => {
    const { channelId } = await this.#find(id, options, 'payer')
    return this.#payer().finish(channelId, options)
  }

  readonly refund = async (id: string, options: AbortOptions = {}): Promise<RefundResult> => {
    const channel = await this.#find(id, options)
    const { channelId, role } = channel
    if (role === 'payee') return this.#components.payBack(channelId, options)
    if (channel.unspent === 0n) return { amount: 0n }
    const session = await this.#lastEnded(channelId, options)
    await this.#components.askBack(session, options)
    return { amount: await this.#arrived(channel, options) }
  }

  /** What left the channel: the buyer learns of a refund from the chain, not from the seller. */
  async #arrived({ channelId, balance }: ChannelStanding, options: AbortOptions): Promise<bigint> {
    const deadline = performance.now() + REFUND_TIMEOUT_MS
    for (;;) {
      const now = (await this.#payer().list(options)).find((channel) => channel.channelId === channelId)
      if (now !== undefined && now.balance < balance) return balance - now.balance
      if (performance.now() > deadline) return 0n
      await sleep(ASK_CHAIN_EVERY_MS, undefined, options)
    }
  }

  async #lastEnded(channelId: Hex, options: AbortOptions): Promise<SessionRecord> {
    const bought = await this.#components.sessions.list('buyer', options)
    const session = bought.findLast((one) => one.channelId === channelId && ENDED.includes(one.state))
    if (session !== undefined) return session
    throw new DdmError(
      'refused',
      `no session on channel ${channelId} has ended in order, so its seller cannot be asked; ` +
        `take the deposit without it: ddm channels withdraw ${channelId}`
    )
  }

  async #find(id: string, options: AbortOptions, role?: ChannelStanding['role']): Promise<ChannelStanding> {
    const all = (await this.list(options)).filter((channel) => role === undefined || channel.role === role)
    const found = all.filter(({ channelId }) => channelId.startsWith(id.toLowerCase()))
    const [first] = found
    if (first === undefined) {
      throw new DdmError('notFound', `there is no channel ${id} in this home; "ddm channels list" shows them`)
    }
    if (found.some(({ channelId }) => channelId !== first.channelId)) {
      throw new DdmError('ambiguous', `"${id}" fits ${found.length} channels; give more of the ID`)
    }
    return first
  }

  #payer(): PayerChannels {
    const channels = this.#components.payers.find((payer) => payer.channels !== undefined)?.channels
    if (channels === undefined) throw new DdmError('notFound', 'this node has no wallet with channels')
    return channels
  }
}

import type { AbortOptions, ChannelConfig, Hex, PayeeChannel } from '../../interface/index.ts'
import { PayeeLane, type PayeeLaneInit } from './payee-lane.ts'

type PayeeLanesInit = Omit<PayeeLaneInit, 'forget'>

/** One object per channel: sessions of one channel share its vouchers. */
export class PayeeLanes {
  readonly #init: PayeeLanesInit
  readonly #lanes = new Map<Hex, Promise<PayeeLane>>()

  constructor(init: PayeeLanesInit) {
    this.#init = init
  }

  of(channelId: Hex, config: ChannelConfig): Promise<PayeeLane> {
    const known = this.#lanes.get(channelId)
    if (known !== undefined) return known
    const lane = this.#load(channelId, config)
    this.#lanes.set(channelId, lane)
    lane.catch(() => this.#lanes.delete(channelId))
    return lane
  }

  has(channelId: Hex, loading: Promise<PayeeLane>): boolean {
    return this.#lanes.get(channelId) === loading
  }

  forget(lane: PayeeLane): void {
    lane.isForgotten = true
    this.#lanes.delete(lane.channel.channelId)
  }

  /** Of those in use. */
  async one(channelId: Hex): Promise<PayeeLane | undefined> {
    return this.#lanes.get(channelId)?.catch(() => undefined)
  }

  /** Every channel of the ledger on this chain and escrow. */
  async stored(options: AbortOptions): Promise<PayeeLane[]> {
    const { chain, channels } = this.#init
    const stored = (await channels.payees(options)).filter(
      ({ chainId, escrow }) => chainId === chain.chainId && escrow === chain.escrow
    )
    return Promise.all(stored.map(({ channelId, config }) => this.of(channelId, config)))
  }

  /** Those that were used since the start. */
  async known(): Promise<PayeeLane[]> {
    const lanes = await Promise.allSettled(this.#lanes.values())
    return lanes.flatMap((lane) => (lane.status === 'fulfilled' ? [lane.value] : []))
  }

  async #load(channelId: Hex, config: ChannelConfig): Promise<PayeeLane> {
    const { chain, channels } = this.#init
    const { chainId, escrow } = chain
    const fresh: PayeeChannel = { channelId, config, chainId, escrow, base: 0n, claimed: 0n }
    const stored = await channels.payee(channelId)
    const lane = new PayeeLane(stored ?? fresh, { ...this.#init, forget: (unused) => this.forget(unused) })
    if (stored !== undefined) lane.restore(await channels.sessions('payee', channelId))
    return lane
  }
}

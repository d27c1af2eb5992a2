import type { Hex, Logger, Payee, SessionRecord, SessionStore } from '../interface/index.ts'

export interface FundedComponents {
  sessions: SessionStore
  payees: readonly Payee[]
  logger: Logger
}

/** Peers that one channel stands for: a deposit must not buy a slot for each of a thousand peer IDs. */
const PEERS_PER_CHANNEL = 4
const LOOK_EVERY_MS = 600_000

/**
 * Buyers whose deposit in a channel to this seller is confirmed and not used up: connection slots are kept for them. Learns
 * of new ones by the sessions that are stored, and looks at the chain at start and every ten minutes.
 */
export class FundedPeers {
  /** The store to give to the seller. */
  readonly sessions: SessionStore
  readonly #components: FundedComponents
  readonly #abort = new AbortController()
  /** Newest peer last. */
  #channels = new Map<Hex, string[]>()
  /** All of them; undefined when it is to be gathered again. */
  #peers: Set<string> | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(components: FundedComponents) {
    this.#components = components
    const { sessions } = components
    this.sessions = {
      ...sessions,
      put: async (session, commit, options) => {
        await sessions.put(session, commit, options)
        if (!isNews(session, this.#channels) || !(await this.#isFunded(session))) return
        note(session, this.#channels)
        this.#peers = undefined
      }
    }
  }

  readonly has = (peer: string): boolean => {
    this.#peers ??= new Set([...this.#channels.values()].flat())
    return this.#peers.has(peer)
  }

  /** An order costs nothing, a deposit does: what the rail knows of the channel decides. */
  async #isFunded({ channelId }: SessionRecord): Promise<boolean> {
    if (channelId === undefined) return false
    const funds = await Promise.all(this.#components.payees.map(async ({ channels }) => channels?.funds(channelId)))
    return funds.some((amount = 0n) => amount > 0n)
  }

  start(): void {
    const look = (): void => {
      this.#looking = this.#looking
        .then(() => this.#look())
        .catch((error: unknown) => {
          if (this.#abort.signal.aborted) return
          this.#components.logger.warn('channels were not looked at for reserved connections', { error: String(error) })
        })
    }
    look()
    this.#timer = setInterval(look, LOOK_EVERY_MS).unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#looking
  }

  async #look(): Promise<void> {
    const { payees, sessions } = this.#components
    const options = { signal: this.#abort.signal }
    const standings = (
      await Promise.all(payees.map(async ({ channels }) => (await channels?.list(options)) ?? []))
    ).flat()
    const left = standings.filter(({ balance, pendingWithdrawal, claimed }) => balance - pendingWithdrawal > claimed)
    const funded = new Set(left.map(({ channelId }) => channelId))
    const found = new Map<Hex, string[]>()
    for (const session of await sessions.list('seller', options)) {
      if (session.channelId !== undefined && funded.has(session.channelId)) note(session, found)
    }
    // A session that was stored meanwhile is not lost: its channel was not among those looked at.
    const known = new Set(standings.map(({ channelId }) => channelId))
    for (const [channelId, peers] of this.#channels) if (!known.has(channelId)) found.set(channelId, peers)
    this.#channels = found
    this.#peers = undefined
  }
}

function isNews({ role, channelId, peer }: SessionRecord, channels: Map<Hex, string[]>): boolean {
  return role === 'seller' && channelId !== undefined && channels.get(channelId)?.at(-1) !== peer
}

function note({ channelId, peer }: SessionRecord, channels: Map<Hex, string[]>): void {
  if (channelId === undefined) return
  const others = (channels.get(channelId) ?? []).filter((other) => other !== peer)
  channels.set(channelId, [...others, peer].slice(-PEERS_PER_CHANNEL))
}

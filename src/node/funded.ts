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
 * Buyers whose deposit in a channel to this seller is not used up: connection slots are kept for them. Learns of new ones
 * by the sessions that are stored, and looks at the chain at start and every ten minutes.
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
        if (note(session, this.#channels)) this.#peers = undefined
      }
    }
  }

  readonly has = (peer: string): boolean => {
    this.#peers ??= new Set([...this.#channels.values()].flat())
    return this.#peers.has(peer)
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
    const left = standings.filter(({ unspent, unclaimed, unconfirmed }) => unspent + unclaimed + unconfirmed > 0n)
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

/** Whether that was new. */
function note({ role, channelId, peer }: SessionRecord, channels: Map<Hex, string[]>): boolean {
  if (role !== 'seller' || channelId === undefined) return false
  const peers = channels.get(channelId) ?? []
  if (peers.at(-1) === peer) return false
  channels.set(channelId, [...peers.filter((other) => other !== peer), peer].slice(-PEERS_PER_CHANNEL))
  return true
}

import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { BuyerGate, Logger, RandomBytes, SessionStore, TrustLedger } from '../../interface/index.ts'
import type { StatementSigner, StatementVerifier } from '../../statements/index.ts'
import type { Catalog } from './catalog.ts'
import { type Clock, systemClock } from './clock.ts'
import { CHECKPOINT_EVERY_BLOCKS, SDPP_PROTOCOL } from './constants.ts'
import { SellerSession } from './seller-session.ts'
import type { SellerSessionStatus } from './seller-types.ts'
import { CLOSE_REASON, SdppError, STATUS } from './status.ts'
import { Wire } from './wire.ts'

export interface SellerInit {
  /**
   * Streams of one peer at a time, over all of its connections; more are refused. Above the sessions that a buyer may
   * have: after a cut it comes back before the old streams are given up.
   *
   * @default 32
   */
  maxStreamsPerPeer?: number
  clock?: Clock
  /** Blocks from one stored checkpoint to the next: what a resume reads again at most. @default 16 */
  checkpointEvery?: number
  /** Awaited before a session is taken up: resolves when nothing else is about to end it. */
  release?: (sessionId: string) => Promise<void>
  /** Called when a session is over, whatever the way. */
  onSessionEnd?: (status: SellerSessionStatus) => void
}

/** Narrow view of libp2p: where protocols are registered. */
export interface StreamRegistrar {
  handle: (
    protocol: string,
    handler: (stream: Stream, connection: Connection) => void,
    options?: { maxInboundStreams?: number; runOnLimitedConnection?: boolean }
  ) => Promise<void>
  unhandle: (protocol: string) => Promise<void>
}

export interface SellerComponents {
  registrar: StreamRegistrar
  signer: StatementSigner
  catalog: Catalog
  sessions: SessionStore
  logger: Logger
  /** Without it every buyer gets all of a product's `credit`. */
  trust?: TrustLedger
  /** Without it everybody may buy. */
  gate?: BuyerGate
  /** @default real Ed25519 */
  verifier?: StatementVerifier
  /** @default node:crypto's */
  random?: RandomBytes
}

/** Serves every buyer that opens a stream; one stream is one session. */
export interface Seller {
  start: () => Promise<void>
  /** Closes open sessions in an orderly way and resolves when they ended, at the latest after `graceMs`. */
  stop: (graceMs?: number) => Promise<void>
  sessions: () => SellerSessionStatus[]
  /** Whether a stream has the session now, or is about to. */
  serves: (sessionId: string) => boolean
}

/**
 * The seller's role of SDPP.
 *
 * @example
 * ```ts
 * const seller = sdppSeller()({ registrar: libp2p, signer, catalog, sessions, logger })
 * await seller.start()
 * ```
 */
export function sdppSeller(init: SellerInit = {}): (components: SellerComponents) => Seller {
  return (components) => new SellerService(init, components)
}

class SellerService implements Seller {
  readonly #maxStreamsPerPeer: number
  readonly #clock: Clock
  readonly #checkpointEvery: number
  readonly #release: SellerInit['release']
  readonly #onSessionEnd: ((status: SellerSessionStatus) => void) | undefined
  readonly #components: SellerComponents
  readonly #sessions = new Map<SellerSession, string>()
  #onEmpty: (() => void) | undefined

  constructor(init: SellerInit, components: SellerComponents) {
    this.#maxStreamsPerPeer = init.maxStreamsPerPeer ?? 32
    this.#clock = init.clock ?? systemClock
    this.#checkpointEvery = init.checkpointEvery ?? CHECKPOINT_EVERY_BLOCKS
    this.#release = init.release
    this.#onSessionEnd = init.onSessionEnd
    this.#components = components
  }

  async start(): Promise<void> {
    await this.#components.registrar.handle(
      SDPP_PROTOCOL,
      (stream, connection) => this.#onStream(stream, connection.remotePeer),
      { maxInboundStreams: this.#maxStreamsPerPeer, runOnLimitedConnection: true }
    )
  }

  async stop(graceMs = 5_000): Promise<void> {
    await this.#components.registrar.unhandle(SDPP_PROTOCOL)
    for (const session of this.#sessions.keys()) session.shutDown(CLOSE_REASON.shuttingDown)
    if (this.#sessions.size === 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(graceMs, resolve)
      this.#onEmpty = () => {
        cancel()
        resolve()
      }
    })
  }

  sessions(): SellerSessionStatus[] {
    return [...this.#sessions.keys()].map((session) => session.status)
  }

  serves(sessionId: string): boolean {
    return [...this.#sessions.keys()].some((session) => session.serves(sessionId, session.buyer))
  }

  async #takeOver(id: string, by: SellerSession): Promise<void> {
    const older = [...this.#sessions.keys()].filter((session) => session !== by && session.serves(id, by.buyer))
    await Promise.all([this.#release?.(id), ...older.map((session) => session.supersede())])
  }

  #onStream(stream: Stream, remotePeer: PeerId): void {
    const { catalog, ...components } = this.#components
    const buyer = remotePeer.toString()
    const streams = [...this.#sessions.values()].filter((peer) => peer === buyer).length
    if (streams >= this.#maxStreamsPerPeer) return this.#refuse(stream, streams)
    const session: SellerSession = new SellerSession(
      stream,
      buyer,
      {
        ...components,
        clock: this.#clock,
        checkpointEvery: this.#checkpointEvery,
        products: () => catalog.products(),
        takeOver: (id) => this.#takeOver(id, session)
      },
      () => {
        this.#sessions.delete(session)
        this.#onSessionEnd?.(session.status)
        if (this.#sessions.size === 0) this.#onEmpty?.()
      }
    )
    this.#sessions.set(session, buyer)
  }

  /** libp2p counts the streams of one connection only. */
  #refuse(stream: Stream, streams: number): void {
    const deaf = { onMessage: () => {}, onDrain: () => {}, onEnd: () => {} }
    const text = `${streams} streams of this peer are open here, no more are taken; end one of your sessions first`
    new Wire(stream, deaf, this.#clock, this.#components.logger).fail(new SdppError(STATUS.busy, text))
  }
}

import type { Socket } from 'node:net'
import type {
  Connection,
  ConnectionGater,
  Libp2pEvents,
  MultiaddrConnection,
  Peer,
  PeerId,
  PeerStore,
  Startable
} from '@libp2p/interface'
import { ipPortToMultiaddr } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from '../../interface/index.ts'
import {
  type AdmissionLimits,
  admitPeer,
  handshakeToDrop,
  type OpenConnection,
  type PendingConnection,
  type Source,
  sourceOf
} from './admission.ts'
import { BACKGROUND_PROTOCOLS, USE_SAMPLE_MS } from './constants.ts'

export interface AdmissionInit extends AdmissionLimits {
  /** Loopback counts like any other address. @default false: many nodes on one machine share it */
  limitLoopback?: boolean
}

export interface AdmissionComponents {
  events: EventTarget
  peerStore: PeerStore
}

interface Handshake extends PendingConnection {
  abort: (error: Error) => void
}

interface Slot {
  source: Source
  peer: string
  kept: boolean
  /** Monotonic ms. */
  usedAt: number
  connection: Connection | undefined
  abort: (error: Error) => void
}

/** How long a tagged peer is kept is libp2p's to decide; these tags say that it is dialled again when it is lost. */
const KEEP_TAG = 'keep-alive'

/**
 * Counts the connections of a node and answers libp2p's questions about new ones (`admission.ts` decides). Handshakes
 * are counted from accepting the socket until the peer has proved its ID: only then it is known who is funded.
 */
export class Admission implements Startable {
  readonly gater: ConnectionGater = {
    denyDialMultiaddr: () => false,
    denyInboundConnection: (maConn) => this.#onHandshake(maConn),
    denyInboundEncryptedConnection: (peer, maConn) => this.#onPeer(peer, maConn)
  }

  readonly #init: AdmissionInit
  readonly #logger: Logger
  /** By socket or connection, oldest first. */
  readonly #handshakes = new Map<Socket | MultiaddrConnection, Handshake>()
  /** Sockets that are not WebSockets yet, by address and port of the other end. */
  readonly #sockets = new Map<string, Socket>()
  /** By the timeline, the one object that a Connection shares with the socket's MultiaddrConnection under it. */
  readonly #slots = new Map<object, Slot>()
  #isFunded: (peer: string) => boolean = () => false
  #components: AdmissionComponents | undefined
  #sampling: NodeJS.Timeout | undefined
  #stopped = false

  constructor(init: AdmissionInit, logger: Logger) {
    this.#init = init
    this.#logger = logger
  }

  /** The libp2p service by which this hears of connections. */
  service = (components: AdmissionComponents): Admission => {
    this.#components = components
    return this
  }

  /** How to know peers with a funded channel; asked again at each decision. */
  setFunded(isFunded: (peer: string) => boolean): void {
    this.#isFunded = isFunded
  }

  /** For the log and tests. */
  counts(): { pending: number; open: number; funded: number } {
    const funded = [...this.#slots.values()].filter(({ peer }) => this.#isFunded(peer)).length
    return { pending: this.#handshakes.size, open: this.#slots.size, funded }
  }

  start(): void {
    this.#components?.events.addEventListener('connection:open', this.#onOpen)
    this.#components?.events.addEventListener('peer:update', this.#onPeerUpdate)
    this.#sampling = setInterval(() => this.#sample(), USE_SAMPLE_MS).unref()
  }

  stop(): void {
    this.#components?.events.removeEventListener('connection:open', this.#onOpen)
    this.#components?.events.removeEventListener('peer:update', this.#onPeerUpdate)
    clearInterval(this.#sampling)
    // A listener waits for its sockets to close, and does not know those that have said nothing.
    this.#stopped = true
    for (const socket of this.#sockets.values()) socket.destroy()
  }

  /** A socket that is to become a WebSocket; it is met again as a connection. */
  readonly onSocket = (socket: Socket): void => {
    const { remoteAddress, remotePort } = socket
    if (remoteAddress === undefined || remotePort === undefined || this.#stopped) {
      socket.destroy()
      return
    }
    const remote = ipPortToMultiaddr(remoteAddress, remotePort)
    const end = hostAndPort(remote)
    this.#makeRoom(this.#sourceOf(remote))
    this.#handshakes.set(socket, { source: this.#sourceOf(remote), abort: () => socket.destroy() })
    this.#sockets.set(end, socket)
    socket.once('close', () => {
      this.#handshakes.delete(socket)
      if (this.#sockets.get(end) === socket) this.#sockets.delete(end)
    })
  }

  #onHandshake(maConn: MultiaddrConnection): boolean {
    const end = hostAndPort(maConn.remoteAddr)
    const socket = this.#sockets.get(end)
    const source = this.#sourceOf(maConn.remoteAddr)
    this.#sockets.delete(end)
    if (socket === undefined || !this.#handshakes.delete(socket)) this.#makeRoom(source)
    this.#handshakes.set(maConn, { source, abort: (error) => maConn.abort(error) })
    maConn.addEventListener('close', () => {
      this.#handshakes.delete(maConn)
      this.#slots.delete(maConn.timeline)
    })
    return false
  }

  #makeRoom(source: Source): void {
    const pending = [...this.#handshakes].map(([id, handshake]) => ({ id, ...handshake }))
    const dropped = handshakeToDrop(source, pending, this.#init)
    if (dropped === undefined) return
    this.#handshakes.delete(dropped.id)
    dropped.abort(new Error('the handshake was not over when its place was needed'))
  }

  #onPeer(peerId: PeerId, maConn: MultiaddrConnection): boolean {
    // Dropped while the last message of its handshake was being read.
    if (!this.#handshakes.delete(maConn)) return true
    const peer = peerId.toString()
    const source = this.#sourceOf(maConn.remoteAddr)
    const verdict = admitPeer({ source, peer, funded: this.#isFunded(peer) }, this.#sample(), this.#init)
    if (!verdict.admitted) {
      this.#logger.debug('a connection was refused', { peer, source: source.key, why: verdict.why })
      return true
    }
    if (verdict.evict !== undefined) this.#evict(verdict.evict, peer)
    const abort = (error: Error): void => maConn.abort(error)
    this.#slots.set(maConn.timeline, { source, peer, kept: false, usedAt: now(), connection: undefined, abort })
    return false
  }

  #evict({ id, peer, source, idleMs }: Sampled, by: string): void {
    const slot = this.#slots.get(id)
    this.#slots.delete(id)
    this.#logger.debug('a connection made room for another peer', { peer, source: source.key, idleMs, by })
    slot?.abort(new Error('the connection was needed for another peer'))
  }

  /** Outbound connections take slots too; nothing refuses them. */
  readonly #onOpen = (event: Event): void => {
    const { detail: connection } = event as Libp2pEvents['connection:open']
    const known = this.#slots.get(connection.timeline)
    const slot = known ?? {
      source: this.#sourceOf(connection.remoteAddr),
      peer: connection.remotePeer.toString(),
      kept: false,
      usedAt: now(),
      connection,
      abort: (error: Error) => connection.abort(error)
    }
    slot.connection = connection
    if (connection.status !== 'open') return
    this.#slots.set(connection.timeline, slot)
    connection.addEventListener('close', () => this.#slots.delete(connection.timeline))
    this.#components?.peerStore.get(connection.remotePeer).then(
      (peer) => {
        slot.kept = isKept(peer)
      },
      // Nothing is known of the peer yet.
      () => {}
    )
  }

  readonly #onPeerUpdate = (event: Event): void => {
    const { peer } = (event as Libp2pEvents['peer:update']).detail
    const id = peer.id.toString()
    for (const slot of this.#slots.values()) if (slot.peer === id) slot.kept = isKept(peer)
  }

  #sample(): Sampled[] {
    const at = now()
    return [...this.#slots].map(([id, slot]) => {
      const used = slot.connection?.streams.some(({ protocol }) => isUse(protocol)) === true
      if (used) slot.usedAt = at
      const { source, peer, kept } = slot
      // Just unused is not in use: 0 is kept for that.
      return { id, source, peer, kept, funded: this.#isFunded(peer), idleMs: used ? 0 : Math.max(at - slot.usedAt, 1) }
    })
  }

  #sourceOf(remote: Multiaddr): Source {
    const source = sourceOf(remote)
    return source.kind === 'loopback' && this.#init.limitLoopback === true ? { ...source, kind: 'address' } : source
  }
}

interface Sampled extends OpenConnection {
  id: object
}

function hostAndPort(remote: Multiaddr): string {
  const [host, port] = remote.getComponents()
  return `${host?.value} ${port?.value}`
}

function now(): number {
  return performance.now()
}

function isKept({ tags }: Pick<Peer, 'tags'>): boolean {
  return [...tags.keys()].some((tag) => tag.startsWith(KEEP_TAG))
}

/** A stream whose protocol is not agreed on yet proves nothing. */
function isUse(protocol: string | undefined): boolean {
  return (
    protocol !== undefined && protocol !== '' && !BACKGROUND_PROTOCOLS.some((prefix) => protocol.startsWith(prefix))
  )
}

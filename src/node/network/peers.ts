import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type AbortOptions, DdmError, type Logger } from '../../interface/index.ts'
import { DIAL_TIMEOUT_MS, REMEMBERED_DIAL_MS, RESOLVE_TIMEOUT_MS } from './constants.ts'
import { endOfWait, within } from './wait.ts'

export interface ResolvedPeer {
  peerId: PeerId
  /** Multiaddrs without /p2p/; at least one. */
  addresses: string[]
  /** `dht`: the DHT answered just now. `connection`: it is connected. `peerstore`: only remembered, may be stale. */
  source: 'dht' | 'connection' | 'peerstore'
}

export interface DialedPeer extends ResolvedPeer {
  connection: Connection
}

export interface ResolveOptions extends AbortOptions {
  /** Ask the DHT even when the peer is connected. @default false */
  refresh?: boolean
}

/** Finds peers and connects to them, knowing only their IDs. */
export class Peers {
  private readonly libp2p: Libp2p
  private readonly logger: Logger
  private readonly lookUpMs: number
  private readonly rememberedMs: number

  /** @param waits - longest ones for the DHT and for where a peer was last, ms */
  constructor(libp2p: Libp2p, logger: Logger, waits: { lookUpMs?: number; rememberedMs?: number } = {}) {
    this.libp2p = libp2p
    this.logger = logger
    this.lookUpMs = waits.lookUpMs ?? RESOLVE_TIMEOUT_MS
    this.rememberedMs = waits.rememberedMs ?? REMEMBERED_DIAL_MS
  }

  async resolve(peer: PeerId | string, { signal, refresh = false }: ResolveOptions = {}): Promise<ResolvedPeer> {
    const peerId = this.parsePeer(peer)
    const connected = this.directConnection(peerId)
    if (connected !== undefined && !refresh) return connectedPeer(connected)
    const bounded = within(this.lookUpMs, signal)
    try {
      const { multiaddrs } = await this.libp2p.peerRouting.findPeer(peerId, { signal: bounded, useCache: false })
      if (multiaddrs.length > 0) return { peerId, addresses: multiaddrs.map(String), source: 'dht' }
    } catch (error) {
      this.logger.debug('the DHT does not know the peer', { peer: peerId, error })
      // A look-up that took too long says nothing about where the peer was last.
      if (signal?.aborted === true) throw endOfWait(signal, `peer ${peerId.toString()}`, error)
    }
    if (connected !== undefined) return connectedPeer(connected)
    const addresses = await this.remembered(peerId)
    if (addresses.length > 0) return { peerId, addresses, source: 'peerstore' }
    throw new DdmError(
      'notFound',
      `no node of this network knows an address of peer ${peerId.toString()}; is it running?`
    )
  }

  async dial(peer: PeerId | string, options: ResolveOptions = {}): Promise<DialedPeer> {
    const signal = within(DIAL_TIMEOUT_MS, options.signal)
    const remembered = options.refresh === true ? undefined : await this.dialRemembered(this.parsePeer(peer), signal)
    if (remembered !== undefined) return remembered
    const resolved = await this.resolve(peer, { ...options, signal })
    try {
      return { ...resolved, connection: await this.libp2p.dial(this.target(resolved), { signal }) }
    } catch (error) {
      throw endOfWait(
        signal,
        `peer ${resolved.peerId.toString()} at ${resolved.addresses.join(', ')}`,
        error,
        'unreachable'
      )
    }
  }

  /** What the DHT has just said is tried by itself: remembered addresses that swallow packets would use the time up. */
  private target({ peerId, addresses, source }: ResolvedPeer): PeerId | Multiaddr[] {
    if (source !== 'dht') return peerId
    const suffix = `/p2p/${peerId.toString()}`
    return addresses.map((address) => multiaddr(address.endsWith(suffix) ? address : `${address}${suffix}`))
  }

  /** Without a look-up, if that works: undefined when nothing is known of the peer or it does not answer there. */
  private async dialRemembered(peerId: PeerId, signal: AbortSignal): Promise<DialedPeer | undefined> {
    const connected = this.directConnection(peerId)
    if (connected !== undefined) return { ...connectedPeer(connected), connection: connected }
    const addresses = await this.remembered(peerId)
    if (addresses.length === 0) return undefined
    try {
      const connection = await this.libp2p.dial(peerId, { signal: within(this.rememberedMs, signal) })
      return { peerId, addresses, source: 'peerstore', connection }
    } catch (error) {
      this.logger.debug('the remembered addresses do not answer', { peer: peerId, addresses, error })
      if (signal.aborted)
        throw endOfWait(signal, `peer ${peerId.toString()} at ${addresses.join(', ')}`, error, 'unreachable')
      return undefined
    }
  }

  private directConnection(peerId: PeerId): Connection | undefined {
    return this.libp2p.getConnections(peerId).find(({ status, limits }) => status === 'open' && limits === undefined)
  }

  private async remembered(peerId: PeerId): Promise<string[]> {
    if (!(await this.libp2p.peerStore.has(peerId))) return []
    const { addresses } = await this.libp2p.peerStore.get(peerId)
    return addresses.map(({ multiaddr }) => multiaddr.toString())
  }

  private parsePeer(peer: PeerId | string): PeerId {
    let peerId: PeerId
    try {
      peerId = typeof peer === 'string' ? peerIdFromString(peer) : peer
    } catch (error) {
      throw new DdmError('usage', `${JSON.stringify(peer)} is not a peer ID`, { cause: error })
    }
    if (peerId.equals(this.libp2p.peerId)) throw new DdmError('usage', `${peerId.toString()} is this node itself`)
    return peerId
  }
}

function connectedPeer({ remotePeer, remoteAddr }: Connection): ResolvedPeer {
  return { peerId: remotePeer, addresses: [remoteAddr.decapsulateCode(0x01a5).toString()], source: 'connection' }
}

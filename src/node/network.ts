import { setTimeout as sleep } from 'node:timers/promises'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import type { Connection, Libp2p, PeerId, PrivateKey, Stream, StreamHandler } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { createHeliaLight } from 'helia'
import { type AbortOptions, DdmError } from '../interface/index.ts'
import type { HomePaths } from './home.ts'
import type { NodeLogger } from './logger.ts'
import { type Blocks, heliaBlocks } from './network/blocks.ts'
import { isBootstrapped, keepBootstrapped, parseBootstrap, parseMultiaddr } from './network/bootstrap.ts'
import {
  DIAL_TIMEOUT_MS,
  MAX_BITSWAP_MESSAGE,
  READY_TIMEOUT_MS,
  RESOLVE_TIMEOUT_MS
} from './network/constants.ts'
import { startFailure, storeFailure } from './network/failure.ts'
import {
  type ConnectionLimits,
  libp2pOptions,
  type NetworkServices,
  type NodeRole,
  type RelayLimits
} from './network/libp2p.ts'
import { endOfWait } from './network/wait.ts'

export type { Blocks, GetBlockOptions } from './network/blocks.ts'
export type { ConnectionLimits, NetworkServices, NodeRole, RelayLimits } from './network/libp2p.ts'

/** Any address of any interface, IPv4, a free port each; and a relay, if the node turns out to be unreachable. */
export const DEFAULT_LISTEN = ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws', '/p2p-circuit']

export interface NetworkInit {
  /** Ed25519 key behind the peer ID. */
  identity: PrivateKey
  /** Folders of the peer and block stores; the caller holds the home's lock. */
  paths: Pick<HomePaths, 'peers' | 'blocks'>
  role: NodeRole
  logger: NodeLogger
  /** Multiaddrs. @default DEFAULT_LISTEN */
  listen?: string[]
  /** Addresses told to others instead of the listening ones. @default none */
  announce?: string[]
  /** Multiaddrs with /p2p/ of bootstrap nodes; this node itself is left out. @default none */
  bootstrap?: string[]
  /** Gossip topics that this node takes part in. @default any */
  topics?: string[]
  connections?: ConnectionLimits
  /** Bootstrap nodes only. */
  relay?: RelayLimits
}

export interface ResolvedPeer {
  peerId: PeerId
  /** Multiaddrs without /p2p/; at least one. */
  addresses: string[]
  /** `dht`: the DHT answered just now. `connection`: it is connected. `peerstore`: only remembered, may be stale. */
  source: 'dht' | 'connection' | 'peerstore'
}

export interface ResolveOptions extends AbortOptions {
  /** Ask the DHT even when the peer is connected. @default false */
  refresh?: boolean
}

/** A running libp2p node and the block exchange on it. */
export interface Network {
  readonly peerId: PeerId
  readonly libp2p: Libp2p<NetworkServices>
  readonly blocks: Blocks
  /** Own multiaddrs with /p2p/, as others are told. */
  addresses: () => string[]
  /**
   * Resolves when a bootstrap node is connected and the DHT knows a peer; at once when the bootstrap list is empty.
   * Throws `unreachable` naming the addresses when that takes longer than the signal (15 s without one).
   */
  whenReady: (options?: AbortOptions) => Promise<void>
  /** Where a peer can be dialled, knowing only its ID. Throws `notFound`, `usage` for what is not a peer ID. */
  resolvePeer: (peer: PeerId | string, options?: ResolveOptions) => Promise<ResolvedPeer>
  /** Connects to a peer by ID. Throws `notFound` or `unreachable`. */
  dialPeer: (peer: PeerId | string, options?: ResolveOptions) => Promise<ResolvedPeer & { connection: Connection }>
  /** Opens a stream to a peer by ID, over a relay if need be. */
  openStream: (peer: PeerId | string, protocol: string, options?: ResolveOptions) => Promise<Stream>
  /** Serves a protocol; a handler that throws ends its own stream and nothing else. */
  handle: (protocol: string, handler: StreamHandler, options?: HandleOptions) => Promise<void>
  /** Closes connections, then stores. A second call waits for the first. */
  stop: () => Promise<void>
}

export interface HandleOptions extends AbortOptions {
  /** Streams of this protocol per connection. @default 32 */
  maxInboundStreams?: number
}

/**
 * Starts the peer-to-peer part of a node: libp2p on the given addresses, the market's own DHT, gossip, relays, and bitswap
 * over the same connections. No public IPFS node is contacted. Resolves when it listens; connecting to the bootstrap
 * nodes goes on in the background (`whenReady`).
 *
 * Throws `portInUse` or `config` naming the address.
 *
 * @example
 * ```ts
 * const network = await createNetwork({ identity, paths: homePaths(root), role: 'full', logger, bootstrap: profile.bootstrap })
 * await network.whenReady({ signal: AbortSignal.timeout(10_000) })
 * const { addresses, source } = await network.resolvePeer('12D3KooW…') // ['/ip4/192.0.2.7/tcp/4001'], 'dht'
 * await network.stop()
 * ```
 */
export async function createNetwork(init: NetworkInit): Promise<Network> {
  const self = peerIdFromPrivateKey(init.identity)
  const listen = init.listen ?? DEFAULT_LISTEN
  for (const address of listen) parseMultiaddr(address, 'listening address')
  for (const address of init.announce ?? []) parseMultiaddr(address, 'announced address')
  const bootstrap = parseBootstrap(init.bootstrap ?? [], self.toString())
  const stores = await openStores(init.paths)
  try {
    const helia = createHelia(init, { listen, bootstrap }, stores)
    await helia.start()
    return new RunningNetwork(helia, stores, bootstrap, init.logger.child('network'))
  } catch (error) {
    await stores.close()
    throw startFailure(error)
  }
}

interface Stores {
  peers: LevelDatastore
  blocks: LevelBlockstore
  close: () => Promise<void>
}

async function openStores(paths: Pick<HomePaths, 'peers' | 'blocks'>): Promise<Stores> {
  const peers = new LevelDatastore(paths.peers)
  const blocks = new LevelBlockstore(paths.blocks)
  const close = async (): Promise<void> => {
    await peers.close()
    await blocks.close()
  }
  await peers.open().catch((error: unknown) => Promise.reject(storeFailure(paths.peers, error)))
  await blocks.open().catch(async (error: unknown) => {
    await peers.close()
    throw storeFailure(paths.blocks, error)
  })
  return { peers, blocks, close }
}

function createHelia(
  init: NetworkInit,
  addresses: { listen: string[]; bootstrap: string[] },
  stores: Stores
): HeliaWithLibp2p<NetworkServices> {
  const logger = init.logger.components()
  const helia = createHeliaLight({
    datastore: stores.peers,
    blockstore: stores.blocks,
    codecs: [dagCbor, dagJson],
    logger
  })
  const options = libp2pOptions({
    identity: init.identity,
    role: init.role,
    ...addresses,
    announce: init.announce ?? [],
    topics: init.topics,
    connections: init.connections ?? {},
    relay: init.relay ?? {},
    logger
  })
  const withNetwork = withLibp2pLight(helia, { ...options, datastore: stores.peers })
  return withBitswap(withNetwork, {
    maxIncomingMessageSize: MAX_BITSWAP_MESSAGE,
    maxOutgoingMessageSize: MAX_BITSWAP_MESSAGE,
    runOnLimitedConnections: true
  }) as HeliaWithLibp2p<NetworkServices>
}

class RunningNetwork implements Network {
  readonly peerId: PeerId
  readonly libp2p: Libp2p<NetworkServices>
  readonly blocks: Blocks
  private readonly helia: HeliaWithLibp2p<NetworkServices>
  private readonly stores: Stores
  private readonly bootstrap: string[]
  private readonly logger: NodeLogger
  private readonly endBootstrap: () => void
  private stopped: Promise<void> | undefined

  constructor(helia: HeliaWithLibp2p<NetworkServices>, stores: Stores, bootstrap: string[], logger: NodeLogger) {
    this.helia = helia
    this.stores = stores
    this.bootstrap = bootstrap
    this.logger = logger
    this.libp2p = helia.libp2p
    this.peerId = this.libp2p.peerId
    this.blocks = heliaBlocks(helia)
    this.endBootstrap = keepBootstrapped(this.libp2p, bootstrap, logger)
  }

  addresses(): string[] {
    return this.libp2p.getMultiaddrs().map(String)
  }

  async whenReady({ signal = AbortSignal.timeout(READY_TIMEOUT_MS) }: AbortOptions = {}): Promise<void> {
    if (this.bootstrap.length === 0) return
    try {
      while (!isBootstrapped(this.libp2p, this.bootstrap) || this.libp2p.services.dht.routingTable.size === 0) {
        await sleep(20, undefined, { signal })
      }
    } catch (error) {
      throw endOfWait(signal, `bootstrap node (${this.bootstrap.join(', ')})`, error, 'unreachable')
    }
  }

  async resolvePeer(peer: PeerId | string, { signal, refresh = false }: ResolveOptions = {}): Promise<ResolvedPeer> {
    const peerId = this.parsePeer(peer)
    const connected = this.directConnection(peerId)
    if (connected !== undefined && !refresh) return connectedPeer(connected)
    const bounded = signal ?? AbortSignal.timeout(RESOLVE_TIMEOUT_MS)
    try {
      const { multiaddrs } = await this.libp2p.peerRouting.findPeer(peerId, { signal: bounded, useCache: false })
      if (multiaddrs.length > 0) return { peerId, addresses: multiaddrs.map(String), source: 'dht' }
    } catch (error) {
      this.logger.debug('the DHT does not know the peer', { peer: peerId, error })
      if (bounded.aborted) throw endOfWait(bounded, `peer ${peerId}`, error)
    }
    if (connected !== undefined) return connectedPeer(connected)
    const addresses = await this.remembered(peerId)
    if (addresses.length > 0) return { peerId, addresses, source: 'peerstore' }
    throw new DdmError('notFound', `no node of this network knows an address of peer ${peerId}; is it running?`)
  }

  async dialPeer(
    peer: PeerId | string,
    options: ResolveOptions = {}
  ): Promise<ResolvedPeer & { connection: Connection }> {
    const signal = options.signal ?? AbortSignal.timeout(DIAL_TIMEOUT_MS)
    const resolved = await this.resolvePeer(peer, { ...options, signal })
    try {
      const connection = this.directConnection(resolved.peerId) ?? (await this.libp2p.dial(resolved.peerId, { signal }))
      return { ...resolved, connection }
    } catch (error) {
      throw endOfWait(signal, `peer ${resolved.peerId} at ${resolved.addresses.join(', ')}`, error, 'unreachable')
    }
  }

  async openStream(peer: PeerId | string, protocol: string, options: ResolveOptions = {}): Promise<Stream> {
    const signal = options.signal ?? AbortSignal.timeout(DIAL_TIMEOUT_MS)
    const { connection, peerId } = await this.dialPeer(peer, { ...options, signal })
    try {
      const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
      this.watch(stream)
      return stream
    } catch (error) {
      if ((error as Error).name === 'UnsupportedProtocolError') {
        throw new DdmError('refused', `peer ${peerId} does not speak ${protocol}`, { cause: error })
      }
      throw endOfWait(signal, `peer ${peerId}`, error, 'unreachable')
    }
  }

  async handle(protocol: string, handler: StreamHandler, options: HandleOptions = {}): Promise<void> {
    const serve: StreamHandler = async (stream, connection) => {
      this.watch(stream)
      try {
        await handler(stream, connection)
      } catch (error) {
        this.logger.debug('a stream ended with an error', { protocol, peer: connection.remotePeer, error })
        stream.abort(error instanceof Error ? error : new Error(String(error)))
      }
    }
    await this.libp2p.handle(protocol, serve, {
      runOnLimitedConnection: true,
      maxInboundStreams: options.maxInboundStreams ?? 32,
      ...(options.signal === undefined ? {} : { signal: options.signal })
    })
  }

  stop(): Promise<void> {
    this.stopped ??= this.shutDown()
    return this.stopped
  }

  private async shutDown(): Promise<void> {
    this.endBootstrap()
    try {
      await this.helia.stop()
    } finally {
      await this.stores.close()
    }
  }

  /** A reset by the other side is an everyday event; the one who reads the stream sees it too. */
  private watch(stream: Stream): void {
    stream.addEventListener('close', ({ error }) => {
      if (error !== undefined) this.logger.debug('a stream was reset', { protocol: stream.protocol, error })
    })
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
    if (peerId.equals(this.peerId)) throw new DdmError('usage', `${peerId} is this node itself`)
    return peerId
  }
}

function connectedPeer({ remotePeer, remoteAddr }: Connection): ResolvedPeer {
  return { peerId: remotePeer, addresses: [remoteAddr.decapsulateCode(0x01a5).toString()], source: 'connection' }
}

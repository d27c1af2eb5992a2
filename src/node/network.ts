import { setTimeout as sleep } from 'node:timers/promises'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import type { Libp2p, PeerId, PrivateKey, Stream, StreamHandler } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { createHeliaLight } from 'helia'
import { type AbortOptions, DdmError } from '../interface/index.ts'
import type { HomePaths } from './home.ts'
import type { NodeLogger } from './logger.ts'
import { type Blocks, heliaBlocks } from './network/blocks.ts'
import {
  dropBootstrapped,
  isBootstrapped,
  keepBootstrapped,
  parseBootstrap,
  parseMultiaddr
} from './network/bootstrap.ts'
import { Admission } from './network/connection-gater.ts'
import {
  DEFAULT_LISTEN,
  DIAL_TIMEOUT_MS,
  MAX_BITSWAP_MESSAGE,
  READY_TIMEOUT_MS,
  STREAM_RETRY_MS,
  UNROUTED_MS
} from './network/constants.ts'
import { startFailure, storeFailure } from './network/failure.ts'
import {
  admissionLimits,
  type ConnectionLimits,
  libp2pOptions,
  type NetworkServices,
  type NodeRole,
  type RelayLimits
} from './network/libp2p.ts'
import { type DialedPeer, Peers, type ResolvedPeer, type ResolveOptions } from './network/peers.ts'
import { endOfWait, within } from './network/wait.ts'

export type { Blocks } from './network/blocks.ts'
export { BOOTSTRAP_LISTEN } from './network/constants.ts'
export type { ConnectionLimits } from './network/libp2p.ts'
export type { ResolvedPeer } from './network/peers.ts'

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

/** A running libp2p node and the block exchange on it. */
export interface Network {
  readonly peerId: PeerId
  readonly libp2p: Libp2p<NetworkServices>
  readonly blocks: Blocks
  /** Own multiaddrs with /p2p/, as others are told. */
  addresses: () => string[]
  /** Public ones of this machine that others are not told of, because nobody has dialled them back yet. */
  unconfirmedAddresses: () => string[]
  /**
   * Resolves when a bootstrap node is connected and the DHT knows a peer; at once when the bootstrap list is empty.
   * Throws `unreachable` naming the addresses when that takes longer than 15 s, or than the signal.
   */
  whenReady: (options?: AbortOptions) => Promise<void>
  /** Where a peer can be dialled, knowing only its ID. Throws `notFound`, `usage` for what is not a peer ID. */
  resolvePeer: (peer: PeerId | string, options?: ResolveOptions) => Promise<ResolvedPeer>
  /** Connects to a peer by ID: where it was last, else where the DHT says. Throws `notFound` or `unreachable`. */
  dialPeer: (peer: PeerId | string, options?: ResolveOptions) => Promise<DialedPeer>
  /** Opens a stream to a peer by ID, over a relay if need be. */
  openStream: (peer: PeerId | string, protocol: string, options?: ResolveOptions) => Promise<Stream>
  /** Serves a protocol; a handler that throws ends its own stream and nothing else. */
  handle: (protocol: string, handler: StreamHandler, options?: HandleOptions) => Promise<void>
  unhandle: (protocol: string, options?: AbortOptions) => Promise<void>
  /** How to know the peers with a funded channel: slots are kept for them. Asked at each decision. @default none has */
  setFunded: (isFunded: (peer: string) => boolean) => void
  /** Closes connections, then stores. A second call waits for the first. */
  stop: () => Promise<void>
}

interface HandleOptions extends AbortOptions {
  /** Streams of this protocol per connection. @default 32 */
  maxInboundStreams?: number
}

/**
 * Starts the peer-to-peer part of a node: libp2p on the given addresses, the market's own DHT, gossip, relays, and
 * bitswap over the same connections. No public IPFS node is contacted. Resolves when it listens; connecting to the
 * bootstrap nodes goes on in the background (`whenReady`).
 *
 * Throws `portInUse` or `config` naming the address.
 *
 * @example
 * ```ts
 * const { bootstrap } = profile
 * const network = await createNetwork({ identity, paths: homePaths(root), role: 'full', logger, bootstrap })
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
    const helia = createHelia(init, listen, stores)
    await helia.start()
    // Its addresses go into profiles, and into what it says as a relay, before anybody could dial them.
    if (init.role === 'bootstrap') helia.libp2p.services.ownAddresses.confirm()
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

function createHelia(init: NetworkInit, listen: string[], stores: Stores): HeliaWithLibp2p<NetworkServices> {
  const logger = init.logger.components()
  const connections = init.connections ?? {}
  const admission = new Admission(admissionLimits(connections, init.role), init.logger.child('admission'))
  const helia = createHeliaLight({
    datastore: stores.peers,
    blockstore: stores.blocks,
    codecs: [dagCbor, dagJson],
    logger
  })
  const options = libp2pOptions({
    identity: init.identity,
    role: init.role,
    listen,
    announce: init.announce ?? [],
    topics: init.topics,
    connections,
    admission,
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
  private readonly peers: Peers
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
    this.peers = new Peers(this.libp2p, logger)
    this.endBootstrap = keepBootstrapped(this.libp2p, bootstrap, logger)
  }

  addresses(): string[] {
    return this.libp2p.getMultiaddrs().map(String)
  }

  unconfirmedAddresses(): string[] {
    return this.libp2p.services.ownAddresses.unconfirmed()
  }

  async whenReady(options: AbortOptions = {}): Promise<void> {
    if (this.bootstrap.length === 0) return
    const signal = within(READY_TIMEOUT_MS, options.signal)
    try {
      let since = performance.now()
      while (!isBootstrapped(this.libp2p, this.bootstrap) || this.libp2p.services.dht.routingTable.size === 0) {
        await sleep(20, undefined, { signal })
        if (performance.now() - since < UNROUTED_MS) continue
        // Connected, yet the DHT did not take the peer in: it looks at a peer only when it connects.
        await dropBootstrapped(this.libp2p, this.bootstrap)
        since = performance.now()
      }
    } catch (error) {
      throw endOfWait(signal, `bootstrap node (${this.bootstrap.join(', ')})`, error, 'unreachable')
    }
  }

  resolvePeer(peer: PeerId | string, options?: ResolveOptions): Promise<ResolvedPeer> {
    return this.peers.resolve(peer, options)
  }

  dialPeer(peer: PeerId | string, options?: ResolveOptions): Promise<DialedPeer> {
    return this.peers.dial(peer, options)
  }

  async openStream(peer: PeerId | string, protocol: string, options: ResolveOptions = {}): Promise<Stream> {
    const signal = within(DIAL_TIMEOUT_MS, options.signal)
    for (let wait = STREAM_RETRY_MS.first; ; wait *= 2) {
      const { connection, peerId } = await this.dialPeer(peer, { ...options, signal })
      try {
        const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
        this.watch(stream)
        return stream
      } catch (error) {
        if ((error as Error).name === 'UnsupportedProtocolError') {
          throw new DdmError('refused', `peer ${peerId.toString()} does not speak ${protocol}`, {
            cause: error,
            details: { protocol }
          })
        }
        if (signal.aborted || wait > STREAM_RETRY_MS.maximum) {
          throw endOfWait(signal, `peer ${peerId.toString()}`, error, 'unreachable')
        }
        // The other side was about to close this connection: it is dialed anew.
        await sleep(wait, undefined, { signal }).catch(() => {})
      }
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

  async unhandle(protocol: string, options?: AbortOptions): Promise<void> {
    await this.libp2p.unhandle(protocol, options)
  }

  setFunded(isFunded: (peer: string) => boolean): void {
    this.libp2p.services.admission.setFunded(isFunded)
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
}

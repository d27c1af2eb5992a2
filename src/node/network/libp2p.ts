import { autoNATv2 } from '@libp2p/autonat-v2'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import { gossipsub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import type { ComponentLogger, PrivateKey } from '@libp2p/interface'
import { kadDHT, passthroughMapper, type SingleKadDHT } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p'
import type { Admission, AdmissionInit } from './connection-gater.ts'
import {
  ADDRESS_AGE_MS,
  DHT_PROTOCOL,
  GOSSIP_RPC_LIMITS,
  IDLE_MS,
  LOOPBACK_NETWORKS,
  MAX_GOSSIP_BACKLOG,
  MAX_GOSSIP_RPC,
  MAX_PENDING,
  MAX_PENDING_PER_IP,
  MAX_PER_IP,
  MAX_PER_PEER,
  MAX_STREAM_WINDOW,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  RELAY_DEFAULTS,
  RESERVED_SHARE,
  UPGRADE_TIMEOUT_MS
} from './constants.ts'
import { guardedWebSockets } from './guarded-websockets.ts'
import { OwnAddresses, type OwnAddressesComponents } from './own-addresses.ts'

/** `bootstrap` and `full` nodes answer DHT queries and keep documents; a `light` one only asks. */
export type NodeRole = 'bootstrap' | 'full' | 'light'

export interface ConnectionLimits {
  /** Connections at once. @default 1000 on a bootstrap node, else 300 */
  maxConnections?: number
  /**
   * Inbound connections per second from one IP address. Many nodes on one machine or behind one NAT share an address:
   * raise it there. @default 5
   */
  inboundPerSecond?: number
  /** Of the connections those kept for peers with a funded channel. @default a quarter of maxConnections */
  reservedConnections?: number
  /** Connections of peers without a funded channel from one IP address, or one IPv6 /64. @default 16 */
  maxConnectionsPerIp?: number
  /** Inbound connections whose handshake is not over. @default 256 */
  maxPending?: number
  /** The same from one IP address, or one IPv6 /64. @default 16 */
  maxPendingPerIp?: number
  /** Unused for this long, a connection gives way to a newcomer when slots are scarce, ms. @default 60000 */
  idleConnectionMs?: number
  /** The limits per IP address hold for loopback too. @default false: many nodes on one machine share it */
  limitLoopback?: boolean
}

export interface RelayLimits {
  /** @default 256 */
  maxReservations?: number
  /** Bytes over one relayed connection. @default 268435456 */
  dataLimit?: bigint
  /** Life of one relayed connection, ms. @default 1800000 */
  durationLimitMs?: number
}

export interface Libp2pInit {
  identity: PrivateKey
  role: NodeRole
  listen: string[]
  /** Addresses told to others in place of what this machine sees: behind a port forwarding or a load balancer. */
  announce: string[]
  /** Gossip topics that this node takes part in; subscriptions to any other are ignored. */
  topics: string[] | undefined
  connections: ConnectionLimits
  admission: Admission
  relay: RelayLimits
  logger: ComponentLogger
}

type Service<T> = T extends (components: never) => infer S ? S : never

/** The services that the rest of the node uses. */
export type NetworkServices = Omit<
  { [K in keyof ReturnType<typeof services>]: Service<ReturnType<typeof services>[K]> },
  'dht'
> & { dht: SingleKadDHT }

/**
 * Configuration of libp2p. TLS comes before Noise because it moves twice the bytes per CPU second in Node. The DHT
 * and the dialer accept private addresses: a market on one machine or in one LAN works, and an address of a stranger
 * that points into a private network costs a failed handshake, because every peer must prove the key of its ID.
 */
export function libp2pOptions(init: Libp2pInit): Libp2pOptions<NetworkServices> {
  const { connections } = init
  const limits = admissionLimits(connections, init.role)
  return {
    privateKey: init.identity,
    logger: init.logger,
    nodeInfo: { name: 'ddm', userAgent: 'ddm' },
    addresses: { listen: init.listen, announce: init.announce },
    transports: [tcp(), guardedWebSockets(init.admission.onSocket), circuitRelayTransport()],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: MAX_STREAM_WINDOW } })],
    connectionGater: init.admission.gater,
    peerStore: { maxAddressAge: ADDRESS_AGE_MS },
    // A stream at full speed delays a ping by seconds; the default of 5 s cut paid sessions. SDPP watches its own silence.
    connectionMonitor: { pingInterval: PING_INTERVAL_MS, pingTimeout: { minTimeout: PING_TIMEOUT_MS } },
    connectionManager: {
      // Admission decides on slots, once it knows the peer; until then a handshake needs room beside the open ones.
      maxConnections: limits.maxConnections + limits.pending,
      maxIncomingPendingConnections: Number.MAX_SAFE_INTEGER,
      inboundUpgradeTimeout: UPGRADE_TIMEOUT_MS,
      inboundConnectionThreshold: connections.inboundPerSecond ?? 5,
      allow: limits.limitLoopback ? [] : LOOPBACK_NETWORKS
    },
    services: services(init) as unknown as ServiceFactoryMap<NetworkServices>
  }
}

/** The limits as admission wants them, with their defaults. */
export function admissionLimits(connections: ConnectionLimits, role: NodeRole): Required<AdmissionInit> {
  const maxConnections = connections.maxConnections ?? (role === 'bootstrap' ? 1_000 : 300)
  const reserved = Math.min(
    connections.reservedConnections ?? Math.floor(maxConnections * RESERVED_SHARE),
    maxConnections - 1
  )
  return {
    maxConnections,
    reserved,
    perSource: connections.maxConnectionsPerIp ?? MAX_PER_IP,
    perRelay: Math.ceil((maxConnections - reserved) / 2),
    perPeer: MAX_PER_PEER,
    pending: connections.maxPending ?? MAX_PENDING,
    pendingPerSource: connections.maxPendingPerIp ?? MAX_PENDING_PER_IP,
    idleMs: connections.idleConnectionMs ?? IDLE_MS,
    limitLoopback: connections.limitLoopback ?? false
  }
}

function services({ role, topics, relay, admission }: Libp2pInit) {
  return {
    admission: admission.service,
    identify: identify({ runOnLimitedConnection: true }),
    identifyPush: identifyPush({ runOnLimitedConnection: true }),
    ping: ping(),
    dht: kadDHT({
      protocol: DHT_PROTOCOL,
      peerInfoMapper: passthroughMapper,
      clientMode: role === 'light',
      initialQuerySelfInterval: 50
    }),
    pubsub: gossipsub({
      globalSignaturePolicy: 'StrictSign',
      runOnLimitedConnection: true,
      // A listing published before anybody listens is announced again when somebody joins.
      allowPublishToZeroTopicPeers: true,
      ...(topics === undefined ? {} : { allowedTopics: topics }),
      maxInboundDataLength: MAX_GOSSIP_RPC,
      maxOutboundBufferSize: MAX_GOSSIP_BACKLOG,
      decodeRpcLimits: GOSSIP_RPC_LIMITS
    }),
    dcutr: dcutr(),
    autoNAT: autoNATv2(),
    ownAddresses: (components: OwnAddressesComponents) => new OwnAddresses(components),
    ...(role === 'bootstrap' ? { relay: relayServer(relay) } : {})
  }
}

function relayServer({ maxReservations, dataLimit, durationLimitMs }: RelayLimits) {
  return circuitRelayServer({
    reservations: {
      maxReservations: maxReservations ?? RELAY_DEFAULTS.maxReservations,
      defaultDataLimit: dataLimit ?? RELAY_DEFAULTS.dataLimit,
      defaultDurationLimit: durationLimitMs ?? RELAY_DEFAULTS.durationLimitMs
    }
  })
}

/** Any address of any interface, IPv4, a free port each; and that of a relay, for who cannot dial those. */
export const DEFAULT_LISTEN = ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws', '/p2p-circuit']

/** A bootstrap node's ports must be known beforehand: they are opened in firewalls and named in network profiles. */
export const BOOTSTRAP_LISTEN = ['/ip4/0.0.0.0/tcp/4001', '/ip4/0.0.0.0/tcp/4002/ws']

/** Protocol of this market's own DHT: its peers never mix with those of public IPFS. */
export const DHT_PROTOCOL = '/ddm/kad/1.0.0'

/**
 * Largest yamux window, bytes. The muxer's own maximum is 16 MiB while a stream's read buffer ends at 4 MiB, so that
 * pausing a warm stream would reset it; 2 MiB stays below with room for what is in flight.
 */
export const MAX_STREAM_WINDOW = 2 * 1024 * 1024

/** Largest bitswap message, bytes: a 64 KiB document (docs/specs/registry.md §2) and room for a want list. */
export const MAX_BITSWAP_MESSAGE = 128 * 1024

/** Largest gossip RPC, bytes: 64 announcements of 4 KiB (docs/specs/registry.md §6) and their control messages. */
export const MAX_GOSSIP_RPC = 512 * 1024

/** Counts that a gossip RPC may hold; an honest one on a handful of topics stays far below. */
export const GOSSIP_RPC_LIMITS = {
  maxSubscriptions: 64,
  maxMessages: 256,
  maxIhaveMessageIDs: 2_000,
  maxIwantMessageIDs: 2_000,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 256,
  maxPeerInfos: 16
}

/** What a relay gives to each reservation: enough to trade while a direct connection is tried, not a free VPN. */
export const RELAY_DEFAULTS = { maxReservations: 256, dataLimit: 256n * 1024n * 1024n, durationLimitMs: 30 * 60_000 }

/** A tag that starts with libp2p's KEEP_ALIVE: lost connections to bootstrap nodes are opened again. */
export const BOOTSTRAP_TAG = 'keep-alive-ddm-bootstrap'

/** Rank among tagged peers, 0–100, as @libp2p/bootstrap gives it. */
export const BOOTSTRAP_TAG_VALUE = 50

/** While no bootstrap node is connected they are dialled again after this time, doubled up to the maximum, ms. */
export const BOOTSTRAP_RETRY_MS = { first: 1_000, maximum: 30_000 }

/** Default of `whenReady`, ms. */
export const READY_TIMEOUT_MS = 15_000

/** After this long without a peer in the routing table the connection to the bootstrap nodes is made anew. */
export const UNROUTED_MS = 4_000

/** Default of one DHT look-up, ms. */
export const RESOLVE_TIMEOUT_MS = 10_000

/** Default of a dial including the look-up, ms. */
export const DIAL_TIMEOUT_MS = 15_000

/** Of that for where a peer was last: who answers there does so at once, who moved is to be looked up in time. */
export const REMEMBERED_DIAL_MS = 5_000

/**
 * How long an address is known after it was first heard, also that of a peer that is connected all the time. With the
 * peer store's default of an hour the nodes that a seller is connected to forget where it is, and nobody finds it.
 */
export const ADDRESS_AGE_MS = 30 * 24 * 60 * 60_000

/** A stream that could not be opened is tried again after this time, doubled up to the maximum, ms. */
export const STREAM_RETRY_MS = { first: 50, maximum: 200 }

/** Default of fetching a block from peers, ms. */
export const BLOCK_TIMEOUT_MS = 15_000

/** How often a connection is asked whether it lives, and how long it may take to answer. */
export const PING_INTERVAL_MS = 15_000
export const PING_TIMEOUT_MS = 30_000

/** Seconds that a stranger may take from socket to proven peer ID, ms: some six round trips of a bad line. */
export const UPGRADE_TIMEOUT_MS = 5_000

/** Handshakes under way, in all and per IP address; further ones push out the oldest of the most crowded address. */
export const MAX_PENDING = 256
export const MAX_PENDING_PER_IP = 16

/** Many nodes on one machine share these. */
export const LOOPBACK_NETWORKS = ['/ip4/127.0.0.0/ipcidr/8', '/ip6/::1/ipcidr/128']

/** Open connections of one IP address whose peers have no funded channel. */
export const MAX_PER_IP = 16

/** Connections of one peer: direct, through a relay, and what is left of one that broke. */
export const MAX_PER_PEER = 4

/** Of all connections those kept for peers with a funded channel, as a share. */
export const RESERVED_SHARE = 0.25

/** Without a stream that somebody asked for for this long, a connection makes room for another when room is scarce, ms. */
export const IDLE_MS = 60_000

/** How often it is looked which connections are in use, ms. */
export const USE_SAMPLE_MS = 5_000

/** Protocols that run on every connection by themselves: a connection with none but these is idle. */
export const BACKGROUND_PROTOCOLS = [
  '/ipfs/id/',
  '/ipfs/ping/',
  '/libp2p/autonat/',
  '/libp2p/dcutr',
  '/meshsub/',
  '/floodsub/'
]

/** Most that gossip keeps for a peer that does not read, bytes: then its stream is reset. */
export const MAX_GOSSIP_BACKLOG = 4 * 1024 * 1024

import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * Who may connect: pure decisions over what is known of the connections at hand. What an attacker can multiply at no
 * cost (sockets, ports, peer IDs) counts per address; what costs money (a funded channel) has slots of its own.
 */
export interface AdmissionLimits {
  /** Open connections. */
  maxConnections: number
  /** Of these, kept for peers with a funded channel. */
  reserved: number
  /** Open connections of unfunded peers from one source. */
  perSource: number
  /** The same for what comes through one relay, which stands for many addresses. */
  perRelay: number
  /** Connections of one peer; one more takes the place of the peer's own oldest. */
  perPeer: number
  /** Handshakes under way. */
  pending: number
  /** Handshakes under way from one source. */
  pendingPerSource: number
  /** A connection unused for this long gives way to a newcomer when slots are scarce, ms. */
  idleMs: number
}

export interface PendingConnection {
  source: Source
}

export interface OpenConnection {
  source: Source
  peer: string
  /** The peer has a funded channel with this node. */
  funded: boolean
  /** Opened by this node on purpose and to be kept: a bootstrap node, a relay. */
  kept: boolean
  /** Since it was last used, or was opened; 0 while in use. */
  idleMs: number
}

/** What a limit is counted by. */
export interface Source {
  /** An IPv4 address, the /64 of an IPv6 address, or the relay. */
  key: string
  kind: 'address' | 'loopback' | 'relay'
}

export type Verdict<T> = { admitted: true; evict?: T } | { admitted: false; why: string }

const RELAYED = 'p2p-circuit'

/** The source of a connection. An IPv6 /64 is one, because whoever has an address there has all of them. */
export function sourceOf(remote: Multiaddr): Source {
  const components = remote.getComponents()
  const circuit = components.findIndex(({ name }) => name === RELAYED)
  if (circuit >= 0) {
    // A relayed connection has no remote IP address, only that of the relay.
    const relay = components.slice(0, circuit).findLast(({ name }) => name === 'p2p')
    return { key: `relay ${relay?.value ?? ''}`, kind: 'relay' }
  }
  const host = components.find(({ name }) => name === 'ip4' || name === 'ip6')
  if (host?.value === undefined) return { key: 'unknown', kind: 'address' }
  const key = host.name === 'ip4' ? host.value : networkOf(host.value)
  return { key, kind: key.startsWith('127.') || key === LOOPBACK6 ? 'loopback' : 'address' }
}

const LOOPBACK6 = '::1'

function networkOf(ip6: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip6)?.[1]
  if (mapped !== undefined) return mapped
  // The parser of URLs writes the one canonical form.
  const canonical = new URL(`http://[${ip6}]/`).hostname.slice(1, -1)
  if (canonical === LOOPBACK6) return canonical
  const mappedHex = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(canonical)
  if (mappedHex !== null) {
    const [high, low] = [Number.parseInt(mappedHex[1] ?? '', 16), Number.parseInt(mappedHex[2] ?? '', 16)]
    return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  }
  const [head = '', tail] = canonical.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length
  return `${[...first, ...Array<string>(zeros).fill('0'), ...last].slice(0, 4).join(':')}::/64`
}

/**
 * Which handshake must make room for one more from `source`; undefined while there is room. The oldest goes, not the
 * newest: silent connections then cost their sender its own places, and a handshake that goes on is done before its turn.
 *
 * @param pending - oldest first
 */
export function handshakeToDrop<T extends PendingConnection>(
  source: Source,
  pending: readonly T[],
  limits: AdmissionLimits
): T | undefined {
  const counts = countBy(pending)
  if (source.kind === 'address' && (counts.get(source.key) ?? 0) >= limits.pendingPerSource) {
    return oldestOf(source.key, pending)
  }
  if (pending.length < limits.pending) return undefined
  const [crowded] = [...counts].reduce((most, next) => (next[1] > most[1] ? next : most))
  return oldestOf(crowded, pending)
}

/** Whether a peer that has proved its ID gets a slot, and which connection it takes it from. */
export function admitPeer<T extends OpenConnection>(
  newcomer: Pick<OpenConnection, 'source' | 'peer' | 'funded'>,
  open: readonly T[],
  limits: AdmissionLimits
): Verdict<T> {
  const own = open.filter(({ peer }) => peer === newcomer.peer)
  const replaced = own.length < limits.perPeer ? undefined : mostIdle(own)
  // A peer that dials again after its connection broke is met before this side has noticed.
  if (replaced !== undefined) return { admitted: true, evict: replaced }
  return newcomer.funded ? admitFunded(open, limits) : admitUnfunded(newcomer.source, open, limits)
}

function admitFunded<T extends OpenConnection>(open: readonly T[], limits: AdmissionLimits): Verdict<T> {
  if (open.length < limits.maxConnections) return { admitted: true }
  const counts = countBy(open)
  const evictable = open.filter(({ funded, kept }) => !funded && !kept)
  const idle = evictable.filter(({ idleMs }) => idleMs > 0)
  // A deposit may be dust: of peers with one, who does nothing gives way to who comes to trade.
  const resting = open.filter(({ funded, kept, idleMs }) => funded && !kept && idleMs >= limits.idleMs)
  const evict = mostCrowded([idle, evictable, resting].find(({ length }) => length > 0) ?? [], counts)
  if (evict === undefined) return { admitted: false, why: 'every connection is in use by a peer with a funded channel' }
  return { admitted: true, evict }
}

function admitUnfunded<T extends OpenConnection>(
  source: Source,
  open: readonly T[],
  limits: AdmissionLimits
): Verdict<T> {
  const unfunded = open.filter(({ funded }) => !funded)
  const evictable = unfunded.filter(({ kept, idleMs }) => !kept && idleMs >= limits.idleMs)
  const beside = unfunded.filter((connection) => connection.source.key === source.key)
  const cap = source.kind === 'relay' ? limits.perRelay : source.kind === 'address' ? limits.perSource : Infinity
  if (beside.length >= cap) {
    const evict = mostIdle(evictable.filter((connection) => connection.source.key === source.key))
    if (evict === undefined) return { admitted: false, why: `${source.key} has ${beside.length} connections` }
    return { admitted: true, evict }
  }
  if (open.length < limits.maxConnections && unfunded.length < limits.maxConnections - limits.reserved) {
    return { admitted: true }
  }
  const evict = mostCrowded(evictable, countBy(open))
  if (evict === undefined) return { admitted: false, why: 'no slot is free or idle' }
  return { admitted: true, evict }
}

function countBy(connections: readonly PendingConnection[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { source } of connections) counts.set(source.key, (counts.get(source.key) ?? 0) + 1)
  return counts
}

function oldestOf<T extends PendingConnection>(key: string, pending: readonly T[]): T | undefined {
  return pending.find(({ source }) => source.key === key)
}

function mostIdle<T extends OpenConnection>(connections: readonly T[]): T | undefined {
  return connections.toSorted((a, b) => b.idleMs - a.idleMs)[0]
}

/** Of the source that has most; there, what was unused for longest. */
function mostCrowded<T extends OpenConnection>(
  connections: readonly T[],
  counts: ReadonlyMap<string, number>
): T | undefined {
  const crowd = ({ source }: T): number => counts.get(source.key) ?? 0
  return connections.toSorted((a, b) => crowd(b) - crowd(a) || b.idleMs - a.idleMs)[0]
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { AbortOptions } from '../../interface/index.ts'
import type { DdmNode } from '../types.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** A node that has just started may still be dialling. */
const PEERS_WAIT_MS = 10_000
const PEERS_EVERY_MS = 250

/** Whom this node reaches. */
export async function checkPeers(
  node: Pick<DdmNode, 'peers' | 'profile'>,
  { waitMs = PEERS_WAIT_MS, ...options }: AbortOptions & { waitMs?: number } = {}
): Promise<Finding> {
  const entries = node.profile.bootstrap.map((address) => address.split('/p2p/').at(-1) ?? '')
  let connected = await node.peers(options)
  for (let waited = 0; entries.length > 0 && connected.length === 0 && waited < waitMs; waited += PEERS_EVERY_MS) {
    await sleep(PEERS_EVERY_MS, undefined, options)
    connected = await node.peers(options)
  }
  const peers = new Set(connected.map(({ peerId }) => peerId))
  if (entries.length === 0)
    return warn(
      'peers',
      `${peers.size} connected`,
      'the profile names no bootstrap node: nobody is found by peer ID alone'
    )
  if (peers.size === 0)
    return fail(
      'peers',
      'unreachable',
      'nobody is connected',
      'the bootstrap nodes do not answer; is a firewall in the way?'
    )
  const reached = entries.filter((entry) => peers.has(entry)).length
  const found = `${peers.size} connected, ${reached} of ${entries.length} bootstrap nodes`
  return reached === 0
    ? warn('peers', found, 'no bootstrap node is connected; newcomers will not find this node')
    : ok('peers', found)
}

/**
 * Who reaches this node. Addresses of the machine alone, or of its local network, are not reached from outside; a public
 * one is when a peer has dialled it back.
 */
export async function checkReachability(
  node: Pick<DdmNode, 'addresses' | 'unconfirmedAddresses' | 'peers'>,
  {
    waitMs = PEERS_WAIT_MS,
    announced = [],
    ...options
  }: AbortOptions & {
    waitMs?: number
    /** What the setting "announce" names: nobody dials that back. @default none */
    announced?: readonly string[]
  } = {}
): Promise<Finding> {
  const isDirect = (address: string): boolean => !isLocal(address) && !address.includes('/p2p-circuit')
  for (let waited = 0; waited < waitMs; waited += PEERS_EVERY_MS) {
    if (node.addresses().some(isDirect) || node.unconfirmedAddresses().length === 0) break
    await sleep(PEERS_EVERY_MS, undefined, options)
  }
  const addresses = node.addresses()
  const unconfirmed = node.unconfirmedAddresses()
  const reachable = addresses.filter((address) => !isLocal(address))
  if (addresses.length === 0 && unconfirmed.length === 0)
    return fail('reachability', 'config', 'this node listens nowhere', 'name an address with --listen')
  const isClaimed = (address: string): boolean => announced.some((claim) => address.startsWith(claim))
  if (reachable.filter(isDirect).every(isClaimed) && reachable.some(isDirect)) {
    return warn(
      'reachability',
      `${reachable.join(', ')}: announced, and not checked from outside`,
      'see from another network whether "ddm peers" there lists this node after a search or a purchase'
    )
  }
  if (reachable.some(isDirect)) return ok('reachability', reachable.join(', '))
  if (unconfirmed.length > 0) {
    const relayed = reachable.length > 0 ? '; through a relay only' : ''
    return warn(
      'reachability',
      `nobody has dialled ${unconfirmed.join(', ')} back yet${relayed}`,
      'open the port in the firewall of this machine and of its provider; others are told of the address once a peer has reached it'
    )
  }
  if (reachable.length > 0) {
    const found = reachable.join(', ')
    return warn(
      'reachability',
      found,
      'only through a relay: forward the port on the router to be dialled directly, and name it with the setting "announce"'
    )
  }
  const inbound = (await node.peers(options)).some(({ direction }) => direction === 'inbound')
  return warn(
    'reachability',
    `${addresses.join(', ')}: on this machine or its local network only${inbound ? ', and dialled there' : ''}`,
    'for buyers from elsewhere forward the port and name it with the setting "announce", or listen on /p2p-circuit as well'
  )
}

/** @source RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 */
const LOCAL_IP4 =
  /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|0\.)/
const LOCAL_IP6 = /^(::1?$|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)/i

function isLocal(address: string): boolean {
  const [, kind, host = ''] = address.split('/')
  if (kind === 'ip4') return LOCAL_IP4.test(host)
  if (kind === 'ip6') return LOCAL_IP6.test(host)
  return host === 'localhost'
}

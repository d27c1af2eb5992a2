import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { Peers } from '../../../../src/node/network/peers.ts'
import { silent } from '../../../support/sdpp.ts'

const ADDRESS = '/ip4/192.0.2.7/tcp/4001'
const MOVED_TO = '/ip4/198.51.100.9/tcp/4001'
const WAIT_MS = 20

async function somebody(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

interface Known {
  /** Remembered. */
  addresses: string[]
  connected?: boolean
  /** What the DHT says; undefined: it never answers. */
  found?: string[]
  /** Who answers when dialled; all others swallow packets. */
  lives?: string
}

async function peersThat({ addresses: remembered, connected, found, lives }: Known): Promise<Peers> {
  const addresses = remembered.map((address) => ({ multiaddr: multiaddr(address) }))
  const self = await somebody()
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason as Error)
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  const libp2p = {
    peerId: self,
    getConnections: (remotePeer: PeerId) =>
      connected === true ? [{ status: 'open', remotePeer, remoteAddr: multiaddr(ADDRESS) }] : [],
    peerStore: { has: async () => addresses.length > 0, get: async () => ({ addresses }) },
    peerRouting: {
      findPeer: async (_peer: PeerId, { signal }: { signal: AbortSignal }) =>
        found === undefined ? never(signal) : { multiaddrs: found.map((address) => multiaddr(address)) }
    },
    dial: async (target: PeerId | Multiaddr[], { signal }: { signal: AbortSignal }) => {
      // As libp2p: one after the other, those that are remembered for a peer ID.
      const first = Array.isArray(target) ? String(target[0]) : remembered[0]
      if (lives === undefined || first?.startsWith(lives) !== true) return never(signal)
      return { remoteAddr: multiaddr(lives) }
    }
  }
  return new Peers(libp2p as unknown as Libp2p, silent, { lookUpMs: WAIT_MS, rememberedMs: WAIT_MS })
}

test('a look-up that takes too long leaves what is known: a connection, or where the peer was last', async () => {
  const peer = await somebody()
  const connected = await peersThat({ addresses: [], connected: true })
  assert.deepEqual(await connected.resolve(peer, { refresh: true }), {
    peerId: peer,
    addresses: [ADDRESS],
    source: 'connection'
  })
  const remembering = await peersThat({ addresses: [ADDRESS] })
  assert.deepEqual(await remembering.resolve(peer), { peerId: peer, addresses: [ADDRESS], source: 'peerstore' })
})

test('a peer of which nothing is known is not found, and a caller that gave up is told so', async () => {
  const peer = await somebody()
  const peers = await peersThat({ addresses: [] })
  await assert.rejects(peers.resolve(peer), { code: 'notFound', message: /is it running\?/ })
  const known = await peersThat({ addresses: [ADDRESS] })
  await assert.rejects(known.resolve(peer, { signal: AbortSignal.abort() }), { code: 'aborted' })
})

test('a peer that moved is dialled where the DHT says, however its old addresses fail', async () => {
  const peer = await somebody()
  const peers = await peersThat({ addresses: [ADDRESS], found: [MOVED_TO], lives: MOVED_TO })
  const { source, connection } = await peers.dial(peer)
  assert.equal(source, 'dht')
  assert.equal(connection.remoteAddr.toString(), MOVED_TO)
})

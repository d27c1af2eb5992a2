import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Peers } from '../../../../src/node/network/peers.ts'
import { silent } from '../../../support/sdpp.ts'

const ADDRESS = '/ip4/192.0.2.7/tcp/4001'
const LOOK_UP_MS = 20

async function somebody(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

/** A node whose DHT never answers. */
async function peersThat(remember: { addresses: string[]; connected?: boolean }): Promise<Peers> {
  const addresses = remember.addresses.map((address) => ({ multiaddr: multiaddr(address) }))
  const self = await somebody()
  const libp2p = {
    peerId: self,
    getConnections: (remotePeer: PeerId) =>
      remember.connected === true ? [{ status: 'open', remotePeer, remoteAddr: multiaddr(ADDRESS) }] : [],
    peerStore: { has: async () => addresses.length > 0, get: async () => ({ addresses }) },
    peerRouting: {
      findPeer: (_peer: PeerId, { signal }: { signal: AbortSignal }) =>
        new Promise((_resolve, reject) => {
          if (signal.aborted) reject(signal.reason as Error)
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        })
    }
  }
  return new Peers(libp2p as unknown as Libp2p, silent, LOOK_UP_MS)
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

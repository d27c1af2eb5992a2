import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startNetwork } from './network-support.ts'

const DAY_MS = 86_400_000

test('where a seller is stays known while it is connected, also after a day', async (t) => {
  const bootstrap = await startNetwork(t, { role: 'bootstrap' })
  const join = { bootstrap: bootstrap.addresses() }
  const [seller, newcomer] = await Promise.all([startNetwork(t, join), startNetwork(t, join)])
  await Promise.all([seller.whenReady(), newcomer.whenReady()])
  // Every clock here is that of this process.
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + DAY_MS })
  // What it answers from when the DHT asks for the seller.
  const { addresses } = await bootstrap.libp2p.peerStore.get(seller.peerId)
  assert.notEqual(addresses.length, 0)
  const { source } = await newcomer.resolvePeer(seller.peerId, { refresh: true })
  assert.equal(source, 'dht')
})

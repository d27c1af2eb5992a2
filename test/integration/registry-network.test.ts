import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { RegistryChain } from '../../src/interface/index.ts'
import type { Network } from '../../src/node/network.ts'
import { createRegistry, type RegistryService } from '../../src/registry/index.ts'
import { openIndex } from '../../src/storage/index.ts'
import { draft } from '../unit/registry/market.ts'
import { silent, startMarket } from './chain-fixture.ts'
import { startNetwork, until } from './network-support.ts'

interface Node {
  network: Network
  registry: RegistryService
  stop: () => Promise<void>
}

/** A registry on real blocks, gossip, DHT and chain. */
async function startNode(
  t: TestContext,
  chain: RegistryChain,
  role: 'bootstrap' | 'light',
  bootstrap: string[] = []
): Promise<Node> {
  const network = await startNetwork(t, { role, bootstrap })
  const index = await openIndex({ path: ':memory:' })
  const { libp2p, blocks, peerId } = network
  const registry = createRegistry(
    {
      chain,
      index,
      blocks,
      pubsub: libp2p.services.pubsub,
      contentRouting: libp2p.contentRouting,
      peerId,
      logger: silent
    },
    // What is found comes by an announcement: nobody looks at the chain again.
    { network: 'test', keepDocuments: role === 'bootstrap', pollMs: 600_000 }
  )
  await registry.start()
  await network.whenReady()
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= registry
      .stop()
      .then(() => index.close())
      .then(() => network.stop())
    return stopped
  }
  t.after(stop)
  return { network, registry, stop }
}

test('a listing crosses a real network, and its document outlives the seller', async (t) => {
  const market = await startMarket(t)
  const chainAs = async (index: number) => (await market.connectAs(index)).registry
  const boot = await startNode(t, await chainAs(1), 'bootstrap')
  const addresses = boot.network.addresses().slice(0, 1)
  const seller = await startNode(t, await chainAs(2), 'light', addresses)
  const buyer = await startNode(t, await chainAs(3), 'light', addresses)
  const peerId = seller.network.peerId.toString()

  const small = await seller.registry.publish(draft(1, { title: 'Small document' }, peerId))
  const publishedAt = performance.now()
  await until('the buyer to find it', async () => (await buyer.registry.search({ text: 'small' })).length === 1)
  const foundMs = performance.now() - publishedAt
  assert.deepEqual(await buyer.registry.get(small.id), small)

  // Too large for an announcement: it comes by bitswap.
  const long = { title: 'Large document', description: 'wind '.repeat(700).trim(), ext: { pad: 'x'.repeat(20_000) } }
  const large = await seller.registry.publish(draft(2, long, peerId))
  await until('the large one too', async () => (await buyer.registry.search({ text: 'large wind' })).length === 1)
  await until('the bootstrap node to keep both', async () => (await boot.registry.search({})).length === 2)

  await seller.stop()
  const late = await startNode(t, await chainAs(4), 'light', addresses)
  await until('the late joiner to find both', async () => (await late.registry.search({})).length === 2)
  // In the order in which their documents came.
  const found = await late.registry.search({})
  assert.deepEqual(
    found.sort((a, b) => a.document.title.localeCompare(b.document.title)),
    [large, small]
  )
  t.diagnostic(`found ${foundMs.toFixed()} ms after publish`)
})

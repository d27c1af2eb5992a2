import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEventLog, encodeFunctionData } from 'viem'
import { listingRegistryAbi } from '../../src/chain/abi.ts'
import type { Hex, Listing } from '../../src/interface/index.ts'
import { encodeDocument, manifestToCid } from '../../src/registry/index.ts'
import { documentOf, draft, OTHER_PEER, PEER, SharedBlocks, salt, startNode } from '../unit/registry/market.ts'
import { PubSubNetwork } from '../unit/registry/pubsub.ts'
import { accountAt, eventually, type Market, startMarket } from './chain-fixture.ts'

const STATUSES = ['none', 'active', 'paused', 'retired']

/** The state that the chain's own log gives, read afresh and replayed here. */
async function truth({ rpc, profile }: Market): Promise<string[]> {
  const address = profile.contracts.registry
  const logs = await rpc<Array<{ topics: [Hex, ...Hex[]]; data: Hex; blockHash: Hex }>>('eth_getLogs', [
    { address, fromBlock: '0x0', toBlock: 'latest' }
  ])
  const heads = new Map<string, { version: number; status: string; manifest: Hex; block: Hex }>()
  for (const log of logs) {
    const { eventName, args } = decodeEventLog({ abi: listingRegistryAbi, topics: log.topics, data: log.data })
    if (eventName === 'ListingPut') {
      const status = heads.get(args.listingId)?.status ?? 'active'
      heads.set(args.listingId, { version: args.version, status, manifest: args.manifest, block: log.blockHash })
    } else if (eventName === 'ListingStatus') {
      const head = heads.get(args.listingId)
      if (head !== undefined) head.status = STATUSES[args.status] ?? '?'
    }
  }
  return Array.from(heads, ([id, { version, status, manifest, block }]) =>
    [id, version, status, manifestToCid(manifest), block].join(' ')
  ).sort()
}

function shown(listings: Listing[]): string[] {
  return listings
    .map(({ id, version, status, cid, transaction }) => [id, version, status, cid, transaction?.blockHash].join(' '))
    .sort()
}

test('publish on a real chain; another node finds it', async (t) => {
  const market = await startMarket(t)
  const gossip = new PubSubNetwork()
  const world = new Map<string, Uint8Array>()
  const [sellerChain, buyerChain] = [await market.connectAs(1), await market.connectAs(2)]
  await using seller = await startNode({ chain: sellerChain.registry, gossip, blocks: new SharedBlocks(world) })
  await using buyer = await startNode({
    chain: buyerChain.registry,
    gossip,
    peerId: OTHER_PEER,
    blocks: new SharedBlocks(world)
  })
  const listing = await seller.registry.publish(draft(1))
  assert.equal(listing.account, accountAt(market.accounts, 1).address.toLowerCase())
  await buyer.registry.synced()
  assert.deepEqual(await buyer.registry.search({ text: 'weather' }), [listing])
  await seller.registry.setStatus(listing.id, 'retired')
  await assert.rejects(seller.registry.publish(draft(1, { title: 'Another title' })), { code: 'usage' })
  await buyer.registry.synced()
  assert.equal((await buyer.registry.get(listing.id)).status, 'retired')
})

test('after reorganisations of 1 to 70 blocks the index is what the chain says', async (t) => {
  const market = await startMarket(t)
  const chain = await market.connectAs(3)
  const blocks = new SharedBlocks()
  await using node = await startNode({ chain: chain.registry, blocks, peerId: OTHER_PEER, pollMs: 100 })
  const registry = market.profile.contracts.registry
  const token = market.profile.tokens[0]?.address as Hex
  const seller = accountAt(market.accounts, 1).address.toLowerCase() as Hex
  // The hash is answered before the block is mined.
  const send = async (data: Hex) => {
    const hash = await market.rpc<Hex>('eth_sendTransaction', [{ from: seller, to: registry, data, gas: '0x30000' }])
    await eventually('the transaction to be mined', async () => {
      return (await market.rpc<object | null>('eth_getTransactionReceipt', [hash])) ?? undefined
    })
  }
  let revision = 0
  const post = async (n: number) => {
    const id = chain.registry.listingId(seller, salt(n))
    const payment = [
      {
        rail: 'evm' as const,
        network: 'eip155:31337',
        asset: `eip155:31337/erc20:${token.toLowerCase()}`,
        payTo: seller,
        price: { amount: '100', count: 1, unit: 'record' as const }
      }
    ]
    const document = documentOf(n, { id, payment, title: `Revision ${revision++}`, seller: { peerId: PEER } })
    const { cid, bytes, manifest } = encodeDocument(document)
    blocks.world.set(cid.toString(), bytes)
    const args = [salt(n), manifest, token, 100n, 1, '0x'] as const
    await send(encodeFunctionData({ abi: listingRegistryAbi, functionName: 'post', args }))
  }
  const setStatus = async (n: number, status: number) => {
    const args = [chain.registry.listingId(seller, salt(n)), status] as const
    await send(encodeFunctionData({ abi: listingRegistryAbi, functionName: 'setStatus', args }))
  }
  // A seeded walk, so that a failure can be run again.
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  await market.rpc('anvil_mine', ['0x50'])
  for (const depth of [1, 1, 2, 3, 4, 5, 7, 9, 12, 16, 24, 33, 48, 64, 70]) {
    for (let i = random(6); i >= 0; i--) await (random(4) === 0 ? setStatus(random(5), 1 + random(2)) : post(random(5)))
    if (random(2) === 0) await node.registry.synced()
    await market.rpc('anvil_reorg', [depth, []])
    for (let i = random(3); i > 0; i--) await post(random(5))
    await node.registry.synced()
    const [checkpoint] = await node.index.all<{ hash: string }>('select hash from registry_checkpoint')
    const head = await market.rpc<{ hash: string }>('eth_getBlockByNumber', ['latest', false])
    assert.equal(checkpoint?.hash, head.hash)
    const rows = await node.index.all<{ listing_id: string }>('select listing_id from registry_head')
    const listings = await Promise.all(rows.map(({ listing_id }) => node.registry.get(listing_id)))
    assert.deepEqual(shown(listings), await truth(market), `depth ${depth}`)
    const active = (await truth(market)).filter((line) => line.includes(' active '))
    assert.deepEqual(shown(await node.registry.search({ limit: 200 })), active)
  }
})

test('a fresh chain at the same address starts a fresh index', async (t) => {
  const { tempDir } = await import('../support/temp-dir.ts')
  const path = `${await tempDir(t)}/index.db`
  for (const round of [1, 2]) {
    const market = await startMarket(t)
    const chain = await market.connectAs(1)
    await using node = await startNode({ chain: chain.registry, path })
    assert.deepEqual(await node.registry.search({}), [], `round ${round}`)
    await node.registry.publish(draft(round))
    assert.equal((await node.registry.search({})).length, 1)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DdmError } from '../../../src/interface/index.ts'
import { MemoryChain } from '../../support/memory-chain.ts'
import { ACCOUNT, draft, OTHER_ACCOUNT, OTHER_PEER, SharedBlocks, startNode, until } from './market.ts'
import { PubSubNetwork } from './pubsub.ts'

test('publish, then another node finds, gets and watches the listing', async () => {
  const chain = new MemoryChain({ account: ACCOUNT })
  const gossip = new PubSubNetwork()
  const world = new Map<string, Uint8Array>()
  await using seller = await startNode({ chain, gossip, blocks: new SharedBlocks(world) })
  const view = new MemoryChain({ share: chain })
  await using buyer = await startNode({ chain: view, gossip, peerId: OTHER_PEER, blocks: new SharedBlocks(world) })
  const events: string[] = []
  const watching = (async () => {
    for await (const { type, listing } of buyer.registry.watch({ text: 'humidity' })) {
      events.push(`${type} ${listing.version} ${listing.status}`)
    }
  })()

  const listing = await seller.registry.publish(draft(1))
  assert.equal(listing.trust, 'confirmed')
  assert.equal(listing.version, 1)
  assert.equal(listing.account, ACCOUNT)
  assert.equal(listing.document.seller.account, ACCOUNT)

  await buyer.registry.synced()
  const [found, ...more] = await buyer.registry.search({ text: 'weather statio' })
  assert.equal(more.length, 0)
  assert.deepEqual(found, listing)
  assert.deepEqual(await buyer.registry.get(listing.id), listing)
  assert.deepEqual(await buyer.registry.get(listing.id.slice(0, 8)), listing)
  assert.deepEqual(await buyer.registry.get(listing.cid), listing)

  const second = await seller.registry.publish(draft(1, { title: 'Weather station, calibrated' }))
  assert.equal(second.version, 2)
  assert.equal(second.id, listing.id)
  await buyer.registry.synced()
  assert.equal((await buyer.registry.search({})).length, 1)
  assert.equal((await buyer.registry.get(listing.id)).document.title, 'Weather station, calibrated')
  await assert.rejects(buyer.registry.get(listing.cid), { code: 'notFound' })

  await seller.registry.setStatus(listing.id, 'paused')
  await buyer.registry.synced()
  assert.deepEqual(await buyer.registry.search({}), [])
  assert.equal((await buyer.registry.get(listing.id)).status, 'paused')

  await until(() => events.length === 3, 'three events')
  assert.deepEqual(events, ['added 1 active', 'updated 2 active', 'removed 2 active'])
  await buyer.registry.stop()
  await watching
})

test('publishing the same again posts nothing', async () => {
  await using node = await startNode()
  const first = await node.registry.publish(draft(1))
  const again = await node.registry.publish(draft(1))
  assert.deepEqual(again, first)
  await node.registry.setStatus(first.id, 'paused')
  const { version, status } = await node.registry.publish(draft(1))
  assert.deepEqual([version, status], [1, 'paused'])
  assert.equal(node.chain.calls.post, 1)
  await until(() => node.provided.includes(first.cid), 'provider record')
})

test('what was retired is not posted again: that is final', async () => {
  await using node = await startNode()
  const { id } = await node.registry.publish(draft(1))
  await node.registry.setStatus(id, 'retired')
  const again = node.registry.publish(draft(1, { title: 'Another title' }))
  await assert.rejects(again, { code: 'usage', message: /"Another title" was retired for good.*under another key/ })
  assert.equal(node.chain.calls.post, 1)
})

test('publish refuses what others would refuse, before it posts', async () => {
  await using node = await startNode()
  const cases: Array<[Parameters<typeof draft>, RegExp]> = [
    [[1, {}, OTHER_PEER], /names the peer 12D3KooWD/],
    [[1, { title: 'x' }], /\/title "x" must NOT have fewer than 3 characters/],
    [
      [1, { seller: { peerId: '12D3KooWQ5q8dmB4o2RzUNyWWtoqsJvv1RZsFuv3g1aYnGBbUYhd', account: OTHER_ACCOUNT } }],
      /account/
    ]
  ]
  for (const [args, message] of cases) {
    await assert.rejects(node.registry.publish(draft(...args)), (error) => {
      assert.ok(error instanceof DdmError)
      assert.match(error.message, message)
      return true
    })
  }
  assert.equal(node.chain.calls.post, undefined)
})

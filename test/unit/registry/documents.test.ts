import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Address, Hex, ListingDocument } from '../../../src/interface/index.ts'
import { encodeDocument, manifestToCid } from '../../../src/registry/index.ts'
import { MemoryChain, type MemoryEvent } from '../../support/memory-chain.ts'
import {
  ACCOUNT,
  documentOf,
  draft,
  OTHER_ACCOUNT,
  OTHER_PEER,
  PEER,
  SharedBlocks,
  salt,
  sha256,
  startNode,
  TOKEN,
  until
} from './market.ts'

interface Posted {
  /** What the event says, where it differs from the document. */
  event?: Partial<Extract<MemoryEvent, { event: 'ListingPut' }>>
  document?: Partial<ListingDocument>
  bytes?: Uint8Array
  seller?: Address
}

/** Posts behind the back of any honest publisher and returns the listing's ID. */
function post(chain: MemoryChain, blocks: SharedBlocks, n: number, posted: Posted = {}): Hex {
  const seller = posted.seller ?? OTHER_ACCOUNT
  const id = chain.listingId(seller, salt(n))
  const document = documentOf(n, { id, seller: { peerId: OTHER_PEER }, ...posted.document })
  const bytes = posted.bytes ?? encodeDocument(document).bytes
  const manifest = sha256(bytes)
  blocks.world.set(manifestToCid(manifest).toString(), bytes)
  const event = {
    event: 'ListingPut',
    seller,
    salt: salt(n),
    manifest,
    token: TOKEN,
    unitPrice: 100n,
    unit: 1
  } as const
  chain.mine([{ ...event, ...posted.event }])
  return id
}

test('a document must say what its event says', async () => {
  await using node = await startNode()
  const { chain, blocks, registry } = node
  const good = post(chain, blocks, 1)
  const cases: Array<[Hex, RegExp]> = [
    [post(chain, blocks, 2, { document: { id: good } }), /it is of listing 0x/],
    [post(chain, blocks, 3, { event: { unitPrice: 1n } }), /it asks 100 of 0x.* posted were 1 of/],
    [post(chain, blocks, 4, { event: { token: `0x${'dd'.repeat(20)}` } }), /posted were 100 of 0xdd/],
    [post(chain, blocks, 5, { event: { unit: 2 } }), /per unit 2/],
    [post(chain, blocks, 6, { document: { seller: { peerId: PEER, account: ACCOUNT } } }), /it names the account/],
    [post(chain, blocks, 7, { bytes: new TextEncoder().encode('{"v":1}') }), /its document is bad: /],
    [post(chain, blocks, 8, { bytes: new Uint8Array(65_537) }), /has 65537 bytes/]
  ]
  await registry.synced()
  assert.deepEqual(
    (await registry.search({})).map(({ id }) => id),
    [good]
  )
  for (const [id, reason] of cases) {
    await assert.rejects(registry.get(id), (error: Error & { code: string }) => {
      assert.equal(error.code, 'notFound')
      assert.match(error.message, reason)
      return true
    })
  }
})

test('a bad document is fetched once, a missing one again and again', async () => {
  await using node = await startNode()
  const { chain, blocks, registry } = node
  const bad = post(chain, blocks, 1, { bytes: new TextEncoder().encode('not json') })
  await registry.synced()
  assert.equal(blocks.gets, 1)
  const late = post(chain, blocks, 2)
  const document = new Map(blocks.world)
  blocks.world.clear()
  await registry.synced()
  await assert.rejects(registry.get(late), /its document has not been found yet/)
  assert.equal(blocks.gets, 2)
  for (const [cid, bytes] of document) blocks.world.set(cid, bytes)
  await until(async () => (await registry.search({})).length === 1, 'the second attempt')
  assert.equal(blocks.gets, 3)
  await assert.rejects(registry.get(bad), /is bad/)
  // The same bad bytes under a new version and another listing: known already.
  post(chain, blocks, 1, { bytes: new TextEncoder().encode('not json') })
  post(chain, blocks, 3, { bytes: new TextEncoder().encode('not json') })
  await registry.synced()
  assert.equal(blocks.gets, 3)
})

test('who asks for a listing while its document is on its way gets it', async () => {
  await using node = await startNode({ documentWaitMs: 60_000 })
  const { chain, blocks, registry } = node
  const id = post(chain, blocks, 1)
  const document = new Map(blocks.world)
  blocks.world.clear()
  await registry.synced()
  const asked = registry.get(id)
  for (const [cid, bytes] of document) blocks.world.set(cid, bytes)
  assert.equal((await asked).id, id)
  await assert.rejects(registry.get(`0x${'ab'.repeat(32)}`), /no listing/)
})

test('who asks for a listing that the chain has just named gets it', async () => {
  await using node = await startNode({ documentWaitMs: 60_000 })
  const { chain, blocks, registry, index } = node
  const looked = Promise.withResolvers<void>()
  const has = blocks.has.bind(blocks)
  blocks.has = async (cid) => {
    await looked.promise
    return has(cid)
  }
  const id = post(chain, blocks, 1)
  const synced = registry.synced()
  const states = (): Promise<object[]> => index.all('select state from registry_head')
  await until(async () => (await states()).length === 1, 'the event')
  assert.deepEqual(await states(), [{ state: 'pending' }])
  const asked = registry.get(id)
  looked.resolve()
  assert.equal((await asked).id, id)
  await synced
})

test('a block with other bytes than its CID names is no document', async () => {
  await using node = await startNode()
  const { chain, blocks, registry } = node
  const id = post(chain, blocks, 1)
  const [cid] = blocks.world.keys()
  const [honest] = blocks.world.values()
  blocks.world.set(cid ?? '', encodeDocument(documentOf(1, { title: 'Forged' })).bytes)
  await registry.synced()
  await assert.rejects(registry.get(id), /has not been found/)
  blocks.world.set(cid ?? '', honest ?? new Uint8Array())
  await until(async () => (await registry.search({})).length === 1, 'the honest bytes')
})

test('one account fills its share and no more; a full node keeps and provides what it confirmed', async () => {
  await using node = await startNode({ keepDocuments: true, maxListingsPerAccount: 5 })
  const { chain, blocks, registry } = node
  for (let n = 0; n < 12; n++) post(chain, blocks, n)
  const other = post(chain, blocks, 50, { seller: `0x${'c3'.repeat(20)}` })
  await registry.synced()
  await registry.synced()
  const found = await registry.search({ limit: 200 })
  assert.equal(found.length, 6)
  assert.ok(found.some(({ id }) => id === other))
  await until(() => node.provided.length === 6, 'six provider records')
  assert.equal(blocks.local.size, 6)
  assert.deepEqual(Array.from(blocks.local.keys()).sort(), found.map(({ cid }) => cid).sort())
  await assert.rejects(registry.get(chain.listingId(OTHER_ACCOUNT, salt(11))), /its account has 5 listings already/)
})

test('a light node keeps no blocks of others', async () => {
  await using node = await startNode()
  post(node.chain, node.blocks, 1)
  await node.registry.synced()
  assert.equal((await node.registry.search({})).length, 1)
  assert.equal(node.blocks.local.size, 0)
})

test('reorganisations take listings away and bring older versions back, without fetching again', async () => {
  await using node = await startNode()
  const { chain, blocks, registry } = node
  const id = post(chain, blocks, 1, { document: { title: 'First version' } })
  await registry.synced()
  post(chain, blocks, 1, { document: { title: 'Second version' } })
  const other = post(chain, blocks, 2)
  await registry.synced()
  assert.equal((await registry.get(id)).document.title, 'Second version')
  const gets = blocks.gets
  chain.reorg(2, [[], [], []])
  await registry.synced()
  const listing = await registry.get(id)
  assert.equal(listing.document.title, 'First version')
  assert.equal(listing.version, 1)
  await assert.rejects(registry.get(other), { code: 'notFound' })
  assert.equal(blocks.gets, gets)
  chain.reorg(4, [[]])
  await registry.synced()
  assert.deepEqual(await registry.search({}), [])
  assert.deepEqual(await registry.search({ text: 'weather' }), [])
})

test('a kill between any two writes is made good at the next start', async () => {
  const chain = new MemoryChain({ account: ACCOUNT })
  const world = new Map<string, Uint8Array>()
  await using seller = await startNode({ chain, blocks: new SharedBlocks(world) })
  const listing = await seller.registry.publish(draft(1))
  await using node = await startNode({
    chain: new MemoryChain({ share: chain }),
    peerId: OTHER_PEER,
    blocks: new SharedBlocks(world)
  })
  await node.registry.synced()
  // As if killed after the contract's event was stored, before its document was looked for.
  await node.index.run([
    { sql: 'delete from registry_listing' },
    { sql: 'delete from registry_document' },
    { sql: 'insert into registry_todo select listing_id from registry_head' }
  ])
  assert.deepEqual(await node.registry.search({}), [])
  await node.registry.synced()
  assert.deepEqual(await node.registry.search({}), [listing])
})

test('watching ends with its signal, and a consumer that never reads is cut off', async () => {
  await using node = await startNode()
  const { chain, blocks, registry } = node
  const ended = registry.watch({}, { signal: AbortSignal.timeout(50) })
  for await (const _ of ended) assert.fail('nothing changes')
  const slow = registry.watch({})
  const [a, b] = [post(chain, blocks, 1), chain.listingId(OTHER_ACCOUNT, salt(1))]
  assert.equal(a, b)
  await registry.synced()
  const status = (to: 'active' | 'paused'): MemoryEvent => ({
    event: 'ListingStatus',
    seller: OTHER_ACCOUNT,
    salt: salt(1),
    status: to
  })
  for (let i = 0; i < 6; i++) {
    chain.mine([status(i % 2 === 0 ? 'paused' : 'active')])
    await registry.synced()
  }
  const seen: string[] = []
  for await (const { type } of slow) {
    seen.push(type)
    if (seen.length === 7) break
  }
  assert.deepEqual(seen, ['added', 'removed', 'added', 'removed', 'added', 'removed', 'added'])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { DdmError, type Hex } from '../../../src/interface/index.ts'
import { decodeAnnouncement, encodeAnnouncement } from '../../../src/registry/announcement.ts'
import { announcementTopic, encodeDocument, manifestToCid } from '../../../src/registry/index.ts'
import { MemoryChain } from '../../support/memory-chain.ts'
import {
  ACCOUNT,
  documentOf,
  draft,
  OTHER_ACCOUNT,
  OTHER_PEER,
  PEER,
  SharedBlocks,
  salt,
  startNode,
  THIRD_PEER,
  until
} from './market.ts'
import { PubSubNetwork } from './pubsub.ts'

const TOPIC = announcementTopic('test')
const TX: Hex = `0x${'77'.repeat(32)}`

function announcementOf(n: number, changes: Parameters<typeof documentOf>[1] = {}, version = 1) {
  const { cid, bytes } = encodeDocument(documentOf(n, changes))
  return { listingId: salt(n), version, cid, transaction: TX, account: ACCOUNT, document: bytes }
}

test('the same announcement, both ways', () => {
  const announcement = announcementOf(1)
  assert.deepEqual(decodeAnnouncement(encodeAnnouncement(announcement)), announcement)
  const { document: _, ...bare } = announcementOf(2)
  assert.deepEqual(decodeAnnouncement(encodeAnnouncement(bare)), bare)
  const large = announcementOf(3, { description: 'x'.repeat(4_000) })
  const bytes = encodeAnnouncement(large)
  assert.ok(bytes.length < 300)
  assert.equal(decodeAnnouncement(bytes).document, undefined)
})

test('malformed announcements are refused by form alone', () => {
  const { bytes: document, cid } = encodeDocument(documentOf(1))
  const good = {
    v: 1,
    listing: new Uint8Array(32),
    version: 1,
    cid,
    transaction: new Uint8Array(32),
    account: new Uint8Array(20),
    document
  }
  assert.doesNotThrow(() => decodeAnnouncement(encode(good)))
  const cases: Array<[unknown, RegExp]> = [
    [{ ...good, v: 2 }, /version 1/],
    [{ ...good, more: 1 }, /unknown key "more"/],
    [{ ...good, listing: new Uint8Array(31) }, /32 bytes of listing/],
    [{ ...good, account: 'me' }, /20 bytes of account/],
    [{ ...good, version: 0 }, /listing version/],
    [{ ...good, version: 1.5 }, /listing version/],
    [{ ...good, version: 2 ** 32 }, /listing version/],
    [{ ...good, cid: cid.toString() }, /CID of a listing/],
    [{ ...good, cid: CID.createV1(0x71, cid.multihash) }, /CID of a listing/],
    [{ ...good, cid: manifestToCid(TX) }, /another digest/],
    [{ ...good, document: 'text' }, /not bytes/],
    [[good], /not a map/],
    [{ ...good, document: new Uint8Array(4_096) }, /at most 4096/]
  ]
  for (const [value, message] of cases) assert.throws(() => decodeAnnouncement(encode(value)), message)
  assert.throws(() => decodeAnnouncement(new TextEncoder().encode('{"v":1}')), /not dag-cbor/)
})

test('no mutation of an announcement crashes the decoder or is read as the same', () => {
  const bytes = encodeAnnouncement(announcementOf(1))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1 }),
      (flips) => {
        const mutated = Uint8Array.from(bytes)
        for (const [at, flip] of flips) mutated[at] = (mutated[at] ?? 0) ^ flip
        try {
          assert.deepEqual(encodeAnnouncement(decodeAnnouncement(mutated)), mutated)
        } catch (error) {
          assert.ok(error instanceof DdmError, String(error))
        }
      }
    ),
    { numRuns: 3_000 }
  )
})

test('an announced listing is hidden unless asked for, then confirmed by the chain alone', async () => {
  await using node = await startNode({ peerId: OTHER_PEER, chain: new MemoryChain({ account: OTHER_ACCOUNT }) })
  const { chain } = node
  const id = chain.listingId(ACCOUNT, salt(1))
  const document = documentOf(1, { id })
  const { cid, bytes, manifest } = encodeDocument(document)
  const data = encodeAnnouncement({
    listingId: id,
    version: 1,
    cid,
    transaction: TX,
    account: ACCOUNT,
    document: bytes
  })
  assert.equal(await node.pubsub.receive(TOPIC, data, PEER), 'accept')
  await until(async () => (await node.registry.search({ announced: true })).length === 1, 'announced')
  assert.deepEqual(await node.registry.search({}), [])
  assert.deepEqual(await node.registry.search({ text: 'weather' }), [])
  const announced = await node.registry.get(id)
  assert.equal(announced.trust, 'announced')
  assert.equal(announced.transaction, undefined)
  assert.deepEqual(announced.document, document)
  await assert.rejects(node.registry.get(id.slice(0, 10)), { code: 'notFound' })

  const token = document.payment[0]?.asset?.split(':').at(-1) as Hex
  chain.mine([{ event: 'ListingPut', seller: ACCOUNT, salt: salt(1), manifest, token, unitPrice: 100n, unit: 1 }])
  await node.registry.synced()
  assert.equal((await node.registry.get(id)).trust, 'confirmed')
  assert.equal((await node.registry.search({ announced: true })).length, 1)
  assert.equal(node.blocks.gets, 0, 'the document came with the announcement')
})

test('announcements of strangers never displace what the chain confirms', async () => {
  await using node = await startNode()
  const listing = await node.registry.publish(draft(1))
  const stranger = documentOf(1, {
    id: listing.id,
    title: 'Cheaper and better',
    seller: { peerId: OTHER_PEER, account: OTHER_ACCOUNT }
  })
  for (let version = 1; version < 60; version++) {
    const { cid, bytes } = encodeDocument({ ...stranger, title: `Cheaper ${version}` })
    const data = encodeAnnouncement({
      listingId: listing.id,
      version,
      cid,
      transaction: TX,
      account: OTHER_ACCOUNT,
      document: bytes
    })
    assert.equal(await node.pubsub.receive(TOPIC, data, OTHER_PEER), 'accept')
  }
  await node.registry.synced()
  assert.deepEqual(await node.registry.get(listing.id), listing)
  assert.deepEqual(await node.registry.search({ announced: true }), [listing])
})

test('the validator rejects what is malformed or of another, and ignores what is too much', async () => {
  await using node = await startNode()
  const send = (announcement: Parameters<typeof encodeAnnouncement>[0], from = PEER, neighbour?: string) =>
    node.pubsub.receive(TOPIC, encodeAnnouncement(announcement), from, neighbour)
  assert.equal(await node.pubsub.receive(TOPIC, new Uint8Array(4_097), OTHER_PEER), 'reject')
  assert.equal(await node.pubsub.receive(TOPIC, new TextEncoder().encode('hello'), OTHER_PEER), 'reject')
  assert.equal(await send(announcementOf(1), OTHER_PEER), 'reject', 'the document is of another peer')
  assert.equal(await send({ ...announcementOf(1), listingId: salt(9) }), 'reject', 'of another listing')
  assert.equal(await send({ ...announcementOf(1, { seller: { peerId: PEER, account: OTHER_ACCOUNT } }) }), 'reject')
  const junk = new TextEncoder().encode('{"v":1}')
  const { manifest } = { manifest: `0x${'00'.repeat(32)}` as Hex }
  assert.equal(await send({ ...announcementOf(1), cid: manifestToCid(manifest), document: junk }), 'reject')
  assert.equal(await send(announcementOf(1)), 'accept')
  assert.equal(await send(announcementOf(1)), 'ignore', 'the same again')
  assert.equal(await send(announcementOf(1, { title: 'Next' }, 2)), 'accept', 'another version')
  const verdicts = new Map<string, number>()
  for (let n = 10; n < 210; n++) {
    const verdict = await send(announcementOf(n))
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
  }
  assert.ok((verdicts.get('accept') ?? 0) < 70, `${verdicts.get('accept')} of a flood were accepted`)
  assert.equal(verdicts.get('reject'), undefined)
})

test('a flood of announcements stays bounded, in all and per peer', async () => {
  await using node = await startNode({ maxAnnounced: 40, peerId: THIRD_PEER })
  for (let n = 1; n <= 60; n++) await node.pubsub.receive(TOPIC, encodeAnnouncement(announcementOf(n)), PEER)
  for (let n = 61; n <= 120; n++) {
    const announcement = announcementOf(n, { seller: { peerId: OTHER_PEER } })
    await node.pubsub.receive(TOPIC, encodeAnnouncement(announcement), OTHER_PEER)
  }
  const newest = async () => (await node.registry.search({ announced: true, limit: 200 }))[0]?.id
  await until(async () => (await newest()) === salt(120), 'the newest announcement')
  const rows = await node.index.all<{ source: string; n: number }>(
    'select source, count(*) as n from registry_listing group by source order by source'
  )
  const counts = Object.fromEntries(rows.map(({ source, n }) => [source, Number(n)]))
  assert.deepEqual(counts, { [OTHER_PEER]: 32, [PEER]: 8 })
  for (const table of ['registry_text', 'registry_listing']) {
    const [count] = await node.index.all<{ n: number }>(`select count(*) as n from ${table}`)
    assert.equal(Number(count?.n), 40, table)
  }
})

test('own listings are announced at once, again when somebody joins, and not to an empty room', async () => {
  const chain = new MemoryChain({ account: ACCOUNT })
  const gossip = new PubSubNetwork()
  const world = new Map<string, Uint8Array>()
  await using seller = await startNode({ chain, gossip, blocks: new SharedBlocks(world) })
  const listing = await seller.registry.publish(draft(1))
  assert.equal(seller.pubsub.sent.length, 0)
  await using buyer = await startNode({ chain: new MemoryChain({ share: chain }), gossip, peerId: OTHER_PEER })
  await until(() => seller.pubsub.sent.length === 1, 'announced to the newcomer')
  // The buyer's blocks are empty: the document can only have come with the announcement.
  await until(async () => (await buyer.registry.search({})).length === 1, 'confirmed')
  assert.deepEqual(await buyer.registry.get(listing.id), listing)

  await seller.registry.publish(draft(2))
  await until(() => seller.pubsub.sent.length === 2, 'the second is announced at once, the first not again')
  await seller.registry.setStatus(listing.id, 'retired')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(seller.pubsub.sent.length, 2)
  assert.ok(seller.pubsub.sent.every((data) => data.length <= 4_096))
})

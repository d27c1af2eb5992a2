import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { CID } from 'multiformats/cid'
import { HELLO_TIMEOUT_MS, MENU_PAGE } from '../../../src/protocols/sdpp/constants.ts'
import { type Product, requestMenu, STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain, encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { type StatementFields, signStatement } from '../../../src/statements/index.ts'
import {
  jsonRecords,
  ManualClock,
  makeListing,
  makePair,
  makeSigner,
  openStreams,
  type Pair,
  serve,
  silent
} from '../../support/sdpp.ts'
import { RawBuyer, RawPeer } from '../../support/sdpp-raw.ts'

function manyProducts(pair: Pair, count: number): Product[] {
  const price = { amount: '100', count: 1, unit: 'record' } as const
  const title = '😀'.repeat(100)
  return Array.from({ length: count }, (_, i) => ({
    ...pair.product,
    listing: makeListing(pair.sellerSigner.peerId, price, { title: `${i}`.padStart(3, '0') + title })
  }))
}

test('a menu of several pages comes whole, in order, knowing the peer ID only', async (t) => {
  const pair = await makePair(t)
  const products = manyProducts(pair, 2 * MENU_PAGE + 1)
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound, { products })
  const components = { clock: new ManualClock(), logger: silent }
  const entries = await requestMenu(outbound, pair.sellerSigner.peerId, components)
  await done
  assert.deepEqual(
    entries.map(({ cid }) => cid.toString()),
    products.map(({ listing }) => listing.cid)
  )
  assert.deepEqual([entries[0]?.amount, entries[0]?.count, entries[0]?.unit], [100n, 1n, 'record'])
  assert.ok(entries.every(({ title }) => title.length <= 200))
})

test('an empty menu, and the number of records of a finite product', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(7))
  await pair.log.finish()
  const ask = async (products: Product[]): ReturnType<typeof requestMenu> => {
    const [outbound, inbound] = await openStreams()
    serve(pair, inbound, { products })
    return requestMenu(outbound, pair.sellerSigner.peerId, { clock: new ManualClock(), logger: silent })
  }
  assert.deepEqual(await ask([]), [])
  assert.equal((await ask([pair.product]))[0]?.records, 7n)
})

test('a page beyond the last is empty', async (t) => {
  const pair = await makePair(t)
  const [outbound, inbound] = await openStreams()
  serve(pair, inbound)
  const peer = new RawPeer(outbound)
  peer.send(encodePlain('HELLO', { versions: [2n], nonce: new Uint8Array(16), pay: [], after: (1n << 64n) - 1n }))
  const { statement } = await peer.next('MENU')
  assert.deepEqual(statement.content.listings, [])
  assert.equal(statement.content.next, undefined)
  await outbound.close()
})

test('after the menu the same stream may ask for an offer', async (t) => {
  const pair = await makePair(t)
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const buyer = new RawBuyer(pair, outbound)
  buyer.send(encodePlain('HELLO', { versions: [2n], nonce: buyer.nonce, pay: [] }))
  await buyer.next('MENU')
  await buyer.hello()
  assert.equal(buyer.offer?.content.listing.toString(), pair.listing.cid)
  await outbound.close()
  await done
})

test('what is paused is neither in the menu nor offered', async (t) => {
  const pair = await makePair(t)
  const paused: Product = { ...pair.product, listing: { ...pair.listing, status: 'paused' } }
  const [outbound, inbound] = await openStreams()
  serve(pair, inbound, { products: [paused] })
  const buyer = new RawBuyer(pair, outbound)
  buyer.send(encodePlain('HELLO', { versions: [2n], nonce: buyer.nonce, pay: [] }))
  assert.deepEqual((await buyer.next('MENU')).statement.content.listings, [])
  const listing = CID.parse(pair.listing.cid)
  buyer.send(encodePlain('HELLO', { versions: [2n], nonce: buyer.nonce, pay: [{ rail: 'evm' as const }], listing }))
  assert.equal(await buyer.status(), STATUS.unknownListing)
})

async function answered(
  t: TestContext,
  answer: (peer: RawPeer, pair: Pair, nonce: Uint8Array) => void | Promise<void>
): Promise<{ result: ReturnType<typeof requestMenu>; peer: RawPeer }> {
  const pair = await makePair(t)
  const [outbound, inbound] = await openStreams()
  const peer = new RawPeer(inbound)
  const result = requestMenu(outbound, pair.sellerSigner.peerId, { clock: new ManualClock(), logger: silent })
  result.catch(() => {})
  const { content } = await peer.next('HELLO')
  assert.equal(content.listing, undefined)
  await answer(peer, pair, content.nonce)
  return { result, peer }
}

const menu = (peer: RawPeer, signer: Pair['sellerSigner'], fields: StatementFields<'menu'>): void =>
  peer.send(encodeSigned('MENU', signStatement(signer, 'menu', fields, 0)))

test('a menu for another request, or of another peer, is refused', async (t) => {
  const other = await makeSigner()
  const stale = await answered(t, (peer, pair) =>
    menu(peer, pair.sellerSigner, { nonce: new Uint8Array(16), listings: [] })
  )
  await assert.rejects(stale.result, /not signed by/)
  assert.equal(await stale.peer.status(), STATUS.badSignature)
  const foreign = await answered(t, (peer, _, nonce) => menu(peer, other, { nonce, listings: [] }))
  await assert.rejects(foreign.result, /not signed by/)
})

test('a seller that never ends its menu is asked for 64 pages and no more', async (t) => {
  const { result, peer } = await answered(t, async (peer, pair, nonce) => {
    let asked = nonce
    for (let page = 1; page < 64; page++) {
      menu(peer, pair.sellerSigner, { nonce: asked, listings: [], next: 0n })
      asked = (await peer.next('HELLO')).content.nonce
    }
    menu(peer, pair.sellerSigner, { nonce: asked, listings: [], next: 0n })
  })
  assert.deepEqual(await result, [])
  assert.equal(peer.seen.filter(({ name }) => name === 'HELLO').length, 64)
})

test('a status, another message, silence and an abort end the request', async (t) => {
  const refused = await answered(t, (peer) => peer.send(encodePlain('STATUS', { code: 205n, text: 'busy' })))
  await assert.rejects(refused.result, /refused \(205\)/)
  const odd = await answered(t, (peer) => peer.send(encodePlain('POSITION', { n: 0n })))
  await assert.rejects(odd.result, /instead of MENU/)
  const pair = await makePair(t)
  const clock = new ManualClock()
  const [outbound] = await openStreams()
  const silentPeer = requestMenu(outbound, pair.sellerSigner.peerId, { clock, logger: silent })
  silentPeer.catch(() => {})
  clock.advance(HELLO_TIMEOUT_MS)
  await assert.rejects(silentPeer, /no menu came/)
  const [stream] = await openStreams()
  const signal = AbortSignal.abort()
  await assert.rejects(requestMenu(stream, pair.sellerSigner.peerId, { clock, logger: silent }, { signal }))
})

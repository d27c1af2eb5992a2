import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Ajv } from 'ajv'
import type { ApiHost } from '../../../src/api/operation.ts'
import { offerProduct } from '../../../src/api/operations/products.ts'
import { Products, type ProductsInit } from '../../../src/api/products.ts'
import { ProductWishSchema } from '../../../src/api/schemas/product.ts'
import { strictSchema } from '../../../src/api/strict-schema.ts'
import { DdmError, type Hex, type Listing, type ListingStatus } from '../../../src/interface/index.ts'
import { createLogger, type Sale, type SellOptions } from '../../../src/node/index.ts'
import { httpServer } from '../../support/http-feed.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** What a node sells for the API, with real sources; what they give is only counted. */

const LISTING = { id: '0x12' as Hex } as Listing

/** @param chain - status of each listing that was published, as the chain has it */
async function productsOf(
  t: TestContext,
  before: (options: SellOptions) => void = () => {},
  chain: () => ReadonlyMap<string, ListingStatus> = () => new Map()
): Promise<{ products: Products; given: Buffer[]; home: string }> {
  const given: Buffer[] = []
  const sell = async (options: SellOptions): Promise<Sale> => {
    before(options)
    const { source } = options
    const stop = new AbortController()
    t.after(() => stop.abort())
    const read = async (): Promise<void> => {
      for await (const { bytes } of source.records({ signal: stop.signal })) given.push(Buffer.from(bytes))
    }
    const fed = read()
    fed.catch(() => {})
    const log = { head: 0n, tail: 0n, finished: false }
    return { listing: LISTING, fed, log, dropped: 0, stop: async () => stop.abort() }
  }
  const get = async (id: string) => {
    const status = chain().get(id)
    if (status === undefined) throw new DdmError('notFound', `no listing ${id}`)
    return { id, status }
  }
  const listings = { setStatus: async () => {}, synced: async () => {}, get }
  const node = { home: await tempDir(t), sell, listings }
  const logger = createLogger({ level: 'error' })
  const products = new Products({ node: node as unknown as ProductsInit['node'], logger })
  return { products, given, home: node.home }
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 2_000, 'waited in vain')
    await sleep(5)
  }
}

test('a product whose source cannot be reached waits, says why, and goes on when it can', async (t) => {
  const server = await httpServer(t, (_, response) => response.end('{"a":1}'))
  await server.close()
  const { products, given } = await productsOf(t)
  const offered = await products.offer({ title: 'Air', price: '0', source: server.url, period: 100 })
  await until(() => offered.feed().feeding === 'waiting')
  assert.match(offered.feed().problem ?? '', /127\.0\.0\.1.*nothing listens there/)
  await server.open()
  await until(() => given.length === 1)
  assert.deepEqual(offered.feed(), { feeding: 'running' })
})

test('headers are sent to the source, also when it is resumed, and shown to nobody', async (t) => {
  const server = await httpServer(t, (_, response) => response.end('{"a":1}'))
  const { products, given } = await productsOf(t)
  const body = {
    product: { title: 'Air', price: '0', source: server.url, headers: { Authorization: 'Bearer secret' } }
  }
  const isValid = new Ajv({ strict: false }).compile(strictSchema(ProductWishSchema))
  assert.ok(isValid(body), JSON.stringify(isValid.errors))
  assert.ok(!isValid({ product: { ...body.product, headers: { 'Two words': 'x' } } }))
  const shown = await offerProduct.run({ products } as ApiHost, { body } as never, t)
  assert.doesNotMatch(inspect(shown, { depth: 9 }), /secret/)
  await until(() => given.length === 1)
  await products.setStatus(LISTING.id, 'paused')
  await products.setStatus(LISTING.id, 'active')
  await until(() => given.length === 2)
  assert.deepEqual(
    server.requests.map(({ headers }) => headers.authorization),
    ['Bearer secret', 'Bearer secret']
  )
})

test('a product whose source has failed is read anew when it is resumed', async (t) => {
  let status = 404
  const server = await httpServer(t, (_, response) => response.writeHead(status).end('{"a":1}'))
  const { products, given } = await productsOf(t)
  const offered = await products.offer({ title: 'Air', price: '0', source: server.url, period: 100 })
  await until(() => offered.feed().feeding === 'failed')
  status = 200
  await products.setStatus(LISTING.id, 'active')
  await until(() => given.length === 1)
  assert.deepEqual(products.get('0x12').feed(), { feeding: 'running' })
})

test('what was on sale before and cannot be now is tried again, ever less often, until it is', async (t) => {
  const server = await httpServer(t, (_, response) => response.end('{"a":1}'))
  let tries = 0
  let problem: DdmError | undefined = new DdmError('unreachable', 'the chain does not answer')
  const { products, given, home } = await productsOf(t, () => {
    tries++
    if (problem !== undefined) throw problem
  })
  const kept = { listing: LISTING.id, product: { title: 'Air', price: '0', source: server.url } }
  await writeFile(join(home, 'products.json'), JSON.stringify({ products: [kept] }))
  t.mock.timers.enable({ apis: ['setInterval'] })
  let now = performance.now()
  t.mock.method(performance, 'now', () => now)
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 15_000) {
      now += 15_000
      t.mock.timers.tick(15_000)
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const unwatch = products.watch()
  t.after(unwatch)
  await products.reopen()
  assert.equal(tries, 1)
  await pass(15_000)
  assert.equal(tries, 2)
  await pass(15_000)
  assert.equal(tries, 2, 'twice as long')
  await pass(15_000)
  assert.equal(tries, 3)
  assert.deepEqual(products.list(), [])
  problem = undefined
  await pass(60_000)
  assert.equal(tries, 4)
  assert.equal(products.list().length, 1)
  t.mock.timers.reset()
  await until(() => given.length === 1)
  assert.equal(tries, 4)
})

test('what is wrong with a product that was on sale before is said once', async (t) => {
  let tries = 0
  const { products, home } = await productsOf(t, () => {
    tries++
    throw new DdmError('config', 'this product cannot be')
  })
  const kept = { listing: LISTING.id, product: { title: 'Air', price: '0', source: 'telemetry' } }
  await writeFile(join(home, 'products.json'), JSON.stringify({ products: [kept] }))
  t.mock.timers.enable({ apis: ['setInterval'] })
  t.after(products.watch())
  await products.reopen()
  t.mock.timers.tick(1_000_000)
  assert.equal(tries, 1)
})

test('a run that goes on with nothing keeps what earlier ones sold beside what is published in it', async (t) => {
  const { products, home } = await productsOf(t)
  const file = join(home, 'products.json')
  const earlier = { listing: '0x34' as Hex, product: { title: 'Wind', price: '0', source: 'telemetry' } }
  const added = { listing: LISTING.id, product: { title: 'Air', price: '0', source: 'telemetry' } }
  await writeFile(file, JSON.stringify({ products: [earlier] }))
  await products.offer(added.product)
  assert.equal(products.list().length, 1)
  const kept = async (): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'))
  assert.deepEqual(await kept(), { products: [earlier, added] })
  // Goes on in the run that goes on with it; here somebody else may feed it.
  await products.setStatus(earlier.listing, 'active')
  assert.equal(products.list().length, 1)
  await products.setStatus(LISTING.id, 'retired')
  assert.deepEqual(await kept(), { products: [earlier] })
})

test('a file of products that cannot be read is not written over', async (t) => {
  const { products, home } = await productsOf(t)
  const file = join(home, 'products.json')
  await writeFile(file, '{"products":[')
  const offered = products.offer({ title: 'Air', price: '0', source: 'telemetry' })
  await assert.rejects(offered, { code: 'config', message: /products\.json is not JSON/ })
  assert.equal(await readFile(file, 'utf8'), '{"products":[')
  assert.deepEqual(products.list(), [])
})

test('what was paused, resumed or retired while no node ran is what the chain says after a restart', async (t) => {
  const chain = new Map<string, ListingStatus>([
    ['0x0a', 'paused'],
    ['0x0b', 'retired'],
    [LISTING.id, 'active']
  ])
  const sold: string[] = []
  const { products, home } = await productsOf(
    t,
    ({ title }) => sold.push(title),
    () => chain
  )
  const file = join(home, 'products.json')
  const product = (title: string) => ({ title, price: '0', source: 'telemetry' })
  const paused = { listing: '0x0a' as Hex, product: product('Paused') }
  const retired = { listing: '0x0b', product: product('Retired') }
  const resumed = { listing: LISTING.id, product: product('Resumed') }
  const gone = { listing: '0x0d', product: product('Not on this chain'), paused: true }
  await writeFile(file, JSON.stringify({ products: [paused, retired, { ...resumed, paused: true }, gone] }))
  t.mock.timers.enable({ apis: ['setInterval'] })
  t.after(products.watch())
  await products.reopen()
  const now = { products: [{ ...paused, paused: true }, resumed, gone] }
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), now)
  t.mock.timers.tick(1_000_000)
  assert.deepEqual(sold, ['Resumed'])
  t.mock.timers.reset()
  await products.setStatus(paused.listing, 'active')
  assert.deepEqual(sold, ['Resumed', 'Paused'])
})

test('a product that waits for the chain and is paused meanwhile is not tried again', async (t) => {
  let tries = 0
  const { products, home } = await productsOf(
    t,
    () => assert.fail('it is paused'),
    () => {
      tries++
      throw new DdmError('unreachable', 'the chain does not answer')
    }
  )
  const kept = { listing: LISTING.id, product: { title: 'Air', price: '0', source: 'telemetry' } }
  await writeFile(join(home, 'products.json'), JSON.stringify({ products: [kept] }))
  t.mock.timers.enable({ apis: ['setInterval'] })
  let now = performance.now()
  t.mock.method(performance, 'now', () => now)
  t.after(products.watch())
  await products.reopen()
  assert.equal(tries, 1)
  await products.setStatus(LISTING.id, 'paused')
  now += 1_000_000
  t.mock.timers.tick(15_000)
  assert.equal(tries, 1)
})

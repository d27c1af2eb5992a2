import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Ajv } from 'ajv'
import type { ApiHost } from '../../../src/api/operation.ts'
import { offerProduct } from '../../../src/api/operations/products.ts'
import { Products, type ProductsInit } from '../../../src/api/products.ts'
import { ProductWishSchema } from '../../../src/api/schemas/product.ts'
import { strictSchema } from '../../../src/api/strict-schema.ts'
import type { Hex, Listing } from '../../../src/interface/index.ts'
import { createLogger, type Sale, type SellOptions } from '../../../src/node/index.ts'
import { httpServer } from '../../support/http-feed.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** What a node sells for the API, with real sources; what they give is only counted. */

const LISTING = { id: '0x12' as Hex } as Listing

async function productsOf(t: TestContext): Promise<{ products: Products; given: Buffer[] }> {
  const given: Buffer[] = []
  const sell = async ({ source }: SellOptions): Promise<Sale> => {
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
  const node = { home: await tempDir(t), sell, listings: { setStatus: async () => {} } }
  const logger = createLogger({ level: 'error' })
  const products = new Products({ node: node as unknown as ProductsInit['node'], logger })
  return { products, given }
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

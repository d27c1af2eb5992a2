import Type from 'typebox'
import { DdmError, type Hex } from '../../interface/index.ts'
import { operation } from '../operation.ts'
import type { Offered } from '../products.ts'
import { Empty } from '../schemas/node.ts'
import { ListingPath, ProductSchema, ProductWishSchema, PushedSchema } from '../schemas/product.ts'

function shown({ sale, source, feed }: Offered) {
  const { listing, log } = sale
  return {
    listing,
    ...(source === undefined ? {} : { source }),
    head: log.head,
    tail: log.tail,
    finished: log.finished,
    dropped: sale.dropped,
    ...feed()
  }
}

export const listProducts = operation({
  id: 'listProducts',
  method: 'GET',
  path: '/v1/products',
  summary: 'what this node sells now',
  result: Type.Array(ProductSchema),
  run: async ({ products }) => products.list().map(shown)
})

/** Where the pushing begins; a log that is finished already asks its source for nothing, so it never says. */
async function startOf({ push, sale }: Offered): Promise<string | undefined> {
  if (push === undefined || sale.log.finished) return undefined
  return Promise.race([push.from, sale.fed.then(() => undefined)])
}

export const offerProduct = operation({
  id: 'offerProduct',
  method: 'POST',
  path: '/v1/products',
  summary: 'publishes a product and serves it, from a source that the node opens or with records that are pushed',
  command: 'sell',
  body: ProductWishSchema,
  result: ProductSchema,
  run: async ({ products }, { body }) => {
    const offered = await products.offer(body.product, body.push)
    const from = await startOf(offered)
    return { ...shown(offered), ...(from === undefined ? {} : { from }) }
  }
})

export const getProduct = operation({
  id: 'getProduct',
  method: 'GET',
  path: '/v1/products/:id',
  summary: 'one product that this node sells',
  params: ListingPath,
  result: ProductSchema,
  run: async ({ products }, { params }) => shown(products.get(params.id))
})

export const pushRecords = operation({
  id: 'pushRecords',
  method: 'POST',
  path: '/v1/products/:id/records',
  summary: 'adds records to a pushed product; answered when they are durable',
  params: ListingPath,
  body: PushedSchema,
  result: ProductSchema,
  run: async ({ products }, { params, body }) => {
    const offered = products.get(params.id)
    const { push } = offered
    if (push === undefined) throw new DdmError('usage', `product ${params.id} reads its source by itself`)
    offered.heardAt = performance.now()
    await push.push(
      body.records.map(({ data, position }) => ({
        bytes: Buffer.from(data, 'base64'),
        ...(position === undefined ? {} : { position })
      }))
    )
    if (body.failed !== undefined) push.end(new DdmError('badRecord', body.failed))
    else if (body.end === true) {
      push.end()
      await offered.sale.fed
    }
    return shown(offered)
  }
})

export const endProduct = operation({
  id: 'endProduct',
  method: 'DELETE',
  path: '/v1/products/:id',
  summary: 'takes a pushed product off sale; the listing stays',
  params: ListingPath,
  result: Empty,
  run: async ({ products }, { params }) => {
    await products.end(products.get(params.id).sale.listing.id as Hex)
    return {}
  }
})

import Type from 'typebox'
import { eventOperation, operation } from '../operation.ts'
import { Name, Rail } from '../schemas/common.ts'
import {
  FacetsSchema,
  ListingEventSchema,
  ListingSchema,
  MenuEntrySchema,
  QuoteSchema,
  SearchQuerySchema,
  Status
} from '../schemas/listing.ts'
import { Empty } from '../schemas/node.ts'
import { ListingPath } from '../schemas/product.ts'

export const searchListings = operation({
  id: 'searchListings',
  method: 'GET',
  path: '/v1/listings',
  summary: 'listings of the market: full text, place, price, seller',
  command: ['search', 'listings list'],
  query: SearchQuerySchema,
  result: Type.Array(ListingSchema),
  run: ({ node }, { query }, options) => node.listings.search(query, options)
})

export const countFacets = operation({
  id: 'countFacets',
  method: 'GET',
  path: '/v1/listings/facets',
  summary: 'what the results of a search can be narrowed by: keyword, kind, rail, license, and how many have each',
  query: SearchQuerySchema,
  result: FacetsSchema,
  run: ({ node }, { query }, options) => node.listings.facets(query, options)
})

export const watchListings = eventOperation({
  id: 'watchListings',
  method: 'GET',
  path: '/v1/listings/events',
  summary: 'listings as they come, change and go',
  query: SearchQuerySchema,
  events: { listing: ListingEventSchema },
  run: async function* ({ node }, { query }, options) {
    for await (const event of node.listings.watch(query, options)) yield { event: 'listing', data: event }
  }
})

export const syncListings = operation({
  id: 'syncListings',
  method: 'POST',
  path: '/v1/listings/sync',
  summary: "answers when the index has reached the chain's head as of the call",
  result: Empty,
  run: async ({ node }, _input, options) => {
    await node.listings.synced(options)
    return {}
  }
})

export const getListing = operation({
  id: 'getListing',
  method: 'GET',
  path: '/v1/listings/:id',
  summary: 'one listing by ID, unique prefix or CID of its document',
  command: 'show',
  params: ListingPath,
  result: ListingSchema,
  run: ({ node }, { params }, options) => node.listings.get(params.id, options)
})

export const setListingStatus = operation({
  id: 'setListingStatus',
  method: 'PUT',
  path: '/v1/listings/:id/status',
  summary: 'pauses, goes on with, or retires a listing of this node',
  command: ['listings pause', 'listings resume', 'listings retire'],
  params: ListingPath,
  body: Type.Object({ status: Status }, { additionalProperties: false }),
  result: ListingSchema,
  run: async ({ node, products }, { params, body }, options) => {
    const { id } = await node.listings.get(params.id, options)
    await products.setStatus(id, body.status, options)
    await node.listings.synced(options)
    return node.listings.get(id, options)
  }
})

export const quoteListing = operation({
  id: 'quoteListing',
  method: 'GET',
  path: '/v1/listings/:id/quote',
  summary: 'how a purchase would be paid, and what paying costs; orders nothing',
  params: ListingPath,
  query: Type.Object({ rail: Type.Optional(Rail), k: Type.Optional(Type.Integer({ minimum: 1 })) }),
  result: QuoteSchema,
  run: ({ node }, { params, query }, options) => node.quote(params.id, { ...query, ...options })
})

export const getMenu = operation({
  id: 'getMenu',
  method: 'GET',
  path: '/v1/peers/:peer/menu',
  summary: 'what a peer sells, knowing only its ID',
  command: 'menu',
  params: Type.Object({ peer: Name }),
  result: Type.Array(MenuEntrySchema),
  run: ({ node }, { params }, options) => node.menu(params.peer, options)
})

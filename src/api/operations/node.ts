import Type from 'typebox'
import { operation, rawOperation } from '../operation.ts'
import { Document } from '../schemas/listing.ts'
import { HealthSchema, NodeSchema, PeerSchema } from '../schemas/node.ts'
import { TotalExposureSchema } from '../schemas/session.ts'

export const getNode = operation({
  id: 'getNode',
  method: 'GET',
  path: '/v1/node',
  summary: 'who this node is: peer ID, account, addresses, network',
  command: 'status',
  result: NodeSchema,
  run: async ({ node, version, startedAt }) => ({
    version,
    peerId: node.peerId,
    account: node.account,
    home: node.home,
    addresses: node.addresses(),
    unconfirmedAddresses: node.unconfirmedAddresses(),
    profile: node.profile,
    startedAt,
    pid: process.pid
  })
})

export const getTotalExposure = operation({
  id: 'getTotalExposure',
  method: 'GET',
  path: '/v1/exposure',
  summary: 'what this node may lose now, by role and rail',
  command: 'status',
  result: Type.Array(TotalExposureSchema),
  run: ({ node }, _input, options) => node.exposure(options)
})

export const getHealth = operation({
  id: 'getHealth',
  method: 'GET',
  path: '/health',
  summary: 'whether the node serves; needs no token',
  result: HealthSchema,
  run: async ({ startedAt }, _input, { signal }) => ({
    status: signal.aborted ? ('stopping' as const) : ('ok' as const),
    uptime: (Date.now() - startedAt) / 1000
  })
})

export const listPeers = operation({
  id: 'listPeers',
  method: 'GET',
  path: '/v1/peers',
  summary: 'connections that are open now',
  command: 'peers',
  result: Type.Array(PeerSchema),
  run: async ({ node }, _input, options) => node.peers(options)
})

export const getListingSchema = operation({
  id: 'getListingSchema',
  method: 'GET',
  path: '/v1/schemas/listing',
  summary: 'JSON Schema of a listing document: forms are made from it',
  result: Type.Unsafe<object>(Document),
  run: async ({ listingSchema }) => listingSchema
})

export const getMetrics = rawOperation({
  id: 'getMetrics',
  method: 'GET',
  path: '/metrics',
  summary: 'what Prometheus collects',
  raw: ['text/plain'],
  run: async ({ metrics }, _input, options) => {
    const { contentType, text } = await metrics(options)
    return { contentType, body: text }
  }
})

export const getOpenApi = rawOperation({
  id: 'getOpenApi',
  method: 'GET',
  path: '/v1/openapi.json',
  summary: 'this API, described',
  raw: ['application/json'],
  run: async ({ openApi }) => ({ contentType: 'application/json', body: JSON.stringify(openApi()) })
})

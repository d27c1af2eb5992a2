/**
 * DDM: sell and buy data streams peer to peer, paying per record while they flow.
 *
 * @example
 * ```ts
 * import { createNode } from 'ddm'
 *
 * const node = await createNode({ home: '.ddm/bot', network: 'network.json', insecureDevKeys: true })
 * const [listing] = await node.listings.search('weather')
 * for await (const record of node.buy(listing, { records: 10, max: '0.01' })) console.log(record.json())
 * await node.stop()
 * ```
 *
 * @packageDocumentation
 */
export type {
  AbortOptions,
  DataSink,
  DataSource,
  ErrorCode,
  Listing,
  ListingDocument,
  ListingEvent,
  NetworkProfile,
  SearchQuery,
  SourceRecord
} from './interface/index.ts'
export { DdmError, EXIT_CODES, formatUnits, parseUnits } from './interface/index.ts'
export type {
  BuyOptions,
  DdmNode,
  FollowEvent,
  Following,
  FollowOptions,
  FollowOutcome,
  LocalNode,
  NodeInit,
  Purchase,
  PurchasedRecord,
  PurchaseEvent,
  PurchaseOutcome,
  PurchaseQuality,
  PurchaseStatus,
  Sale,
  SellOptions
} from './node/index.ts'
export { createNode, fileSink, parseSource, pour, pourFollowed, resumeFileSink, verifyReceipt } from './node/index.ts'

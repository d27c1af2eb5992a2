import { ask, askJson } from './http.ts'
import type {
  BudgetChange,
  Bundle,
  Channel,
  Claimed,
  Facets,
  Listing,
  Move,
  NodeInfo,
  Peer,
  Product,
  ProductWish,
  Purchase,
  PurchaseWish,
  Quote,
  Receipt,
  Selling,
  Session,
  Statement,
  Wallet
} from './types.ts'

interface Abortable {
  signal?: AbortSignal
}

export interface Search {
  text?: string | undefined
  bbox?: string | undefined
  seller?: string | undefined
  keyword?: string | undefined
  kind?: string | undefined
  rail?: string | undefined
  license?: string | undefined
  status?: 'active' | 'any' | undefined
}

/** More than a person reads, and the most that one call gives. */
export const MAX_LISTINGS = 200

const at = (id: string): string => encodeURIComponent(id)

/** The operations of the API (docs/guides/api.md) that the page uses. */
export const api = {
  node: (options?: Abortable) => askJson<NodeInfo>('GET', '/v1/node', options),
  peers: (options?: Abortable) => askJson<Peer[]>('GET', '/v1/peers', options),
  search: (query: Search, options?: Abortable) =>
    askJson<Listing[]>('GET', '/v1/listings', { query: { limit: MAX_LISTINGS, ...query }, ...options }),
  facets: (query: Search, options?: Abortable) =>
    askJson<Facets>('GET', '/v1/listings/facets', { query: { ...query }, ...options }),
  listing: (id: string, options?: Abortable) => askJson<Listing>('GET', `/v1/listings/${at(id)}`, options),
  quote: (id: string, rail?: string, options?: Abortable) =>
    askJson<Quote>('GET', `/v1/listings/${at(id)}/quote`, { query: { rail }, ...options }),
  setStatus: (id: string, status: Listing['status']) =>
    askJson<Listing>('PUT', `/v1/listings/${at(id)}/status`, { body: { status } }),
  listingSchema: (options?: Abortable) => askJson<Record<string, unknown>>('GET', '/v1/schemas/listing', options),
  products: (options?: Abortable) => askJson<Product[]>('GET', '/v1/products', options),
  offer: (body: ProductWish) => askJson<Product>('POST', '/v1/products', { body }),
  purchases: (options?: Abortable) => askJson<Purchase[]>('GET', '/v1/purchases', options),
  purchase: (id: string, options?: Abortable) => askJson<Purchase>('GET', `/v1/purchases/${at(id)}`, options),
  buy: (body: PurchaseWish) => askJson<Purchase>('POST', '/v1/purchases', { body }),
  stop: (id: string) => askJson<Purchase>('POST', `/v1/purchases/${at(id)}/stop`),
  file: (id: string, format: 'csv' | 'jsonl') => ask('GET', `/v1/purchases/${at(id)}/file`, { query: { format } }),
  sessions: (options?: Abortable) => askJson<Session[]>('GET', '/v1/sessions', options),
  session: (id: string, options?: Abortable) => askJson<Session>('GET', `/v1/sessions/${at(id)}`, options),
  selling: (options?: Abortable) => askJson<Selling[]>('GET', '/v1/sessions/selling', options),
  statements: (id: string, options?: Abortable) =>
    askJson<Statement[]>('GET', `/v1/sessions/${at(id)}/statements`, { query: { role: 'buyer' }, ...options }),
  moves: (id: string, options?: Abortable) =>
    askJson<Move[]>('GET', `/v1/sessions/${at(id)}/moves`, { query: { role: 'buyer' }, ...options }),
  receipts: (options?: Abortable) => askJson<Receipt[]>('GET', '/v1/receipts', options),
  bundle: (id: string, role: string) => askJson<Bundle>('GET', `/v1/receipts/${at(id)}`, { query: { role } }),
  wallet: (options?: Abortable) => askJson<Wallet>('GET', '/v1/wallet', options),
  setBudget: (body: BudgetChange) => askJson<object>('PATCH', '/v1/wallet/budget', { body }),
  freeze: () => askJson<object>('POST', '/v1/wallet/freeze'),
  unfreeze: () => askJson<object>('POST', '/v1/wallet/unfreeze'),
  channels: (options?: Abortable) => askJson<Channel[]>('GET', '/v1/channels', options),
  moveChannel: (id: string, how: 'withdraw' | 'finish' | 'refund') =>
    askJson<object>('POST', `/v1/channels/${at(id)}/${how}`, how === 'withdraw' ? { body: {} } : {}),
  claim: () => askJson<Claimed>('POST', '/v1/claims')
}

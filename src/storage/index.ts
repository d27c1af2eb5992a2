export { type Ledger, type LedgerInit, openLedger } from './ledger.ts'
export type { MetaStore } from './meta.ts'
export { type IndexDatabase, type IndexInit, openIndex } from './search-index.ts'

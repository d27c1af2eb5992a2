import type { AbortOptions, IndexStore, RegistryChain, SqlValue } from '../interface/index.ts'

/** Raised when tables change: the index is rebuilt from the chain. */
const TABLES_VERSION = 2

/**
 * What the chain says (`event`, `head`), what was found for it (`document`), what searches see (`listing` and its two
 * indexes, and their facets), and two durable work lists: `todo` (listings to look at again) and `missing` (documents to fetch). A crash
 * between any two transactions leaves a row in a work list, so nothing is forgotten.
 */
const TABLES = [
  `create table registry_checkpoint (id integer primary key check (id = 1), chain_id integer not null,
    genesis text not null, registry text not null, number integer not null, hash text not null) strict`,
  'create table registry_block (number integer primary key, hash text not null) strict',
  `create table registry_event (block_hash text not null, log_index integer not null, number integer not null,
    tx text not null, timestamp integer not null, kind text not null, listing_id text not null, seller text not null,
    version integer not null, manifest text, token text, unit_price text, unit integer, status text,
    primary key (block_hash, log_index)) strict`,
  'create index registry_event_listing on registry_event (listing_id, kind, number, log_index)',
  'create index registry_event_number on registry_event (number)',
  `create table registry_head (listing_id text primary key, seller text not null, version integer not null,
    manifest text not null, token text not null, unit_price text not null, unit integer not null, posted text not null,
    status text not null, updated_at integer not null, tx text not null, number integer not null,
    block_hash text not null, state text not null default 'pending', reason text) strict`,
  'create index registry_head_manifest on registry_head (manifest)',
  'create index registry_head_seller on registry_head (seller, state)',
  `create table registry_document (manifest text primary key, bytes blob, bad text, fetched_at integer not null,
    check ((bytes is null) = (bad is not null))) strict`,
  'create table registry_todo (listing_id text primary key) strict',
  `create table registry_missing (manifest text primary key, attempts integer not null default 0,
    next_at integer not null default 0) strict`,
  'create index registry_missing_next on registry_missing (next_at)',
  `create table registry_listing (id integer primary key, listing_id text not null, trust text not null,
    source text not null, posted text not null, version integer not null, manifest text not null, cid text not null,
    account text not null, peer_id text not null, status text not null, unit_price text not null,
    updated_at integer not null, document blob, unique (listing_id, trust, source)) strict`,
  'create index registry_listing_cid on registry_listing (cid)',
  'create index registry_listing_account on registry_listing (account)',
  `create virtual table registry_text using fts5 (title, description, keywords, words, content = '',
    contentless_delete = 1, tokenize = 'porter unicode61 remove_diacritics 2', prefix = '2 3')`,
  'create virtual table registry_area using rtree (id, west, east, south, north)',
  'create table registry_facet (id integer not null, facet text not null, value text not null, primary key (id, facet, value)) strict, without rowid',
  'create index registry_facet_value on registry_facet (facet, value, id)'
]

const NAMES = [
  'checkpoint',
  'block',
  'event',
  'head',
  'document',
  'todo',
  'missing',
  'listing',
  'text',
  'area',
  'facet'
].map((name) => `registry_${name}`)

/** One statement of a transaction. */
export interface Step {
  sql: string
  params?: SqlValue[]
}

export interface Checkpoint {
  number: bigint
  hash: string
}

/**
 * Makes the tables ready for this chain and returns where its sync stands. An index of another chain, of another
 * contract or of a fresh dev chain that reuses the same address (its genesis differs) is thrown away.
 */
export async function openTables(index: IndexStore, chain: RegistryChain, options?: AbortOptions): Promise<Checkpoint> {
  await index.run([{ sql: 'create table if not exists registry_tables (version integer not null) strict' }], options)
  const [version] = await index.all<{ version: number }>('select version from registry_tables', [], options)
  if (Number(version?.version) === TABLES_VERSION) {
    const [row] = await index.all<{
      chain_id: number
      genesis: string
      registry: string
      number: number
      hash: string
    }>('select chain_id, genesis, registry, number, hash from registry_checkpoint', [], options)
    if (
      row !== undefined &&
      Number(row.chain_id) === chain.chainId &&
      row.genesis === chain.genesisHash &&
      row.registry === chain.registry
    ) {
      return { number: BigInt(row.number), hash: row.hash }
    }
  }
  await index.run(
    [
      ...NAMES.map((name) => ({ sql: `drop table if exists ${name}` })),
      ...TABLES.map((sql) => ({ sql })),
      { sql: 'delete from registry_tables' },
      { sql: 'insert into registry_tables values (?)', params: [TABLES_VERSION] },
      {
        sql: 'insert into registry_checkpoint values (1, ?, ?, ?, 0, ?)',
        params: [chain.chainId, chain.genesisHash, chain.registry, chain.genesisHash]
      },
      { sql: 'insert into registry_block values (0, ?)', params: [chain.genesisHash] }
    ],
    options
  )
  return { number: 0n, hash: chain.genesisHash }
}

/** uint128 as text that sorts like the number: SQLite's integers end at 2^63. */
export function sortable(amount: bigint): string {
  return amount.toString().padStart(39, '0')
}

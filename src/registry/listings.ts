import { decode } from '@ipld/dag-json'
import type {
  Address,
  Hex,
  IndexStore,
  Listing,
  ListingDocument,
  ListingStatus,
  ListingTrust,
  SqlValue
} from '../interface/index.ts'
import { postedPrice } from './document.ts'
import { facetsOf } from './facets.ts'
import { longitudeRanges, searchText } from './search.ts'
import { type Step, sortable } from './tables.ts'

/** A listing to put into the table that searches read. */
export interface Entry {
  listingId: Hex
  trust: ListingTrust
  /** Peer that announced it; empty when confirmed. */
  source: string
  /** What the contract says of it, as `registry_head.posted`; empty while announced. */
  posted: string
  version: number
  manifest: Hex
  cid: string
  account: Address
  status: ListingStatus
  updatedAt: number
  document: ListingDocument
  /** Bytes of the document where `registry_document` does not keep them. */
  bytes?: Uint8Array
}

// A type alias, so that it is a Record<string, SqlValue>.
export type ListingRow = {
  id: number
  listing_id: string
  trust: string
  version: number
  cid: string
  account: string
  peer_id: string
  status: string
  updated_at: number
  document: Uint8Array
  tx: string | null
  number: number | null
  block_hash: string | null
}

/** Columns of a `ListingRow`; the tables that they come from. A status set on the chain counts at once. */
export const LISTING_COLUMNS = `l.id, l.listing_id, l.trust, l.version, l.cid, l.account, l.peer_id,
  coalesce(h.status, l.status) as status, coalesce(h.updated_at, l.updated_at) as updated_at,
  coalesce(l.document, d.bytes) as document, h.tx, h.number, h.block_hash`
export const LISTING_TABLES = `registry_listing l
  left join registry_head h on h.listing_id = l.listing_id and l.trust = 'confirmed'
  left join registry_document d on d.manifest = l.manifest`

/**
 * A confirmed row counts while it is what the chain says now, so a reorganisation hides it in its own transaction; an
 * announced one only while the chain says nothing about the listing.
 */
export const CONFIRMED = "(l.trust = 'confirmed' and h.posted = l.posted)"
export const ANNOUNCED = `(l.trust = 'announced' and not exists
  (select 1 from registry_head other where other.listing_id = l.listing_id))`

export function toListing(row: ListingRow): Listing {
  const listing: Listing = {
    id: row.listing_id as Hex,
    version: Number(row.version),
    cid: row.cid,
    status: row.status as ListingStatus,
    trust: row.trust as ListingTrust,
    account: row.account as Address,
    peerId: row.peer_id,
    // Checked when it was stored.
    document: decode<ListingDocument>(row.document),
    updatedAt: Number(row.updated_at)
  }
  if (row.tx !== null && row.number !== null && row.block_hash !== null) {
    listing.transaction = {
      hash: row.tx as Hex,
      blockNumber: BigInt(row.number),
      blockHash: row.block_hash as Hex
    }
  }
  return listing
}

/** Writes the searchable table with its text and area indexes. Row numbers grow, so the newest come first. */
export class ListingTable {
  readonly #index: IndexStore
  readonly #chainId: number
  #nextId = 1

  constructor(index: IndexStore, chainId: number) {
    this.#index = index
    this.#chainId = chainId
  }

  /** Announcements do not outlive the process that heard them. */
  async open(): Promise<void> {
    await this.#index.run(removeSteps("trust = 'announced'", []))
    const [row] = await this.#index.all<{ id: number | null }>('select max(id) as id from registry_listing')
    this.#nextId = Number(row?.id ?? 0) + 1
  }

  /** Steps that replace the listing's row of the same trust and source. */
  put(entry: Entry): Step[] {
    const { document } = entry
    const id = this.#nextId++
    const text = searchText(document)
    const price = sortable(postedPrice(document, this.#chainId).unitPrice)
    const values: SqlValue[] = [
      id,
      entry.listingId,
      entry.trust,
      entry.source,
      entry.posted,
      entry.version,
      entry.manifest,
      entry.cid,
      entry.account,
      document.seller.peerId,
      entry.status,
      price,
      entry.updatedAt,
      entry.bytes ?? null
    ]
    return [
      ...this.remove(entry.listingId, entry.trust, entry.source),
      { sql: `insert into registry_listing values (${values.map(() => '?').join(', ')})`, params: values },
      {
        sql: 'insert into registry_text (rowid, title, description, keywords, words) values (?, ?, ?, ?, ?)',
        params: [id, text.title, text.description, text.keywords, text.words]
      },
      ...areas(document).map((area, part) => ({
        sql: 'insert into registry_area values (?, ?, ?, ?, ?)',
        params: [id * 2 + part, ...area]
      })),
      ...facetsOf(document).map(([facet, value]) => ({
        sql: 'insert or ignore into registry_facet values (?, ?, ?)',
        params: [id, facet, value]
      }))
    ]
  }

  remove(listingId: Hex, trust: ListingTrust, source: string): Step[] {
    return removeSteps('listing_id = ? and trust = ? and source = ?', [listingId, trust, source])
  }

  /** Announcements of a listing that is confirmed now, by whomever. */
  removeAnnounced(listingId: Hex): Step[] {
    return removeSteps("listing_id = ? and trust = 'announced'", [listingId])
  }

  /** Keeps the newest `max` announcements, and of one source the newest `maxOfSource`. */
  trimAnnounced(source: string, max: number, maxOfSource: number): Step[] {
    return [
      ...removeSteps(
        `id in (select id from registry_listing where trust = 'announced' and source = ?
          order by id desc limit -1 offset ?)`,
        [source, maxOfSource]
      ),
      ...removeSteps(
        "id in (select id from registry_listing where trust = 'announced' order by id desc limit -1 offset ?)",
        [max]
      )
    ]
  }
}

function removeSteps(where: string, params: SqlValue[]): Step[] {
  const ids = `select id from registry_listing where ${where}`
  return [
    { sql: `delete from registry_text where rowid in (${ids})`, params },
    { sql: `delete from registry_facet where id in (${ids})`, params },
    {
      sql: `delete from registry_area where id in (select id * 2 + part.value
        from registry_listing, (select 0 as value union all select 1) part where ${where})`,
      params
    },
    { sql: `delete from registry_listing where ${where}`, params }
  ]
}

/** Boxes (west, east, south, north) that cover the document's place; two where it crosses the antimeridian. */
function areas(document: ListingDocument): Array<[number, number, number, number]> {
  const { bbox, point } = document.spatial ?? {}
  if (bbox !== undefined) {
    const [west, south, east, north] = bbox
    return longitudeRanges(west, east).map((range) => [...range, south, north])
  }
  return point === undefined ? [] : [[point[0], point[0], point[1], point[1]]]
}

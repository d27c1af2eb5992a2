import { CID } from 'multiformats/cid'
import {
  type AbortOptions,
  DdmError,
  FACETS,
  type FacetCount,
  type IndexStore,
  type Listing,
  type SearchQuery
} from '../interface/index.ts'
import { ANNOUNCED, CONFIRMED, LISTING_COLUMNS, LISTING_TABLES, type ListingRow, toListing } from './listings.ts'
import { type Condition, conditions, page, textMatch } from './search.ts'

const ID_PREFIX = /^(?:0x)?([0-9a-f]{4,64})$/

/** Candidates that an `ambiguous` error names. */
const CANDIDATES = 5

/** Of larger results the first ones are counted: nobody waits for the exact number of a million. */
const MAX_COUNTED = 10_000

/** More values of a facet nobody looks through. */
const MAX_VALUES = 30

/** Reads the index: `search` and `get` of the Registry. SQL runs in the index's worker thread. */
export class Catalog {
  readonly #index: IndexStore

  constructor(index: IndexStore) {
    this.#index = index
  }

  async search(query: SearchQuery, options?: AbortOptions): Promise<Listing[]> {
    const [limit, offset] = page(query)
    const found = matching(query)
    if (found === undefined) return []
    const rows = await this.#index.all<ListingRow>(
      `select ${LISTING_COLUMNS} ${found.sql} limit ? offset ?`,
      [...found.params, limit, offset],
      options
    )
    return rows.map(toListing)
  }

  async facets(query: SearchQuery, options?: AbortOptions): Promise<FacetCount[]> {
    const counts = FACETS.map(async (facet) => {
      const { [facet]: _, ...others } = query
      const found = matching(others)
      if (found === undefined) return []
      const rows = await this.#index.all<{ value: string; count: number }>(
        `select f.value, count(*) as count from (select l.id ${found.sql} limit ?) found
          join registry_facet f on f.id = found.id and f.facet = ? group by f.value order by count desc, f.value limit ?`,
        [...found.params, MAX_COUNTED, facet, MAX_VALUES],
        options
      )
      return rows.map(({ value, count }) => ({ facet, value, count: Number(count) }))
    })
    return (await Promise.all(counts)).flat()
  }

  async get(id: string, options?: AbortOptions): Promise<Listing> {
    const text = id.trim()
    const prefix = ID_PREFIX.exec(text.toLowerCase())?.[1]
    if (prefix !== undefined) return this.#byPrefix(`0x${prefix}`, options)
    if (isCid(text)) return this.#byCid(text, options)
    throw new DdmError(
      'usage',
      `"${text.slice(0, 80)}" is neither a listing ID, 4 or more hex digits of one, nor a CID`
    )
  }

  async #byPrefix(prefix: string, options?: AbortOptions): Promise<Listing> {
    const whole = prefix.length === 66
    const rows = await this.#index.all<ListingRow>(
      `select ${LISTING_COLUMNS} from ${LISTING_TABLES}
        where l.listing_id between ? and ? and (${CONFIRMED} ${whole ? `or ${ANNOUNCED}` : ''})
        order by l.trust = 'confirmed' desc, l.id desc limit ?`,
      [prefix, `${prefix}g`, whole ? 1 : CANDIDATES + 1],
      options
    )
    const [row, ...more] = rows
    if (row === undefined) throw await this.#notFound(prefix, options)
    if (more.length === 0) return toListing(row)
    const named = rows.slice(0, CANDIDATES).map((each) => `${each.listing_id} (${toListing(each).document.title})`)
    const rest = rows.length > CANDIDATES ? ' and others' : ''
    throw new DdmError('ambiguous', `${prefix} fits several listings: ${named.join(', ')}${rest}; give more digits`, {
      details: { prefix, candidates: rows.length }
    })
  }

  async #byCid(cid: string, options?: AbortOptions): Promise<Listing> {
    const [row] = await this.#index.all<ListingRow>(
      `select ${LISTING_COLUMNS} from ${LISTING_TABLES} where l.cid = ? and (${CONFIRMED} or ${ANNOUNCED})
        order by l.trust = 'confirmed' desc, l.id desc limit 1`,
      [CID.parse(cid).toString()],
      options
    )
    if (row === undefined)
      throw new DdmError('notFound', `no listing has the document ${cid}; it may be an older version`)
    return toListing(row)
  }

  /** Says what is known: on the chain without its document, or how many listings there are to choose from. */
  async #notFound(prefix: string, options?: AbortOptions): Promise<DdmError> {
    const [head] = await this.#index.all<{ listing_id: string; version: number; state: string; reason: string | null }>(
      'select listing_id, version, state, reason from registry_head where listing_id between ? and ? limit 1',
      [prefix, `${prefix}g`],
      options
    )
    if (head !== undefined) {
      const why = head.reason ?? 'its document has not been found yet; its seller may be offline'
      const message = `listing ${head.listing_id} (version ${head.version}) is on the chain, but ${why}`
      return new DdmError('notFound', message, { details: { listing: head.listing_id, state: head.state } })
    }
    const [known] = await this.#index.all<{ listings: number; block: number }>(
      'select (select count(*) from registry_head) as listings, (select number from registry_checkpoint) as block',
      [],
      options
    )
    return new DdmError(
      'notFound',
      `no listing ${prefix}; ${known?.listings ?? 0} listings are known up to block ${known?.block ?? 0}`
    )
  }
}

function isCid(text: string): boolean {
  try {
    CID.parse(text)
    return true
  } catch {
    return false
  }
}

/** The rows of a search, from `from` to `order by`; undefined when its text has no words. */
function matching(query: SearchQuery): Condition | undefined {
  const hit = textMatch(query)
  if (hit === undefined && (query.text ?? '').trim() !== '') return undefined
  const where = [
    { sql: query.announced === true ? `(${CONFIRMED} or ${ANNOUNCED})` : CONFIRMED, params: [] },
    ...(query.status === 'any' ? [] : [{ sql: "coalesce(h.status, l.status) = 'active'", params: [] }]),
    ...conditions(query)
  ]
  return {
    sql: `from ${hit === undefined ? '' : `${hit.sql} hit cross join `}${LISTING_TABLES}
      where ${hit === undefined ? '' : 'l.id = hit.id and '}${where.map(({ sql }) => sql).join(' and ')}
      order by ${hit === undefined ? '' : 'hit.rank, '}l.id desc`,
    params: [...(hit?.params ?? []), ...where.flatMap(({ params }) => params)]
  }
}

import {
  DdmError,
  FACETS,
  type ListingDocument,
  MAX_AMOUNT,
  type SearchQuery,
  type SqlValue
} from '../interface/index.ts'
import { sortable } from './tables.ts'

/**
 * Ranking looks at the newest this many hits only: with a million listings an uncapped bm25 takes seconds for a common
 * word, and a capped one 15 ms.
 */
const RANKED_HITS = 2_000

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 200
const MAX_TERMS = 16
const MAX_TERM_LENGTH = 64

/** Characters that the tokenizer (unicode61) makes words of. */
const WORD = /[\p{L}\p{N}\p{M}\p{Co}]+/gu

/**
 * Ends the unstemmed copies of words. Porter's stemmer cuts "humidity" to "humid", so that typing "humidit" would no
 * longer find it; it leaves words alone that do not end in a Latin letter, so the copies keep every prefix.
 */
const UNSTEMMED = 'ʘ'

/** What of a document is searched, by weight. */
export function searchText(document: ListingDocument): Record<'title' | 'description' | 'keywords' | 'words', string> {
  const { title, description, seller, spatial, instrument, variables, license } = document
  const keywords = [
    ...(document.keywords ?? []),
    seller.name,
    spatial?.place,
    instrument?.name,
    instrument?.model,
    license?.spdx,
    ...(variables ?? []).flatMap(({ path, name }) => [path, name])
  ]
    .filter((text) => text !== undefined)
    .join('\n')
  const words = new Set(`${title} ${description} ${keywords}`.toLowerCase().match(WORD))
  return { title, description, keywords, words: Array.from(words, (word) => word + UNSTEMMED).join(' ') }
}

/**
 * An FTS5 expression that a stranger's words cannot steer: each is quoted, all must occur, a prefix of a word is
 * enough. Undefined when the text has no words.
 */
export function matchExpression(text: string): string | undefined {
  const terms = text.match(WORD) ?? []
  if (terms.length === 0) return undefined
  return terms
    .slice(0, MAX_TERMS)
    .map((term) => `"${term.slice(0, MAX_TERM_LENGTH)}"*`)
    .join(' ')
}

/** West and east as ranges that do not cross the antimeridian. */
export function longitudeRanges(west: number, east: number): Array<[number, number]> {
  return west <= east
    ? [[west, east]]
    : [
        [west, 180],
        [-180, east]
      ]
}

export interface Condition {
  sql: string
  params: SqlValue[]
}

/** The parts of a query that only look at the listing's own rows; `l` is the listing table. */
export function conditions(query: SearchQuery): Condition[] {
  const found: Condition[] = []
  if (query.maxPrice !== undefined) {
    if (query.maxPrice < 0n || query.maxPrice > MAX_AMOUNT) {
      throw new DdmError('usage', `maxPrice ${query.maxPrice} is not between 0 and 2^128`)
    }
    // Prices of other currencies are not compared: what only IOTA buys has no price in tokens.
    const inTokens = "l.id in (select id from registry_facet where facet = 'rail' and value in ('evm', 'free'))"
    found.push({ sql: `l.unit_price <= ? and ${inTokens}`, params: [sortable(query.maxPrice)] })
  }
  if (query.seller !== undefined) {
    found.push({ sql: '(l.peer_id = ? or l.account = ?)', params: [query.seller, query.seller.toLowerCase()] })
  }
  for (const facet of FACETS) {
    const value = query[facet]
    if (value === undefined) continue
    found.push({ sql: 'l.id in (select id from registry_facet where facet = ? and value = ?)', params: [facet, value] })
  }
  if (query.bbox !== undefined) {
    const [west, south, east, north] = query.bbox
    if (!query.bbox.every(Number.isFinite) || south > north) {
      throw new DdmError('usage', `bbox ${query.bbox.join(',')} is not west,south,east,north in degrees`)
    }
    const ranges = longitudeRanges(west, east)
    const overlap = ranges.map(() => '(east >= ? and west <= ?)').join(' or ')
    found.push({
      sql: `l.id in (select id / 2 from registry_area where north >= ? and south <= ? and (${overlap}))`,
      params: [south, north, ...ranges.flat()]
    })
  }
  return found
}

/** Words that match, ranked or, for one row, just tested. The alias is `hit`, with columns `id` and `rank`. */
export function textMatch(query: SearchQuery, id?: number): Condition | undefined {
  const match = matchExpression(query.text ?? '')
  if (match === undefined) return undefined
  return {
    sql: `(select rowid as id, bm25(registry_text, 8, 1, 4, 0.5) as rank from registry_text where registry_text match ?
      ${id === undefined ? '' : 'and rowid = ?'} order by rowid desc limit ${RANKED_HITS})`,
    params: id === undefined ? [match] : [match, id]
  }
}

export function page(query: SearchQuery): [limit: number, offset: number] {
  const { limit = DEFAULT_LIMIT, offset = 0 } = query
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new DdmError('usage', `limit ${limit} is not between 1 and ${MAX_LIMIT}`)
  }
  if (!Number.isSafeInteger(offset) || offset < 0) throw new DdmError('usage', `offset ${offset} is negative`)
  return [limit, offset]
}

import {
  type AbortOptions,
  DdmError,
  type IndexStore,
  type Listing,
  type ListingEvent,
  type SearchQuery
} from '../interface/index.ts'
import { LISTING_COLUMNS, LISTING_TABLES, type ListingRow, toListing } from './listings.ts'
import { Alarm } from './retry.ts'
import { conditions, textMatch } from './search.ts'

/** Changes that may wait for one consumer, and consumers at a time. */
const MAX_WAITING = 1_000
const MAX_WATCHERS = 64

const FOREVER_MS = 2 ** 31 - 1

interface Watcher {
  query: SearchQuery
  waiting: ListingEvent[]
  overflowed: boolean
  alarm: Alarm
}

/** What every watcher saw of some listings at one moment. */
type View = Map<Watcher, Map<string, Listing>>

/** Tells consumers of `watch` what changed: the writer takes a view before and after it writes. */
export class Watchers {
  readonly #index: IndexStore
  readonly #watchers = new Set<Watcher>()
  readonly #stop = new AbortController()

  constructor(index: IndexStore) {
    this.#index = index
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Runs `write`, which changes these listings, and tells those who watch them. */
  async around(listingIds: string[], write: () => Promise<void>): Promise<void> {
    if (this.#watchers.size === 0) return write()
    const before = await this.#view(listingIds)
    await write()
    const after = await this.#view(listingIds)
    for (const [watcher, seen] of before) {
      const now = after.get(watcher)
      for (const id of listingIds) {
        const [was, is] = [seen.get(id), now?.get(id)]
        if (is !== undefined && was === undefined) push(watcher, { type: 'added', listing: is })
        else if (is !== undefined && was !== undefined && changed(was, is))
          push(watcher, { type: 'updated', listing: is })
        else if (is === undefined && was !== undefined) push(watcher, { type: 'removed', listing: was })
      }
    }
  }

  /** Counts from the call, not from the first read. */
  watch(query: SearchQuery, options: AbortOptions = {}): AsyncIterable<ListingEvent> {
    conditions(query)
    if (this.#watchers.size >= MAX_WATCHERS) {
      throw new DdmError('refused', `${MAX_WATCHERS} searches are watched already`)
    }
    const watcher: Watcher = { query, waiting: [], overflowed: false, alarm: new Alarm() }
    const signal = AbortSignal.any([this.#stop.signal, ...(options.signal === undefined ? [] : [options.signal])])
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true })
    return this.#read(watcher, signal)
  }

  async *#read(watcher: Watcher, signal: AbortSignal): AsyncGenerator<ListingEvent> {
    try {
      while (!signal.aborted) {
        for (let event = watcher.waiting.shift(); event !== undefined; event = watcher.waiting.shift()) {
          yield event
          if (signal.aborted) return
        }
        if (watcher.overflowed) {
          throw new DdmError('aborted', `more than ${MAX_WAITING} changes were waiting to be read; search again`)
        }
        await watcher.alarm.wait(FOREVER_MS, signal)
      }
    } finally {
      this.#watchers.delete(watcher)
    }
  }

  async #view(listingIds: string[]): Promise<View> {
    const view: View = new Map()
    for (const watcher of this.#watchers) {
      const seen = new Map<string, Listing>()
      for (const id of listingIds) {
        const listing = await this.#find(watcher.query, id)
        if (listing !== undefined) seen.set(id, listing)
      }
      view.set(watcher, seen)
    }
    return view
  }

  /** The listing as its own rows have it, which change in `around` only; the chain's head may be ahead of them. */
  async #find(query: SearchQuery, listingId: string): Promise<Listing | undefined> {
    const rows = await this.#index.all<ListingRow & { own_status: string }>(
      `select ${LISTING_COLUMNS}, l.status as own_status from ${LISTING_TABLES}
        where l.listing_id = ? ${query.announced === true ? '' : "and l.trust = 'confirmed'"}
        ${conditions(query)
          .map(({ sql }) => `and ${sql}`)
          .join(' ')}
        order by l.trust = 'confirmed' desc, l.id desc limit 1`,
      [listingId, ...conditions(query).flatMap(({ params }) => params)]
    )
    const [row] = rows
    if (row === undefined || row.own_status !== 'active' || row.document === null) return undefined
    const hit = textMatch(query, Number(row.id))
    if (hit !== undefined && (await this.#index.all(`select id from ${hit.sql}`, hit.params)).length === 0)
      return undefined
    if (hit === undefined && (query.text ?? '').trim() !== '') return undefined
    return toListing({ ...row, status: row.own_status })
  }
}

function changed(was: Listing, is: Listing): boolean {
  return was.version !== is.version || was.cid !== is.cid || was.trust !== is.trust || was.status !== is.status
}

function push(watcher: Watcher, event: ListingEvent): void {
  if (watcher.waiting.length >= MAX_WAITING) watcher.overflowed = true
  else watcher.waiting.push(event)
  watcher.alarm.wake()
}

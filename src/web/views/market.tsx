import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { api, MAX_LISTINGS } from '../client/api.ts'
import { follow } from '../client/events.ts'
import type { Listing } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { WorldMap } from '../map/map.tsx'
import { boundsOf, WORLD } from '../map/view-port.ts'
import { Empty, Loading } from '../parts/empty.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { href } from '../router.ts'
import { ListingCard } from './market-card.tsx'
import { type Chosen, Facets } from './market-facets.tsx'

/** Who types is not asked for every letter; listings that come in a burst are asked for once. */
const SETTLE_MS = 250

/** Everything that is for sale: by words, by kind, by place. */
export function MarketView() {
  const [words, setWords] = useState('')
  const [port, setPort] = useState(WORLD)
  const [here, setHere] = useState(false)
  const [chosen, setChosen] = useState<Chosen>({})
  /** IDs of the listings of one mark of the map. */
  const [marked, setMarked] = useState<ReadonlySet<string> | undefined>(undefined)
  const list = useRef<HTMLElement>(null)
  const text = useSettled(words.trim())
  const bbox = useSettled(here ? boundsOf(port) : undefined)
  const query = { text: text === '' ? undefined : text, bbox, ...chosen }
  const keys = [text, bbox, JSON.stringify(chosen)]
  const found = useResource((options) => api.search(query, options), keys)
  const counted = useResource((options) => api.facets(query, options), keys)
  useMarketEvents(
    useCallback(() => {
      found.reload()
      counted.reload()
    }, [found.reload, counted.reload])
  )
  useEffect(() => setMarked(undefined), keys)
  const onList = (some: readonly Listing[]): void => {
    setMarked(new Set(some.map(({ id }) => id)))
    list.current?.focus()
  }
  const listings = found.value
  const shown = marked === undefined ? listings : listings?.filter(({ id }) => marked.has(id))
  const narrowed = text !== '' || here || Object.keys(chosen).length > 0
  return (
    <Page title="Market">
      <search class="search">
        <label for="words">Search for data</label>
        <input
          id="words"
          type="search"
          maxLength={400}
          placeholder="temperature, trades, Berlin …"
          value={words}
          onInput={({ currentTarget }) => setWords(currentTarget.value)}
        />
        <Facets counts={counted.value ?? []} chosen={chosen} onChoose={setChosen} />
        <label class="check">
          <input type="checkbox" checked={here} onChange={({ currentTarget }) => setHere(currentTarget.checked)} />
          Only what the map shows
        </label>
      </search>
      <Problem error={found.error ?? counted.error} />
      <div class="market">
        <WorldMap listings={listings ?? []} port={port} onPort={setPort} onList={onList} />
        <section ref={list} tabIndex={-1} aria-label="Listings">
          <p class="quiet" role="status">
            {shown === undefined ? '' : countText(shown, marked !== undefined)}
          </p>
          {marked === undefined ? null : (
            <button type="button" onClick={() => setMarked(undefined)}>
              Show all listings
            </button>
          )}
          {listings === undefined && found.error === undefined ? <Loading /> : null}
          {listings?.length === 0 ? <Nothing searched={narrowed} /> : null}
          <ul class="cards">
            {(shown ?? []).map((listing) => (
              <li key={listing.id}>
                <ListingCard listing={listing} />
              </li>
            ))}
          </ul>
        </section>
      </div>
    </Page>
  )
}

function countText({ length }: readonly Listing[], isPlace: boolean): string {
  const more = isPlace ? ' at this place' : length === MAX_LISTINGS ? '; search for words to see others' : ''
  return `${length} ${length === 1 ? 'listing' : 'listings'}${more}`
}

function Nothing({ searched }: { searched: boolean }) {
  return searched ? (
    <Empty title="Nothing fits">Try fewer or other words, or show the whole world.</Empty>
  ) : (
    <Empty title="Nobody sells here yet">
      New listings show up by themselves. You can be the first: <a href={href('sell')}>sell something</a>.
    </Empty>
  )
}

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}

/** Calls back when listings came, changed or went. */
function useMarketEvents(onChange: () => void): void {
  useEffect(() => {
    const gone = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const tell = (): undefined => {
      clearTimeout(timer)
      timer = setTimeout(onChange, SETTLE_MS)
    }
    // What is shown stays as it is when the node cannot tell any more; the next search says why.
    follow('/v1/listings/events', tell, { signal: gone.signal }).catch(() => {})
    return () => {
      clearTimeout(timer)
      gone.abort()
    }
  }, [onChange])
}

import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import { events } from '../client/events.ts'
import type { Listing, PurchaseWish, WireRecord } from '../client/types.ts'
import { Action } from '../parts/action.tsx'
import { Problem } from '../parts/problem.tsx'
import { RecordTable } from '../records/record-table.tsx'
import { type Row, rowsOf } from '../records/rows.ts'
import { sampleText, sampleWish } from '../records/sample.ts'
import { href } from '../router.ts'

/** The records that the seller gives away, fetched from it now and held against the listing's schema. */
export function FreeSample({ of: listing }: { of: Listing }) {
  const wish = sampleWish(listing)
  return (
    <section class="stack">
      <h2>Free records</h2>
      {wish === undefined ? (
        <p>
          This seller gives no records away. To see some, <a href={href('buy', listing.id)}>order a few</a>.
        </p>
      ) : (
        <Fetched of={listing} wish={wish} />
      )}
    </section>
  )
}

function Fetched({ of: listing, wish }: { of: Listing; wish: PurchaseWish }) {
  const [rows, setRows] = useState<readonly Row[]>([])
  const [said, setSaid] = useState('')
  const [error, setError] = useState<unknown>(undefined)
  const gone = useRef(new AbortController())
  useEffect(() => () => gone.current.abort(), [])
  const take = async (): Promise<void> => {
    const { signal } = gone.current
    setSaid('')
    const came: Row[] = []
    const { purchase } = await api.buy(wish)
    for await (const { event, data } of events(`/v1/purchases/${encodeURIComponent(purchase)}/records`, { signal })) {
      if (event !== 'records') continue
      came.push(...rowsOf(data as WireRecord[]))
      setRows([...came])
    }
    setSaid(sampleText(listing, came.length))
  }
  return (
    <>
      <div class="actions">
        <Action act={take} onError={setError} disabled={listing.status !== 'active'}>
          Fetch free records
        </Action>
        <span role="status">{said}</span>
      </div>
      <Problem error={error} />
      {rows.length === 0 ? null : <RecordTable caption="Free records" rows={rows} />}
    </>
  )
}

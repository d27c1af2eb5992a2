import { useState } from 'preact/hooks'
import { Chart } from '../chart/chart.tsx'
import { api } from '../client/api.ts'
import { download } from '../client/download.ts'
import type { Purchase } from '../client/types.ts'
import { Action } from '../parts/action.tsx'
import { Loading } from '../parts/empty.tsx'
import { Choice } from '../parts/field.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { plain } from '../parts/text.tsx'
import { RecordTable } from '../records/record-table.tsx'
import { numericFields, type Row } from '../records/rows.ts'
import { isOver, useLive } from '../records/use-live.ts'
import { href, route } from '../router.ts'
import { GoOn } from './purchase-go-on.tsx'
import { PurchaseLog } from './purchase-log.tsx'
import { termsOf } from './purchase-terms.ts'
import { Ticker } from './purchase-ticker.tsx'
import { useStatements } from './use-statements.ts'

const SHOWN_ROWS = 20

/** A purchase while it runs and after: the data, the money, the papers. */
export function PurchaseView({ id }: { id: string }) {
  const { purchase, rows, error } = useLive(id)
  const session = purchase?.status.id
  const over = purchase !== undefined && isOver(purchase)
  const { statements, error: logError } = useStatements(session, over)
  const terms = termsOf(statements)
  if (purchase === undefined) {
    return <Page title="Purchase">{error === undefined ? <Loading /> : <Problem error={error} />}</Page>
  }
  const earlier = route.value.query.get('after')
  return (
    <Page title={purchase.title ?? 'Purchase'} actions={over ? undefined : <Stop id={purchase.purchase} />}>
      <p class="quiet">
        <span class={`badge ${over ? '' : 'on'}`}>{stateText(purchase)}</span>
        {purchase.listing === undefined ? null : (
          <>
            {' '}
            <a href={href('product', purchase.listing)}>about this product</a>
          </>
        )}
        {earlier === null ? null : (
          <>
            {' · '}
            <a href={href('purchase', earlier)}>the part before</a>
          </>
        )}
      </p>
      <Problem error={error} />
      <Failure of={purchase} />
      {over ? <GoOn purchase={purchase} terms={terms} /> : null}
      <Ticker purchase={purchase} terms={terms} />
      <Data rows={rows} over={over} />
      <Files id={id} />
      <Problem error={logError} />
      <PurchaseLog
        session={session}
        rail={purchase.status.rail}
        listing={purchase.listing}
        statements={statements}
        over={over}
      />
    </Page>
  )
}

const REASONS: Readonly<Record<string, string>> = {
  buyerDone: 'complete',
  sellerDone: 'complete: the seller has no more',
  sourceEnded: 'complete: the data has ended'
}

function stateText({ status, outcome, problem }: Purchase): string {
  if (problem !== undefined) return 'failed'
  if (outcome === undefined) return status.phase
  return REASONS[outcome.reason] ?? outcome.reason
}

function Failure({ of: { problem, status } }: { of: Purchase }) {
  if (problem !== undefined) return <Problem error={Object.assign(new Error(problem.detail), { code: problem.code })} />
  if (status.narrow === undefined) return null
  return (
    <p class="note">
      The window is too small for the rate of this stream: records wait for payments. Stop, and go on with a higher
      risk.
    </p>
  )
}

function Stop({ id }: { id: string }) {
  const [error, setError] = useState<unknown>(undefined)
  return (
    <>
      <Action act={() => api.stop(id)} onError={setError}>
        Pause or stop
      </Action>
      <Problem error={error} />
    </>
  )
}

function Data({ rows, over }: { rows: readonly Row[]; over: boolean }) {
  const [chosen, setChosen] = useState<string | undefined>(undefined)
  const fields = numericFields(rows)
  const field = chosen ?? fields.find((name) => !isClock(name)) ?? fields[0]
  if (rows.length === 0) return <p class="quiet">{over ? 'No records came.' : 'Waiting for the first record …'}</p>
  return (
    <section aria-label="Data">
      {field === undefined ? null : (
        <>
          <Choice
            label="Chart of"
            value={field}
            options={fields.map((name) => [name, plain(name, 60)] as const)}
            onValue={setChosen}
          />
          <Chart rows={rows} field={field} />
        </>
      )}
      <RecordTable caption="Newest records" rows={rows.slice(-SHOWN_ROWS).reverse()} />
    </section>
  )
}

/** Times only go up: nobody wants to see them first. */
function isClock(name: string): boolean {
  return /(^|[._])(t|ts|at|time|timestamp|date|seq|id|n)$/i.test(name)
}

function Files({ id }: { id: string }) {
  const [error, setError] = useState<unknown>(undefined)
  const save = async (format: 'csv' | 'jsonl'): Promise<void> => {
    const answer = await api.file(id, format)
    download(await answer.blob(), `${id}.${format}`)
  }
  return (
    <section aria-label="Files" class="actions">
      <Action act={() => save('csv')} onError={setError}>
        Download CSV
      </Action>
      <Action act={() => save('jsonl')} onError={setError}>
        Download JSONL
      </Action>
      <Problem error={error} />
    </section>
  )
}

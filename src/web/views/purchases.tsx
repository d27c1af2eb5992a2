import { useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import type { Purchase, Session } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { Action } from '../parts/action.tsx'
import { Empty, Loading } from '../parts/empty.tsx'
import { Money } from '../parts/money.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { plain, Text } from '../parts/text.tsx'
import { isOver } from '../records/use-live.ts'
import { go, href } from '../router.ts'
import { continuation } from './purchase-continue.ts'
import { termsOf } from './purchase-terms.ts'
import { EarlierSessions } from './session.tsx'

const LOOK_MS = 2000

/** What this node buys and has bought: purchases since it started, and the sessions of before that. */
export function PurchasesView() {
  const { value, error, reload } = useResource((options) => api.purchases(options), [], { every: LOOK_MS })
  const sessions = useResource((options) => api.sessions(options), [], { every: LOOK_MS })
  const [failed, setFailed] = useState<unknown>(undefined)
  const kept = value?.filter(({ keep }) => keep === 'node').toReversed()
  const earlier = earlierOf(sessions.value ?? [], value ?? [])
  return (
    <Page title="Buy">
      <Problem error={error ?? sessions.error} />
      <Problem error={failed} />
      {kept === undefined && error === undefined ? <Loading /> : null}
      {kept?.length === 0 ? (
        <Empty title="You buy nothing at the moment">
          Find something on the <a href={href('market')}>market</a>, look at its sample and price, and press “Buy”.
        </Empty>
      ) : null}
      {kept === undefined || kept.length === 0 ? null : (
        <Table
          caption="Purchases"
          columns={['Product', 'State', 'Records', 'Paid', 'Since', 'Change']}
          rows={kept.map((purchase) => ({
            key: purchase.purchase,
            cells: [
              <a key="title" href={href('purchase', purchase.purchase)}>
                <Text max={120}>{purchase.title ?? 'Purchase'}</Text>
              </a>,
              stateOf(purchase),
              purchase.status.received,
              <Money key="paid" amount={purchase.status.paid} rail={purchase.status.rail} />,
              new Date(purchase.startedAt).toLocaleString(),
              <Change key="change" of={purchase} onError={setFailed} onChange={reload} />
            ]
          }))}
        />
      )}
      {value === undefined ? null : <EarlierSessions of={earlier} onError={setFailed} />}
    </Page>
  )
}

/** Sessions as a buyer that no purchase of the list is about, the newest first. */
function earlierOf(sessions: readonly Session[], purchases: readonly Purchase[]): Session[] {
  const shown = new Set(purchases.map(({ status }) => status.id))
  return sessions.filter(({ id, role }) => role === 'buyer' && !shown.has(id)).toReversed()
}

function stateOf({ status, outcome, problem }: Purchase): string {
  if (problem !== undefined) return 'failed'
  return outcome === undefined ? status.phase : 'ended'
}

interface ChangeProps {
  of: Purchase
  onError: (error: unknown) => void
  onChange: () => void
}

function Change({ of: purchase, onError, onChange }: ChangeProps) {
  const { purchase: id, listing, title = 'Purchase', status } = purchase
  const stop = async (): Promise<void> => {
    await api.stop(id)
    onChange()
  }
  const goOn = async (): Promise<void> => {
    const statements = status.id === undefined ? [] : await api.statements(status.id)
    const next = continuation(purchase, termsOf(statements))
    if (next !== undefined) go(href('purchase', (await api.buy(next)).purchase, { after: id }))
    // All that was wanted has come: more is a new order.
    else if (listing !== undefined) go(href('buy', listing))
  }
  const name = <span class="hidden"> {plain(title, 80)}</span>
  if (!isOver(purchase)) {
    return (
      <Action act={stop} onError={onError}>
        Stop{name}
      </Action>
    )
  }
  return (
    <Action act={goOn} onError={onError}>
      Go on{name}
    </Action>
  )
}

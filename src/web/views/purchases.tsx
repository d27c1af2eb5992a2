import { api } from '../client/api.ts'
import { useResource } from '../client/use-resource.ts'
import { Empty, Loading } from '../parts/empty.tsx'
import { Money } from '../parts/money.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { href } from '../router.ts'

const LOOK_MS = 2000

/** What this node buys and has bought since it started. */
export function PurchasesView() {
  const { value, error } = useResource((options) => api.purchases(options), [], { every: LOOK_MS })
  const kept = value?.filter(({ keep }) => keep === 'node').toReversed()
  return (
    <Page title="Buy">
      <Problem error={error} />
      {kept === undefined && error === undefined ? <Loading /> : null}
      {kept?.length === 0 ? (
        <Empty title="You buy nothing at the moment">
          Find something on the <a href={href('market')}>market</a>, look at its sample and price, and press “Buy”. What
          you bought before the node started is under <a href={href('money')}>Money</a>.
        </Empty>
      ) : null}
      {kept === undefined || kept.length === 0 ? null : (
        <Table
          caption="Purchases"
          columns={['Product', 'State', 'Records', 'Paid', 'Since']}
          rows={kept.map(({ purchase, title = 'Purchase', status, outcome, problem, startedAt }) => ({
            key: purchase,
            cells: [
              <a key="title" href={href('purchase', purchase)}>
                <Text max={120}>{title}</Text>
              </a>,
              problem === undefined ? (outcome === undefined ? status.phase : 'ended') : 'failed',
              status.received,
              <Money key="paid" amount={status.paid} rail={status.rail} />,
              new Date(startedAt).toLocaleString()
            ]
          }))}
        />
      )}
    </Page>
  )
}

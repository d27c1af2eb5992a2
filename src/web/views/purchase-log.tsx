import { api } from '../client/api.ts'
import type { Move, RailName, Statement } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { node } from '../node.ts'
import { Facts } from '../parts/facts.tsx'
import { Hash } from '../parts/hash.tsx'
import { Transaction } from '../parts/ledger-link.tsx'
import { moneyText } from '../parts/money.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { plain } from '../parts/text.tsx'
import { entriesOf } from './log-entries.ts'

const SHOWN = 100

/** A ledger has news every few seconds at most, and looking for them costs its node some work. */
const LOOK_MS = 10_000

export interface PurchaseLogProps {
  /** undefined until there is an order. */
  session: string | undefined
  rail: RailName | undefined
  listing: string | undefined
  statements: readonly Statement[]
  over: boolean
}

/** Who said and paid what: everything in it was signed, and is proof before a third party, or is on a ledger. */
export function PurchaseLog({ session: id, rail, listing, statements, over }: PurchaseLogProps) {
  const session = useResource(async (options) => (id === undefined ? undefined : api.session(id, options)), [id])
  const published = useResource(
    async (options) => (listing === undefined ? undefined : api.listing(listing, options)),
    [listing]
  )
  const moved = useResource<Move[]>(
    async (options) => (id === undefined ? [] : api.moves(id, options)),
    [id, over],
    over ? {} : { every: LOOK_MS }
  )
  const { channelId } = session.value ?? {}
  const { transaction } = published.value ?? {}
  const money = (amount: bigint): string => moneyText(amount, rail)
  const entries = entriesOf(statements, moved.value ?? [], { self: node.value?.peerId, money }).reverse()
  const rows = entries.slice(0, SHOWN).map(({ key, at, what, by, text, cid, transaction: hash }) => ({
    key,
    cells: [
      new Date(at).toLocaleTimeString(),
      plain(what, 40),
      by,
      text,
      cid === undefined ? null : <Hash key="cid" value={cid} name={`${plain(what, 40)} CID`} />,
      hash === undefined ? null : <Transaction key="transaction" hash={hash} rail={rail} />
    ]
  }))
  return (
    <section class="stack">
      <h2>Log</h2>
      <Facts
        of={[
          ['Session', id === undefined ? undefined : <Hash key="session" value={id} name="session ID" />],
          ['Channel', channelId === undefined ? undefined : <Hash key="channel" value={channelId} name="channel ID" />],
          [
            'Listing on the ledger',
            transaction === undefined ? undefined : <Transaction key="tx" hash={transaction.hash} />
          ]
        ]}
      />
      <Problem error={moved.error} />
      <Table
        caption={captionOf(entries.length)}
        columns={['Time', 'What', 'By', 'Says', 'Signed statement', 'Transaction']}
        rows={rows}
      />
    </section>
  )
}

function captionOf(count: number): string {
  return count > SHOWN ? `The newest ${SHOWN} of ${count} entries` : 'Orders, invoices, payments and receipts'
}

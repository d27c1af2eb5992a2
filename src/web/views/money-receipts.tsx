import { useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import { download } from '../client/download.ts'
import type { Receipt } from '../client/types.ts'
import { Action } from '../parts/action.tsx'
import { Empty } from '../parts/empty.tsx'
import { Hash } from '../parts/hash.tsx'
import { Money } from '../parts/money.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { plain } from '../parts/text.tsx'
import { href } from '../router.ts'

const SHOWN = 100

/** What sessions of both roles delivered and cost, with the proof of each as a file. */
export function Receipts({ receipts }: { receipts: readonly Receipt[] | undefined }) {
  const [error, setError] = useState<unknown>(undefined)
  if (receipts === undefined) return null
  const save = async ({ session, role }: Receipt): Promise<void> => {
    const { bundle } = await api.bundle(session, role)
    const bytes = Uint8Array.from(atob(bundle), (character) => character.charCodeAt(0))
    download(new Blob([bytes], { type: 'application/vnd.ipld.car' }), `${session}.car`)
  }
  const newest = receipts.toSorted((a, b) => b.at - a.at)
  return (
    <section class="stack">
      <h2>Receipts</h2>
      <Problem error={error} />
      {receipts.length === 0 ? (
        <Empty title="No receipts yet">
          Every sale leaves one that verifies offline. <a href={href('market')}>Buy</a> or{' '}
          <a href={href('sell')}>sell</a> something.
        </Empty>
      ) : (
        <Table
          caption={receipts.length > SHOWN ? `The newest ${SHOWN} of ${receipts.length} sessions` : 'Sessions'}
          columns={['Session', 'You', 'Records', 'Paid', 'State', 'When', 'Proof']}
          rows={newest.slice(0, SHOWN).map((receipt) => ({
            key: `${receipt.role} ${receipt.session}`,
            cells: [
              <Hash key="session" value={receipt.session} name="session ID" />,
              receipt.role,
              receipt.records,
              <Money key="paid" amount={receipt.paid} rail={receipt.rail} />,
              plain(receipt.state, 40),
              new Date(receipt.at).toLocaleString(),
              <Action key="save" act={() => save(receipt)} onError={setError}>
                Save
              </Action>
            ]
          }))}
        />
      )}
    </section>
  )
}

import { useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import type { Session } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { node } from '../node.ts'
import { Action } from '../parts/action.tsx'
import { Loading } from '../parts/empty.tsx'
import { Facts } from '../parts/facts.tsx'
import { Hash } from '../parts/hash.tsx'
import { Money } from '../parts/money.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { plain } from '../parts/text.tsx'
import { go, href } from '../router.ts'
import { isCut } from './purchase-continue.ts'
import { PurchaseLog } from './purchase-log.tsx'
import { useStatements } from './use-statements.ts'

const SHOWN = 100

interface ResumeProps {
  of: Session
  onError: (error: unknown) => void
}

function Resume({ of: session, onError }: ResumeProps) {
  const { id } = session
  const resume = async (): Promise<void> => {
    const { purchase } = await api.buy({ resume: id, keep: 'node' })
    go(href('purchase', purchase))
  }
  if (!isCut(session, node.value?.startedAt ?? 0)) return null
  return (
    <Action act={resume} onError={onError}>
      Resume<span class="hidden"> {plain(id, 80)}</span>
    </Action>
  )
}

/** Sessions of which the node has no purchase any more: those of its earlier runs, and of the command line. */
export function EarlierSessions({ of, onError }: { of: readonly Session[]; onError: ResumeProps['onError'] }) {
  if (of.length === 0) return null
  return (
    <Table
      caption={of.length > SHOWN ? `The newest ${SHOWN} of ${of.length} earlier sessions` : 'Earlier sessions'}
      columns={['Session', 'State', 'Records', 'Paid', 'When', 'Change']}
      rows={of.slice(0, SHOWN).map((session) => ({
        key: session.id,
        cells: [
          <a key="open" class="hash-text" href={href('session', session.id)}>
            {plain(session.id, 80)}
          </a>,
          plain(session.state, 40),
          recordsOf(session),
          <Money key="paid" amount={session.paid} rail={session.rail} />,
          new Date(session.openedAt).toLocaleString(),
          <Resume key="resume" of={session} onError={onError} />
        ]
      }))}
    />
  )
}

function recordsOf({ start, position }: Session): string {
  return (BigInt(position) - BigInt(start)).toString()
}

/** One session as the ledger has it: what is left to see of a purchase after a restart of the node. */
export function SessionView({ id }: { id: string }) {
  const [failed, setFailed] = useState<unknown>(undefined)
  const { value: session, error } = useResource((options) => api.session(id, options), [id])
  const { statements, error: logError } = useStatements(id, true)
  if (session === undefined) {
    return <Page title="Session">{error === undefined ? <Loading /> : <Problem error={error} />}</Page>
  }
  return (
    <Page title="Session" actions={<Resume of={session} onError={setFailed} />}>
      <Problem error={failed ?? logError} />
      <Facts
        of={[
          ['State', plain(session.state, 40)],
          ['Records', recordsOf(session)],
          ['Cost', <Money key="due" amount={session.due} rail={session.rail} />],
          ['Paid', <Money key="paid" amount={session.paid} rail={session.rail} />],
          ['Opened', new Date(session.openedAt).toLocaleString()],
          ['Seller', <Hash key="peer" value={session.peer} name="peer ID" />],
          [
            'Product',
            <a key="product" href={href('product', session.listingId)}>
              about this product
            </a>
          ]
        ]}
      />
      <PurchaseLog session={id} rail={session.rail} listing={session.listingId} statements={statements} over />
    </Page>
  )
}

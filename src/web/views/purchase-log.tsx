import { api } from '../client/api.ts'
import type { Purchase, RailName, Statement } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { node } from '../node.ts'
import { Facts } from '../parts/facts.tsx'
import { Hash } from '../parts/hash.tsx'
import { Transaction } from '../parts/ledger-link.tsx'
import { moneyText } from '../parts/money.tsx'
import { Table } from '../parts/table.tsx'
import { plain } from '../parts/text.tsx'

const SHOWN = 100

interface Entry {
  key: string
  at: number
  what: string
  by: string
  text: string
  cid: string
}

/** Who said and paid what: everything in it was signed, and is proof before a third party. */
export function PurchaseLog({ purchase, statements }: { purchase: Purchase; statements: readonly Statement[] }) {
  const { rail, id } = purchase.status
  const entries = entriesOf(statements, rail).reverse()
  const session = useResource(async (options) => (id === undefined ? undefined : api.session(id, options)), [id])
  const { listing } = purchase
  const published = useResource(
    async (options) => (listing === undefined ? undefined : api.listing(listing, options)),
    [listing]
  )
  const { channelId } = session.value ?? {}
  const { transaction } = published.value ?? {}
  const rows = entries.slice(0, SHOWN).map(({ key, at, what, by, text, cid }) => ({
    key,
    cells: [new Date(at).toLocaleTimeString(), what, by, text, <Hash key="cid" value={cid} name={`${what} CID`} />]
  }))
  return (
    <section>
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
      <Table
        caption={captionOf(entries.length)}
        columns={['Time', 'What', 'By', 'Says', 'Signed statement']}
        rows={rows}
      />
    </section>
  )
}

function captionOf(count: number): string {
  return count > SHOWN ? `The newest ${SHOWN} of ${count} entries` : 'Orders, invoices, payments and receipts'
}

type Content = Statement['content']

/** One line for each statement, and one for each payment: the seller confirms it in its next statement. */
function entriesOf(statements: readonly Statement[], rail: RailName | undefined): Entry[] {
  const entries: Entry[] = []
  let credited = 0n
  for (const { cid, kind, issuer, content } of statements) {
    const at = Number(amountIn(content, 'at') ?? 0n)
    const by = issuer === node.value?.peerId ? 'you' : 'seller'
    const now = kind === 'invoice' || kind === 'receipt' ? amountIn(content, 'credited') : undefined
    if (now !== undefined && now > credited) {
      const text = `${moneyText(now - credited, rail)}; ${moneyText(now, rail)} in all`
      entries.push({ key: `${cid} paid`, at, what: 'payment', by: 'you', text, cid })
      credited = now
    }
    entries.push({ key: cid, at, what: plain(kind, 40), by, text: textOf(kind, content, rail), cid })
  }
  return entries
}

const SAYS: Readonly<Record<string, (content: Content, money: (name: string) => string) => string>> = {
  offer: (content) => `version ${digits(content, 'version')}, valid for ${digits(content, 'ttl')} s`,
  order: (content, money) => `${digits(content, 'quantity', 'records until stopped')} for at most ${money('maximum')}`,
  accept: (content, money) =>
    `from record ${digits(content, 'start')}, an invoice every ${digits(content, 'k')}, credit ${money('credit')}`,
  invoice: (content, money) => `${digits(content, 'n')} records, ${money('due')} in all`,
  receipt: (content, money) => `${digits(content, 'n')} records, ${money('due')} due, ${money('credited')} paid`,
  'receipt-ack': () => 'the receipt is right'
}

function textOf(kind: string, content: Content, rail: RailName | undefined): string {
  return SAYS[kind]?.(content, (name) => moneyText(amountIn(content, name) ?? 0n, rail)) ?? ''
}

function amountIn(content: Content, name: string): bigint | undefined {
  const value = content[name]
  return typeof value === 'string' && /^[0-9]{1,78}$/.test(value) ? BigInt(value) : undefined
}

function digits(content: Content, name: string, otherwise = ''): string {
  return amountIn(content, name)?.toString() ?? otherwise
}

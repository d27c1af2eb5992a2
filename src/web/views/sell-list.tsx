import { useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import type { Listing, Product, Selling } from '../client/types.ts'
import { Action } from '../parts/action.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { Empty, Loading } from '../parts/empty.tsx'
import { Prices } from '../parts/money.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { plain, Text } from '../parts/text.tsx'
import { href } from '../router.ts'

export interface SellListProps {
  listings: readonly Listing[] | undefined
  products: readonly Product[]
  selling: readonly Selling[]
  onChange: () => void
}

export function SellList({ listings, products, selling, onChange }: SellListProps) {
  const [error, setError] = useState<unknown>(undefined)
  if (listings === undefined) return <Loading />
  if (listings.length === 0) {
    return (
      <Empty title="You sell nothing yet">
        Name a source below, say what it is and what a record costs, and press “Publish”.
      </Empty>
    )
  }
  return (
    <section>
      <Problem error={error} />
      <Table
        caption="Your listings"
        columns={['Product', 'State', 'Price', 'Source', 'Records', 'Buyers now', 'Change']}
        rows={listings.map((listing) => {
          const product = products.find((one) => one.listing.id === listing.id)
          const buyers = selling.filter((one) => one.listing === listing.id || one.listing === listing.cid)
          return {
            key: listing.id,
            cells: [
              <a key="title" href={href('product', listing.id)}>
                <Text max={120}>{listing.document.title}</Text>
              </a>,
              <State key="state" of={listing} product={product} />,
              <Prices key="price" of={listing} />,
              product?.source === undefined ? '' : <Text max={120}>{product.source}</Text>,
              product?.head ?? '',
              `${buyers.length}`,
              <Change key="change" of={listing} onError={setError} onChange={onChange} />
            ]
          }
        })}
      />
    </section>
  )
}

/** How the source of what is on sale does. */
const FED: Readonly<Record<Product['feeding'], string>> = {
  running: 'on sale',
  waiting: 'on sale, source away',
  ended: 'on sale, complete',
  failed: 'source failed'
}

function State({ of: { status }, product }: { of: Listing; product: Product | undefined }) {
  if (status !== 'active') return <span class="badge">{status}</span>
  if (product === undefined) return <span class="badge">not served now</span>
  const { feeding, problem } = product
  return (
    <>
      <span class="badge on">{FED[feeding]}</span>
      {problem === undefined ? null : (
        <div class="hint">
          <Text max={300}>{problem}</Text>
        </div>
      )}
    </>
  )
}

interface ChangeProps {
  of: Listing
  onError: (error: unknown) => void
  onChange: () => void
}

function Change({ of: { id, status, document }, onError, onChange }: ChangeProps) {
  const to = (next: Listing['status']) => async (): Promise<void> => {
    await api.setStatus(id, next)
    onChange()
  }
  if (status === 'retired') return null
  const title = <span class="hidden"> {plain(document.title, 80)}</span>
  return (
    <span class="actions">
      {status === 'active' ? (
        <Action act={to('paused')} onError={onError}>
          Pause{title}
        </Action>
      ) : (
        <Action act={to('active')} onError={onError}>
          Go on{title}
        </Action>
      )}
      <Confirm act={to('retired')} onError={onError} ask="Retire for good">
        Retire{title}
      </Confirm>
    </span>
  )
}

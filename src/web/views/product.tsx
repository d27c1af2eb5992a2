import type { ComponentChildren } from 'preact'
import { api } from '../client/api.ts'
import type { Listing } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { Loading } from '../parts/empty.tsx'
import { Facts } from '../parts/facts.tsx'
import { Hash } from '../parts/hash.tsx'
import { Transaction } from '../parts/ledger-link.tsx'
import { Money, Prices } from '../parts/money.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { RecordTable } from '../records/record-table.tsx'
import { rowsOf } from '../records/rows.ts'
import { href } from '../router.ts'
import { FreeSample } from './product-sample.tsx'

/** Everything that is known about a product before buying it. */
export function ProductView({ id }: { id: string }) {
  const { value: listing, error } = useResource((options) => api.listing(id, options), [id])
  const quote = useResource((options) => api.quote(id, undefined, options), [id])
  if (listing === undefined) {
    return <Page title="Product">{error === undefined ? <Loading /> : <Problem error={error} />}</Page>
  }
  const { document, status } = listing
  const { value: paid } = quote
  return (
    <Page
      title={document.title}
      actions={
        status === 'active' ? (
          <a class="button main" href={href('buy', listing.id)}>
            Buy
          </a>
        ) : (
          <span class="badge">{status}</span>
        )
      }
    >
      <p class="lead">
        <Prices of={listing} />
      </p>
      <p class="prose">
        <Text>{document.description}</Text>
      </p>
      <Problem error={quote.error} />
      <Facts
        of={[
          ['Seller', <Seller key="seller" of={listing} />],
          ['Place', document.spatial === undefined ? undefined : <Where key="place" of={document.spatial} />],
          ['How it comes', document.cadence === undefined ? undefined : cadenceText(document.cadence)],
          ['Time', text(timeText(document.temporal))],
          ['Instrument', text(joined(document.instrument))],
          ['Licence', text(joined(document.license))],
          ['Free records', document.freeRange === undefined ? undefined : freeText(document.freeRange)],
          ['Paid by', paid === undefined ? undefined : paid.rail],
          [
            'Cost of a payment',
            paid === undefined || paid.fee === '0' ? undefined : <Money key="fee" amount={paid.fee} rail={paid.rail} />
          ],
          ['Access', text(document.access?.note)],
          ['Listing', <Hash key="id" value={listing.id} name="listing ID" />],
          ['Document', <Hash key="cid" value={listing.cid} name="document CID" />],
          [
            'Published by',
            listing.transaction === undefined ? (
              'not on the ledger yet'
            ) : (
              <Transaction key="transaction" hash={listing.transaction.hash} />
            )
          ]
        ]}
      />
      <Variables of={document.variables} />
      <Sample of={document.sample} />
      <FreeSample of={listing} />
      <section>
        <h2>Records</h2>
        <p>
          Each record is {document.schema.encoding}
          {document.schema.maxRecordBytes === undefined ? '' : `, at most ${document.schema.maxRecordBytes} bytes`}.
        </p>
        {document.schema.jsonSchema === undefined ? null : <Json title="JSON Schema" of={document.schema.jsonSchema} />}
        <Json title="The whole listing document" of={document} />
      </section>
    </Page>
  )
}

type Document = Listing['document']

function text(value: string | undefined): ComponentChildren {
  return value === undefined ? undefined : <Text max={300}>{value}</Text>
}

function joined(parts: Record<string, string> | undefined): string | undefined {
  return parts === undefined ? undefined : Object.values(parts).join(', ')
}

function Seller({ of: { document, peerId } }: { of: Listing }) {
  const { name, contact } = document.seller
  return (
    <>
      {name === undefined ? null : (
        <>
          <Text max={80}>{name}</Text>{' '}
        </>
      )}
      <Hash value={peerId} name="peer ID" /> {contact === undefined ? null : <Text max={200}>{contact}</Text>}
    </>
  )
}

function Where({ of: { place, point } }: { of: NonNullable<Document['spatial']> }) {
  return (
    <>
      {place === undefined ? null : <Text max={200}>{place}</Text>} {point === undefined ? '' : coordinates(point)}
    </>
  )
}

function coordinates([longitude, latitude]: readonly [number, number]): string {
  const side = (value: number, positive: string, negative: string): string =>
    `${Math.abs(value).toFixed(3)}° ${value < 0 ? negative : positive}`
  return `${side(latitude, 'N', 'S')}, ${side(longitude, 'E', 'W')}`
}

function cadenceText({ mode, periodMs }: NonNullable<Document['cadence']>): string {
  return periodMs === undefined ? mode : `${mode}, every ${periodMs / 1000} s`
}

function timeText(temporal: Document['temporal']): string | undefined {
  if (temporal === undefined) return undefined
  return `${temporal.from ?? 'from now'} to ${temporal.to ?? 'open end'}`
}

function freeText({ from, to }: NonNullable<Document['freeRange']>): string {
  return `${to - from} (numbers ${from} to ${to - 1})`
}

function Variables({ of }: { of: Document['variables'] }) {
  if (of === undefined || of.length === 0) return null
  return (
    <Table
      caption="Variables"
      columns={['Name', 'Unit', 'Where in a record']}
      rows={of.map(({ name, ucum = '', path }, index) => ({
        key: `${index} ${path}`,
        cells: [name, ucum, path].map((value, cell) => (
          <Text key={cell} max={200}>
            {value}
          </Text>
        ))
      }))}
    />
  )
}

function Sample({ of }: { of: Document['sample'] }) {
  if (of === undefined || of.length === 0) return null
  const rows = rowsOf(of.map((value, offset) => ({ offset: `${offset}`, text: JSON.stringify(value) })))
  return <RecordTable caption="Sample" rows={rows} />
}

function Json({ title, of }: { title: string; of: unknown }) {
  return (
    <details>
      <summary>{title}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <Text max={20_000}>{JSON.stringify(of, null, 2)}</Text>
      </pre>
    </details>
  )
}

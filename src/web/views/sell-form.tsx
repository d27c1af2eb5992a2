import { useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import type { Product, ProductWish } from '../client/types.ts'
import { compact, type JsonSchema } from '../form/json-schema.ts'
import { SchemaField } from '../form/schema-field.tsx'
import { currency, node } from '../node.ts'
import { Choice, Field } from '../parts/field.tsx'
import { Problem } from '../parts/problem.tsx'
import { Text } from '../parts/text.tsx'
import { href } from '../router.ts'
import { SUGGESTED_SOURCES } from './suggested-sources.ts'

/** Parts that the node fills in by itself, or that this form asks for in its own words. */
const OTHERWISE = new Set([
  ...['v', 'id', 'issuedAt', 'seller', 'payment', 'freeRange', 'signers', 'ext'],
  ...['title', 'description', 'keywords']
])

/** What a product is called and about: first in the form, and keys of their own in what is sent. */
const NAMED = ['title', 'description', 'keywords'] as const

interface Draft {
  source: string
  amount: string
  unit: 'record' | 'KiB'
  symbol: string
  free: string
  named: Record<string, unknown>
  document: Record<string, unknown>
}

/** A product in words: grown from the schema of listing documents, so that it knows every part of them. */
export function SellForm({ schema, onPublished }: { schema: JsonSchema; onPublished: () => void }) {
  const { symbol } = currency()
  const blank = (): Draft => ({ source: '', amount: '', unit: 'record', symbol, free: '', named: {}, document: {} })
  const [draft, setDraft] = useState(blank)
  const [round, setRound] = useState(0)
  const [error, setError] = useState<unknown>(undefined)
  const [published, setPublished] = useState<Product | undefined>(undefined)
  const [busy, setBusy] = useState(false)
  const set = (change: Partial<Draft>): void => setDraft({ ...draft, ...change })
  const publish = async (): Promise<void> => {
    if (busy) return
    setBusy(true)
    setError(undefined)
    setPublished(undefined)
    try {
      setPublished(await api.offer(wishOf(draft)))
      setDraft(blank())
      setRound(round + 1)
      onPublished()
    } catch (problem) {
      setError(problem)
    } finally {
      setBusy(false)
    }
  }
  const { properties = {} } = schema
  const symbols = [symbol, ...(node.value?.profile.iota === undefined ? [] : ['IOTA'])]
  return (
    <form
      class="form"
      aria-labelledby="sell-new"
      onSubmit={(event) => {
        event.preventDefault()
        void publish()
      }}
    >
      <h2 id="sell-new">Sell something new</h2>
      <div key={round} class="form">
        <Field
          label="Source"
          hint="What the node reads the records from; files are those of the node's machine."
          value={draft.source}
          input={{ required: true, list: 'sources', placeholder: 'csv:/path/to/file.csv' }}
          onValue={(source) => set({ source })}
        />
        <datalist id="sources">
          {SUGGESTED_SOURCES.map((source) => (
            <option key={source} value={source} />
          ))}
        </datalist>
        {NAMED.map((name) => (
          <SchemaField
            key={name}
            name={name}
            schema={properties[name] ?? {}}
            value={draft.named[name]}
            onValue={(value) => set({ named: { ...draft.named, [name]: value } })}
          />
        ))}
        <div class="together">
          <Field
            label="Price"
            value={draft.amount}
            input={{ required: true, inputMode: 'decimal', pattern: '[0-9]+([.][0-9]+)?', placeholder: '0.0001' }}
            hint="0 gives it away."
            onValue={(amount) => set({ amount })}
          />
          <Choice
            label="In"
            value={draft.symbol}
            options={symbols.map((name) => [name, name] as const)}
            onValue={(name) => set({ symbol: name })}
          />
          <Choice
            label="Per"
            value={draft.unit}
            options={[
              ['record', 'record'],
              ['KiB', 'KiB']
            ]}
            onValue={(unit) => set({ unit: unit as Draft['unit'] })}
          />
        </div>
        <Field
          label="Free records"
          value={draft.free}
          input={{ inputMode: 'numeric', pattern: '[0-9]*', placeholder: '0' }}
          hint="So many from the first on cost nothing, as a sample for everybody."
          onValue={(free) => set({ free })}
        />
        <details>
          <summary>Place, time, licence and everything else</summary>
          <div class="form">
            {Object.entries(properties)
              .filter(([name]) => !OTHERWISE.has(name))
              .map(([name, part]) => (
                <SchemaField
                  key={name}
                  name={name}
                  schema={part}
                  value={draft.document[name]}
                  onValue={(value) => set({ document: { ...draft.document, [name]: value } })}
                />
              ))}
          </div>
        </details>
      </div>
      <Problem error={error} />
      <p role="status">{published === undefined ? '' : <Published of={published} />}</p>
      <div class="actions">
        <button type="submit" class="main" aria-busy={busy}>
          Publish
        </button>
      </div>
    </form>
  )
}

function Published({ of: { listing } }: { of: Product }) {
  return (
    <>
      Published:{' '}
      <a href={href('product', listing.id)}>
        <Text max={120}>{listing.document.title}</Text>
      </a>
    </>
  )
}

function wishOf({ source, amount, unit, symbol, free, named, document }: Draft): ProductWish {
  const own = symbol === currency().symbol ? '' : ` ${symbol}`
  const parts = compact(document)
  return {
    product: {
      source: source.trim(),
      price: `${amount}${own}/${unit}`,
      ...(compact(named) as { title: string }),
      ...(free === '' ? {} : { free: Number(free) }),
      ...(parts === undefined ? {} : { document: parts as NonNullable<ProductWish['product']['document']> })
    }
  }
}

import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import { ApiProblem } from '../client/http.ts'
import type { Product } from '../client/types.ts'
import type { JsonSchema } from '../form/json-schema.ts'
import { Refused } from '../form/refused.ts'
import { SchemaField } from '../form/schema-field.tsx'
import { hasUnfinished } from '../form/unfinished.ts'
import { currency, node } from '../node.ts'
import { Choice, Field, type FieldProps } from '../parts/field.tsx'
import { Problem } from '../parts/problem.tsx'
import { plain, Text } from '../parts/text.tsx'
import { href } from '../router.ts'
import { blankDraft, type Checked, type Draft, type Faults, faultsOf, fieldOf, wishOf } from './product-draft.ts'
import { SUGGESTED_SOURCES } from './suggested-sources.ts'

/** Parts that the node fills in by itself, or that this form asks for in its own words. */
const OTHERWISE = new Set([
  ...['v', 'id', 'issuedAt', 'seller', 'payment', 'freeRange', 'signers', 'ext'],
  ...['title', 'description', 'keywords']
])

/** What a product is about, besides its title: keys of their own in what is sent. */
const NAMED = ['description', 'keywords'] as const

/** A product in words: grown from the schema of listing documents, so that it knows every part of them. */
export function SellForm({ schema, onPublished }: { schema: JsonSchema; onPublished: () => void }) {
  const { symbol } = currency()
  const [draft, setDraft] = useState(() => blankDraft(symbol))
  const [round, setRound] = useState(0)
  const [faults, setFaults] = useState<Faults>({})
  const [error, setError] = useState<unknown>(undefined)
  const [published, setPublished] = useState<Product | undefined>(undefined)
  const [busy, setBusy] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  const [refused, setRefused] = useState(0)
  // Only when the form was sent: who corrects one field is not led to the next.
  useEffect(() => showFirstFault(form.current), [refused])
  const set = (change: Partial<Draft>): void => setDraft({ ...draft, ...change })
  const refuse = (found: Faults): void => {
    setFaults(found)
    setRefused(refused + 1)
  }
  const publish = async (): Promise<void> => {
    if (busy) return
    const found = faultsOf(draft)
    setError(undefined)
    setPublished(undefined)
    if (Object.keys(found).length > 0 || hasUnfinished([draft.named, draft.document])) return refuse(found)
    setBusy(true)
    try {
      setPublished(await api.offer(wishOf(draft, symbol)))
      setDraft(blankDraft(symbol))
      setRound(round + 1)
      setRefused(0)
      onPublished()
    } catch (problem) {
      const field = problem instanceof ApiProblem ? fieldOf(problem.message) : undefined
      if (field === undefined) setError(problem)
      else refuse({ [field]: plain((problem as Error).message, 300) })
    } finally {
      setBusy(false)
    }
  }
  const { properties = {} } = schema
  const symbols = [symbol, ...(node.value?.profile.iota === undefined ? [] : ['IOTA'])]
  /** One line of the draft, with what is wrong with it. */
  const line = (name: Checked) => ({
    value: draft[name],
    error: faults[name],
    onValue: (value: string) => {
      set({ [name]: value })
      const { [name]: _, ...rest } = faults
      if (name in faults) setFaults(rest)
    }
  })
  return (
    <form
      ref={form}
      class="form"
      aria-labelledby="sell-new"
      onSubmit={(event) => {
        event.preventDefault()
        void publish()
      }}
    >
      <h2 id="sell-new">Sell something new</h2>
      <Refused.Provider value={refused > 0}>
        <div key={round} class="form">
          <Field
            label="Source"
            hint="What the node reads the records from; files are those of the node's machine."
            input={{ list: 'sources', placeholder: 'csv:/path/to/file.csv' }}
            {...line('source')}
          />
          <datalist id="sources">
            {SUGGESTED_SOURCES.map((source) => (
              <option key={source} value={source} />
            ))}
          </datalist>
          <Field label="Title" input={{ maxLength: 200 }} {...line('title')} />
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
              input={{ inputMode: 'decimal', placeholder: '0.0001' }}
              hint="0 gives it away."
              {...line('amount')}
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
            input={{ placeholder: '0' }}
            hint="So many from the first on, or offsets like 100-110, cost nothing: a sample for everybody."
            {...line('free')}
          />
          <details>
            <summary>How the source is asked</summary>
            <div class="form">
              <Field
                label="Header"
                input={{ placeholder: 'Authorization: Bearer …' }}
                hint="Sent with each request to a source of http, sse or ws; buyers do not see it."
                {...line('header')}
              />
              <Field
                label="Asked every"
                unit="ms"
                input={{ inputMode: 'numeric', placeholder: '10000' }}
                hint="For telemetry and pages that are polled."
                {...line('period')}
              />
            </div>
          </details>
          <details>
            <summary>Which records, on credit, and who may buy</summary>
            <Terms line={line} symbol={draft.symbol} />
          </details>
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
      </Refused.Provider>
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

type Line = Pick<FieldProps, 'value' | 'error' | 'onValue'>

/** What of the source is sold, and to whom. */
function Terms({ line, symbol }: { line: (name: Checked) => Line; symbol: string }) {
  return (
    <div class="form">
      <Field
        label="Fields"
        input={{ placeholder: 'time, wind.speed' }}
        hint="Only these of each record, nested ones by dots. Empty: all of them."
        {...line('select')}
      />
      <div class="together">
        <Field
          label="One of every"
          unit="records"
          input={{ inputMode: 'numeric', placeholder: '1' }}
          hint="Thins a fast source out."
          {...line('every')}
        />
        <Field
          label="One in each"
          input={{ placeholder: '1m' }}
          hint="Thins by time: 90s, 10m."
          {...line('interval')}
        />
      </div>
      <Field
        label="Credit"
        unit={symbol}
        input={{ inputMode: 'decimal', placeholder: 'as far as you trust a buyer' }}
        hint="The most that each session may owe. Empty: little at first, more as a buyer pays."
        {...line('credit')}
      />
      <Field
        label="Sell to these only"
        hint="Peer IDs and paying accounts, separated by commas. Empty: to everybody."
        {...line('allow')}
      />
      <Field label="Never sell to" hint="Peer IDs and paying accounts, separated by commas." {...line('deny')} />
    </div>
  )
}

/** Brings whoever sent the form to the first field that is wrong, also where that is folded away. */
function showFirstFault(form: HTMLFormElement | null): void {
  const field = form?.querySelector<HTMLElement>('[aria-invalid="true"]')
  field?.closest('details')?.setAttribute('open', '')
  field?.focus()
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

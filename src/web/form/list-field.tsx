import type { ComponentType } from 'preact'
import { useState } from 'preact/hooks'
import { Field } from '../parts/field.tsx'
import { type JsonSchema, labelOf, type SchemaFieldProps } from './json-schema.ts'

export interface ListFieldProps extends SchemaFieldProps {
  items: JsonSchema
  /** Field of one entry. */
  entry: ComponentType<SchemaFieldProps>
}

/** Several of the same: words in one line, anything else one below the other. */
export function ListField(props: ListFieldProps) {
  return props.items.type === 'string' ? <Words {...props} /> : <Entries {...props} />
}

function Words({ name, schema, value, onValue }: SchemaFieldProps) {
  const [text, setText] = useState(Array.isArray(value) ? value.join(', ') : '')
  const change = (next: string): void => {
    setText(next)
    const words = next.split(',').map((word) => word.trim())
    const said = words.filter((word) => word !== '')
    onValue(said.length === 0 ? undefined : said)
  }
  return <Field label={labelOf(name, schema)} hint="Separate them by commas." value={text} onValue={change} />
}

interface Entry {
  key: number
  value: unknown
}

function Entries({ name, schema, items, entry: EntryField, onValue }: ListFieldProps) {
  const [entries, setEntries] = useState<readonly Entry[]>([])
  const change = (next: readonly Entry[]): void => {
    setEntries(next)
    const said = next.map(({ value }) => value).filter((value) => value !== undefined)
    onValue(said.length === 0 ? undefined : said)
  }
  const label = labelOf(name, schema)
  const add = (): void => change([...entries, { key: (entries.at(-1)?.key ?? 0) + 1, value: undefined }])
  return (
    <fieldset>
      <legend>{label}</legend>
      {entries.map((entry, index) => (
        <div key={entry.key} class="entry">
          <EntryField
            name={`${label} ${index + 1}`}
            schema={items}
            value={entry.value}
            onValue={(value) => change(entries.map((one) => (one === entry ? { ...one, value } : one)))}
          />
          <button type="button" onClick={() => change(entries.filter((one) => one !== entry))}>
            Remove
          </button>
        </div>
      ))}
      <div class="actions">
        <button type="button" disabled={entries.length >= (schema.maxItems ?? Number.POSITIVE_INFINITY)} onClick={add}>
          Add
        </button>
      </div>
    </fieldset>
  )
}

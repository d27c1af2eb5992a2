import { Choice, Field } from '../parts/field.tsx'
import { JsonField } from './json-field.tsx'
import { compact, labelOf, type SchemaFieldProps } from './json-schema.ts'
import { ListField } from './list-field.tsx'
import { NumberField } from './number-field.tsx'
import { TextArea } from './text-area.tsx'
import { TupleField } from './tuple-field.tsx'

/** Longer texts get several lines. */
const LINE_LENGTH = 300

/** A field of a form for one part of a JSON Schema, whatever it is; what nobody fills in stays out of the document. */
export function SchemaField({ name, schema, value, onValue }: SchemaFieldProps) {
  const label = labelOf(name, schema)
  if (schema.enum !== undefined) {
    const options = schema.enum.map((one) => [String(one), String(one)] as const)
    const chosen = typeof value === 'string' ? value : ''
    return (
      <Choice label={label} value={chosen} options={[['', '—'], ...options]} onValue={(text) => onValue(said(text))} />
    )
  }
  if (schema.properties !== undefined) return <ObjectField {...{ name, schema, value, onValue }} />
  if (schema.type === 'boolean') {
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={value === true}
          onChange={({ currentTarget }) => onValue(currentTarget.checked ? true : undefined)}
        />
        {label}
      </label>
    )
  }
  if (schema.type === 'number' || schema.type === 'integer') {
    return <NumberField label={label} schema={schema} value={value} onValue={onValue} />
  }
  if (schema.prefixItems !== undefined) {
    return <TupleField label={label} parts={schema.prefixItems} value={value} onValue={onValue} />
  }
  if (schema.type === 'array' && schema.items) {
    return <ListField {...{ name, schema, value, onValue }} items={schema.items} entry={SchemaField} />
  }
  if (schema.type !== 'string') return <JsonField label={label} value={value} onValue={onValue} />
  const text = typeof value === 'string' ? value : ''
  if ((schema.maxLength ?? 0) > LINE_LENGTH && name !== 'url') {
    return <TextArea label={label} value={text} maxLength={schema.maxLength} onValue={(next) => onValue(said(next))} />
  }
  const { minLength, maxLength } = schema
  const input = { ...(minLength === undefined ? {} : { minLength }), ...(maxLength === undefined ? {} : { maxLength }) }
  return <Field label={label} value={text} input={input} onValue={(next) => onValue(said(next))} />
}

/** The fields of an object, together. */
function ObjectField({ name, schema, value, onValue }: SchemaFieldProps) {
  const fields = (value ?? {}) as Record<string, unknown>
  return (
    <fieldset>
      <legend>{labelOf(name, schema)}</legend>
      {Object.entries(schema.properties ?? {}).map(([key, inner]) => (
        <SchemaField
          key={key}
          name={key}
          schema={inner}
          value={fields[key]}
          onValue={(next) => onValue(compact({ ...fields, [key]: next }))}
        />
      ))}
    </fieldset>
  )
}

function said(text: string): string | undefined {
  return text === '' ? undefined : text
}

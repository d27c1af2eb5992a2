import { useState } from 'preact/hooks'
import { Field } from '../parts/field.tsx'
import type { JsonSchema } from './json-schema.ts'

export interface NumberFieldProps {
  label: string
  schema: JsonSchema
  value: unknown
  onValue: (value: number | undefined) => void
}

/** A number as it is typed: `-`, on the way to `-3`, is none yet and stays as it is. */
export function NumberField({ label, schema: { minimum, maximum }, value, onValue }: NumberFieldProps) {
  const [text, setText] = useState(typeof value === 'number' ? `${value}` : '')
  const change = (next: string): void => {
    setText(next)
    const number = Number(next)
    onValue(next.trim() === '' || !Number.isFinite(number) ? undefined : number)
  }
  const hint = minimum === undefined || maximum === undefined ? undefined : `${minimum} to ${maximum}`
  return (
    <Field
      label={label}
      value={text}
      hint={maximum !== undefined && maximum > 1e9 ? undefined : hint}
      input={{ inputMode: 'decimal', pattern: '-?[0-9]*([.][0-9]+)?' }}
      onValue={change}
    />
  )
}

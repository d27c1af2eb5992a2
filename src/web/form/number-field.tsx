import { useContext, useState } from 'preact/hooks'
import { Field } from '../parts/field.tsx'
import type { JsonSchema } from './json-schema.ts'
import { Refused } from './refused.ts'
import { UNFINISHED, type Unfinished } from './unfinished.ts'

export interface NumberFieldProps {
  label: string
  schema: JsonSchema
  value: unknown
  /** What is wrong when nothing is written. @default that is no fault */
  missing?: string | undefined
  onValue: (value: number | Unfinished | undefined) => void
}

/** A number as it is typed: `-`, on the way to `-3`, is none yet and stays as it is. */
export function NumberField({ label, schema: { minimum, maximum }, value, missing, onValue }: NumberFieldProps) {
  const refused = useContext(Refused)
  const [text, setText] = useState(typeof value === 'number' ? `${value}` : '')
  const change = (next: string): void => {
    setText(next)
    const number = Number(next)
    if (next.trim() === '') onValue(undefined)
    else onValue(Number.isFinite(number) ? number : UNFINISHED)
  }
  const hint = minimum === undefined || maximum === undefined ? undefined : `${minimum} to ${maximum}`
  const fault = value === UNFINISHED ? 'Write a number in digits, like 12.5, or nothing.' : missing
  return (
    <Field
      label={label}
      value={text}
      error={refused ? fault : undefined}
      hint={maximum !== undefined && maximum > 1e9 ? undefined : hint}
      input={{ inputMode: 'decimal', pattern: '-?[0-9]*([.][0-9]+)?' }}
      onValue={change}
    />
  )
}

import { useState } from 'preact/hooks'
import { type JsonSchema, labelOf } from './json-schema.ts'
import { NumberField } from './number-field.tsx'
import { UNFINISHED, type Unfinished } from './unfinished.ts'

export interface TupleFieldProps {
  label: string
  parts: readonly JsonSchema[]
  value: unknown
  onValue: (value: unknown) => void
}

/** Several numbers that mean something together only: a point, an area. */
export function TupleField({ label, parts, value, onValue }: TupleFieldProps) {
  const [numbers, setNumbers] = useState<ReadonlyArray<unknown>>(Array.isArray(value) ? value : [])
  const change = (at: number, number: number | Unfinished | undefined): void => {
    const next = parts.map((_, index) => (index === at ? number : numbers[index]))
    setNumbers(next)
    const written = next.filter((one) => one !== undefined)
    if (written.length === 0) onValue(undefined)
    else onValue(written.length === next.length ? next : UNFINISHED)
  }
  return (
    <fieldset>
      <legend>{label}</legend>
      <div class="together">
        {parts.map((part, index) => (
          <NumberField
            key={labelOf(`${index}`, part)}
            label={labelOf(`${index + 1}`, part)}
            schema={part}
            value={numbers[index]}
            missing={
              value === UNFINISHED && numbers[index] === undefined
                ? 'Fill this in, too, or leave all empty.'
                : undefined
            }
            onValue={(number) => change(index, number)}
          />
        ))}
      </div>
    </fieldset>
  )
}

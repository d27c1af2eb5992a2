import { useState } from 'preact/hooks'
import { type JsonSchema, labelOf } from './json-schema.ts'
import { NumberField } from './number-field.tsx'

export interface TupleFieldProps {
  label: string
  parts: readonly JsonSchema[]
  value: unknown
  onValue: (value: unknown) => void
}

/** Several numbers that mean something together only: a point, an area. */
export function TupleField({ label, parts, value, onValue }: TupleFieldProps) {
  const [numbers, setNumbers] = useState<ReadonlyArray<unknown>>(Array.isArray(value) ? value : [])
  const change = (at: number, number: number | undefined): void => {
    const next = parts.map((_, index) => (index === at ? number : numbers[index]))
    setNumbers(next)
    onValue(next.every((one) => one !== undefined) ? next : undefined)
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
            onValue={(number) => change(index, number)}
          />
        ))}
      </div>
    </fieldset>
  )
}

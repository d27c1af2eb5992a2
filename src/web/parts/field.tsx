import { useId } from 'preact/hooks'

export interface FieldProps {
  label: string
  hint?: string | undefined
  /** What is wrong with the value; said beside it. */
  error?: string | undefined
  unit?: string | undefined
  value: string
  onValue: (value: string) => void
  /** What the browser checks and helps with. */
  input?: {
    type?: 'text' | 'number'
    inputMode?: 'numeric' | 'decimal'
    pattern?: string
    placeholder?: string
    required?: boolean
    minLength?: number
    maxLength?: number
    list?: string
  }
}

/** One labelled line of a form. */
export function Field({ label, hint, error, unit, value, onValue, input }: FieldProps) {
  const id = useId()
  const described = [...(error === undefined ? [] : [`${id}-error`]), ...(hint === undefined ? [] : [`${id}-hint`])]
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <span class="input">
        <input
          {...input}
          id={id}
          value={value}
          aria-invalid={error !== undefined}
          aria-describedby={described.length === 0 ? undefined : described.join(' ')}
          onInput={({ currentTarget }) => onValue(currentTarget.value)}
        />
        {unit === undefined ? null : <span class="unit">{unit}</span>}
      </span>
      {error === undefined ? null : (
        <small id={`${id}-error`} class="fault">
          {error}
        </small>
      )}
      {hint === undefined ? null : (
        <small id={`${id}-hint`} class="hint">
          {hint}
        </small>
      )}
    </div>
  )
}

export interface ChoiceProps {
  label: string
  value: string
  options: ReadonlyArray<readonly [value: string, label: string]>
  hint?: string | undefined
  onValue: (value: string) => void
}

export function Choice({ label, value, options, hint, onValue }: ChoiceProps) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={({ currentTarget }) => onValue(currentTarget.value)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
      {hint === undefined ? null : (
        <small id={`${id}-hint`} class="hint">
          {hint}
        </small>
      )}
    </div>
  )
}

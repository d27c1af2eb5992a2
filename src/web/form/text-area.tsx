import { useId } from 'preact/hooks'

export interface TextAreaProps {
  label: string
  value: string
  hint?: string | undefined
  /** What is wrong with the value; said beside it. */
  error?: string | undefined
  maxLength?: number | undefined
  onValue: (value: string) => void
}

export function TextArea({ label, value, hint, error, maxLength, onValue }: TextAreaProps) {
  const id = useId()
  const described = [...(error === undefined ? [] : [`${id}-error`]), ...(hint === undefined ? [] : [`${id}-hint`])]
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={3}
        value={value}
        maxLength={maxLength}
        aria-invalid={error !== undefined}
        aria-describedby={described.length === 0 ? undefined : described.join(' ')}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
      />
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

import { useId } from 'preact/hooks'

export interface TextAreaProps {
  label: string
  value: string
  hint?: string | undefined
  maxLength?: number | undefined
  onValue: (value: string) => void
}

export function TextArea({ label, value, hint, maxLength, onValue }: TextAreaProps) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={3}
        value={value}
        maxLength={maxLength}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
      />
      {hint === undefined ? null : (
        <small id={`${id}-hint`} class="hint">
          {hint}
        </small>
      )}
    </div>
  )
}

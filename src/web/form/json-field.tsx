import { useContext, useState } from 'preact/hooks'
import { Refused } from './refused.ts'
import { TextArea } from './text-area.tsx'
import { UNFINISHED } from './unfinished.ts'

export interface JsonFieldProps {
  label: string
  value: unknown
  onValue: (value: unknown) => void
}

/** A part that has no form of its own, as JSON. */
export function JsonField({ label, value, onValue }: JsonFieldProps) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2))
  const refused = useContext(Refused)
  const change = (next: string): void => {
    setText(next)
    onValue(next.trim() === '' ? undefined : parsed(next))
  }
  const error = refused && value === UNFINISHED ? 'This is not JSON yet: finish it, or leave it empty.' : undefined
  return <TextArea label={label} value={text} hint="JSON" error={error} onValue={change} />
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return UNFINISHED
  }
}

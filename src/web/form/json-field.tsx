import { useState } from 'preact/hooks'
import { TextArea } from './text-area.tsx'

export interface JsonFieldProps {
  label: string
  value: unknown
  onValue: (value: unknown) => void
}

/** A part that has no form of its own, as JSON. */
export function JsonField({ label, value, onValue }: JsonFieldProps) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2))
  const [wrong, setWrong] = useState(false)
  const change = (next: string): void => {
    setText(next)
    const read = parsed(next)
    setWrong(read === undefined && next.trim() !== '')
    onValue(read)
  }
  return (
    <TextArea
      label={label}
      value={text}
      hint={wrong ? 'This is not JSON yet: it is left out.' : 'JSON'}
      onValue={change}
    />
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

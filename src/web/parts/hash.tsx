import { useState } from 'preact/hooks'
import { plain } from './text.tsx'

const SHOWN_MS = 1500

/** A long name: its beginning and end, and a button that copies all of it. */
export function Hash({ value, name }: { value: string; name: string }) {
  const [copied, setCopied] = useState(false)
  const text = plain(value)
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(value)
    setCopied(true)
    setTimeout(() => setCopied(false), SHOWN_MS)
  }
  return (
    <button type="button" class="hash" title={text} aria-label={`Copy ${name} ${text}`} onClick={() => void copy()}>
      {copied ? 'copied' : text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-6)}` : text}
    </button>
  )
}

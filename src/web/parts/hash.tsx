import { useState } from 'preact/hooks'
import { plain } from './text.tsx'

const SHOWN_MS = 1500

/** A long name, cut by the style sheet where it is seen, and a button that copies all of it. */
export function Hash({ value, name }: { value: string; name: string }) {
  const [copied, setCopied] = useState(false)
  const text = plain(value)
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(value)
    setCopied(true)
    setTimeout(() => setCopied(false), SHOWN_MS)
  }
  return (
    <button type="button" class="hash" title={text} onClick={() => void copy()}>
      <span class="hidden">Copy {name} </span>
      <span class="hash-text">{copied ? 'copied' : text}</span>
    </button>
  )
}

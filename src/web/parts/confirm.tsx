import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Action, type ActionProps } from './action.tsx'

/** An action that cannot be taken back: pressed once, it asks. */
export function Confirm({ ask, children, ...action }: ActionProps & { ask: ComponentChildren }) {
  const [asking, setAsking] = useState(false)
  if (!asking) {
    return (
      <button type="button" class={action.kind ?? ''} disabled={action.disabled} onClick={() => setAsking(true)}>
        {children}
      </button>
    )
  }
  return (
    <span class="actions">
      <Action {...action} kind="danger">
        {ask}
      </Action>
      <button type="button" onClick={() => setAsking(false)}>
        No
      </button>
    </span>
  )
}

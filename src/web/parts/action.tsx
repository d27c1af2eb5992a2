import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'

export interface ActionProps {
  act: () => Promise<unknown>
  /** Told what went wrong; undefined when it starts again. */
  onError: (error: unknown) => void
  kind?: 'main' | 'danger' | undefined
  disabled?: boolean | undefined
  children: ComponentChildren
}

/** A button that works until its call is answered, and cannot be pressed twice meanwhile. */
export function Action({ act, onError, kind, disabled = false, children }: ActionProps) {
  const [busy, setBusy] = useState(false)
  const run = async (): Promise<void> => {
    if (busy) return
    setBusy(true)
    onError(undefined)
    try {
      await act()
    } catch (error) {
      onError(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <button type="button" class={kind ?? ''} aria-busy={busy} disabled={disabled} onClick={() => void run()}>
      {children}
    </button>
  )
}

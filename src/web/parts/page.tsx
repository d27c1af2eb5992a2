import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { plain, Text } from './text.tsx'

export interface PageProps {
  title: string
  /** Beside the heading. */
  actions?: ComponentChildren
  children: ComponentChildren
}

/** One view: its heading is the title of the window, too. */
export function Page({ title, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${plain(title, 80)} · DDM`
  }, [title])
  return (
    <article class="page">
      <header class="head">
        <h1>
          <Text max={200}>{title}</Text>
        </h1>
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </header>
      {children}
    </article>
  )
}

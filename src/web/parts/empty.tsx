import type { ComponentChildren } from 'preact'

/** Says what a list without entries means and what to do next. */
export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <p>{children}</p>
    </div>
  )
}

export function Loading() {
  return <p class="quiet">Asking the node …</p>
}

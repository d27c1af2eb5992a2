import { computed, signal } from '@preact/signals'

export interface Route {
  /** `market`, `product` … */
  view: string
  id: string | undefined
  query: URLSearchParams
}

const hash = signal(location.hash)

/** Where the page is: `#/product/0x1a2b?rail=evm`. */
export const route = computed<Route>(() => {
  const [path = '', search = ''] = hash.value.replace(/^#\/?/, '').split('?', 2)
  const [view = '', id] = path.split('/')
  return {
    view: view === '' ? 'market' : view,
    id: id === undefined || id === '' ? undefined : readable(id),
    query: new URLSearchParams(search)
  }
})

/** Listens to the address bar. */
export function startRouter(): void {
  hash.value = location.hash
  window.addEventListener('hashchange', () => {
    hash.value = location.hash
  })
}

/** Address of a view, for links. */
export function href(view: string, id?: string, query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query)
  return `#/${view}${id === undefined ? '' : `/${encodeURIComponent(id)}`}${search.size === 0 ? '' : `?${search}`}`
}

export function go(to: string): void {
  location.hash = to
}

function readable(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

import { signal } from '@preact/signals'

const KEY = 'ddm.token'

/** What opens the API; undefined until the address of the page, as the node printed it, brought one. */
export const token = signal<string | undefined>(undefined)

/** Why the token does not open it, when it does not. */
export const refusal = signal<string | undefined>(undefined)

/** Takes the token out of the address bar, where a screenshot or a shared link would give it away. */
export function takeToken(): void {
  const [, given] = /^#token=([^&]+)/.exec(location.hash) ?? []
  if (given !== undefined) {
    sessionStorage.setItem(KEY, decodeURIComponent(given))
    history.replaceState(undefined, '', `${location.pathname}#/market`)
  }
  token.value = sessionStorage.getItem(KEY) ?? undefined
  refusal.value = undefined
}

export function forgetToken(why: string): void {
  sessionStorage.removeItem(KEY)
  token.value = undefined
  refusal.value = why
}

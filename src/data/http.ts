import { type AbortOptions, DdmError } from '../interface/index.ts'
import { abortedBy } from './abort.ts'
import { isTlsError, tlsFailure, unreachable } from './brokers/failures.ts'

/** A server is asked to wait no longer than this, whatever it says. */
const MAX_RETRY_AFTER_MS = 3_600_000

const TOO_EARLY_OR_MANY = new Set([408, 425, 429])

export interface HttpAddress {
  /** As it is asked for: without user and password. */
  readonly url: string
  /** For people: also without the query, where tokens are. */
  readonly name: string
  readonly headers: Headers
}

/**
 * Reads an address whose user and password go into the header `Authorization`.
 *
 * @throws DdmError `usage`, never with what may be a password in its text
 */
export function parseHttpAddress(
  text: string,
  schemes: readonly string[],
  given: Readonly<Record<string, string>> = {}
): HttpAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !schemes.includes(url.protocol.slice(0, -1)) || url.hostname === '') {
    throw new DdmError('usage', `"${text.split(':', 1)[0]}:…" is not an address like ${schemes[0]}://host/path`)
  }
  const name = `${url.protocol}//${url.host}${url.pathname}`
  let headers: Headers
  try {
    headers = new Headers(given)
  } catch {
    throw new DdmError('usage', `${name}: a header is not one; write it as "Name: value"`)
  }
  if (url.username !== '' && !headers.has('authorization')) {
    const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    headers.set('authorization', `Basic ${Buffer.from(login).toString('base64')}`)
  }
  url.username = ''
  url.password = ''
  url.hash = ''
  return { url: url.href, name, headers }
}

export interface HttpRequest extends AbortOptions {
  method?: string
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array<ArrayBuffer>
}

/**
 * Asks once. No redirect is followed: a server elsewhere could have this node ask its own network, sell what that answers,
 * and show the headers' secrets to another host.
 *
 * @throws DdmError `unreachable` without an answer; `config` without a secure connection
 */
export async function request(
  { url, name, headers }: HttpAddress,
  { signal, ...init }: HttpRequest
): Promise<Response> {
  const all = new Headers(headers)
  for (const [header, value] of Object.entries(init.headers ?? {})) all.set(header, value)
  try {
    return await fetch(url, { ...init, redirect: 'manual', headers: all, ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    throw httpFailure(name, error, signal)
  }
}

/** What fetch throws, in words. */
export function httpFailure(name: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof DdmError) return error
  if (signal?.aborted === true && signal.reason?.name !== 'TimeoutError') return abortedBy(signal)
  const { cause = error } = error as { cause?: unknown }
  return isTlsError(cause) ? tlsFailure(name, cause) : unreachable(name, cause)
}

/**
 * Passes on what is good.
 *
 * @throws DdmError `unreachable`, with `retryAfterMs`, for what goes away by itself; `config` or `notFound` for what does not
 */
export function checkStatus(name: string, { status, headers, ok }: Pick<Response, 'status' | 'headers' | 'ok'>): void {
  if (ok || status === 304) return
  throw statusError(name, status, headers.get('retry-after') ?? undefined)
}

export function statusError(name: string, status: number, retryAfter?: string): DdmError {
  const details = { status }
  if (status >= 500 || TOO_EARLY_OR_MANY.has(status)) {
    const retryAfterMs = readRetryAfter(retryAfter)
    return new DdmError('unreachable', `${name} answers ${status}`, { details: { ...details, retryAfterMs } })
  }
  if (status === 401 || status === 403) {
    const text = `${name} answers ${status}: it does not let us in; check user and password in the address, or the header`
    return new DdmError('config', text, { details })
  }
  if (status === 404 || status === 410) {
    return new DdmError('notFound', `${name} answers ${status}: there is nothing under this address`, { details })
  }
  if (status >= 300 && status < 400) {
    return new DdmError('config', `${name} answers ${status}: it has moved; give its new address`, { details })
  }
  return new DdmError('config', `${name} answers ${status}: it does not take this request`, { details })
}

/** Seconds, or a date. @source RFC 9110 §10.2.3 */
function readRetryAfter(text: string | undefined): number {
  if (text === undefined) return 0
  const ms = /^[0-9]+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS)
}

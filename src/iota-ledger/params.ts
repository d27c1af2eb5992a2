import { fromBase58, fromBase64 } from '@iota/bcs'
import { isValidIotaAddress } from '@iota/iota-sdk/utils'
import { normal } from './coin.ts'
import { INVALID_PARAMS, invalidParams, RpcError } from './errors.ts'

/** Most that one request asks for, and what a page has when nothing is said. */
const LIMIT = 50
const DIGEST_BYTES = 32

export interface Page<T> {
  data: T[]
  nextCursor: string | null
  hasNextPage: boolean
}

export function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw invalidParams('expected a string')
}

export function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value
  throw invalidParams('expected a list')
}

/** Of things that are asked for by name, all at once. */
export function limitedList(value: unknown): unknown[] {
  const items = list(value)
  if (items.length > LIMIT) throw new RpcError(INVALID_PARAMS, `Input exceeds limit of ${LIMIT}`)
  return items
}

export function fields(value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {}
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  throw invalidParams('expected an object')
}

export function base64(value: unknown): Uint8Array {
  try {
    return fromBase64(text(value))
  } catch {
    throw invalidParams('expected base64')
  }
}

export function address(value: unknown): string {
  const given = normal(text(value).slice(0, 100))
  if (!isValidIotaAddress(given)) throw invalidParams('expected an address')
  return given
}

export function digest(value: unknown): string {
  const given = text(value)
  if (given.length <= 50 && /^[1-9A-HJ-NP-Za-km-z]+$/.test(given) && fromBase58(given).length === DIGEST_BYTES) {
    return given
  }
  throw invalidParams('expected a digest')
}

export function limitOf(value: unknown): number {
  if (value === undefined || value === null) return LIMIT
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalidParams('expected a limit')
  return value === 0 || value > LIMIT ? LIMIT : value
}

/** What one of the items more than a page tells: that there is another. */
export function pageOf<T, U>(
  found: readonly T[],
  size: number,
  keyOf: (item: T) => string,
  show: (item: T) => U
): Page<U> {
  const items = found.slice(0, size)
  const last = items.at(-1)
  return {
    data: items.map(show),
    nextCursor: last === undefined ? null : keyOf(last),
    hasNextPage: found.length > size
  }
}

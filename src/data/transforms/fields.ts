import { DdmError } from '../../interface/index.ts'

/** A field of a JSON record: names joined by dots, as `wind.speed`. */
export type FieldPath = readonly string[]

const MAX_PATH = 200

/** @throws DdmError `usage` */
export function parsePath(text: string): FieldPath {
  const names = typeof text === 'string' && text.length <= MAX_PATH ? text.split('.') : ['']
  if (names.every((name) => name !== '' && name.trim() === name)) return names
  throw new DdmError(
    'usage',
    `"${String(text).slice(0, MAX_PATH)}" is no field: write names joined by dots, like time or wind.speed`
  )
}

type JsonObject = Record<string, unknown>

/** Not yet in the types of the language. @source ECMAScript, JSON.parse source text access */
const { rawJSON, isRawJSON } = JSON as typeof JSON & {
  rawJSON: (text: string) => unknown
  isRawJSON: (value: unknown) => boolean
}

export { isRawJSON }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawJSON(value)
}

/** What a number in this text means may be lost in a binary fraction. */
const LONG_NUMBER = /[0-9.]{16}|[0-9][eE]/

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The object that a record is; undefined when it is none. Long numbers stay what they are when it is written again. */
export function readObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const text = decoder.decode(bytes)
    const value = parseExactly(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** JSON whose long numbers stay what they are when it is written again. */
export function parseExactly(text: string): unknown {
  return LONG_NUMBER.test(text) ? (JSON.parse(text, keepNumbers) as unknown) : (JSON.parse(text) as unknown)
}

function keepNumbers(this: unknown, _: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined ? rawJSON(context.source) : value
}

/** undefined where there is no such field; `null` is a value. */
export function valueAt(record: JsonObject, path: FieldPath): unknown {
  let value: unknown = record
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/** What a JSON record says there, as text: the same text is the same value. undefined where there is no such field. */
export function fieldText(bytes: Uint8Array, path: FieldPath): string | undefined {
  const record = readObject(bytes)
  return record === undefined ? undefined : JSON.stringify(valueAt(record, path))
}

/** RFC 3339 as people write it; what else `Date.parse` takes is guessing. */
const DATE_TIME =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([zZ]|[+-][0-9]{2}:?[0-9]{2})?)?$/

/** Unix ms of a date and time, or of a number that is Unix ms; a time without a zone is UTC. */
export function readTime(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string') return undefined
  const [, clock, , , zone] = DATE_TIME.exec(value) ?? []
  if (!DATE_TIME.test(value)) return undefined
  const time = Date.parse(clock === undefined || zone !== undefined ? value : `${value}Z`)
  return Number.isNaN(time) ? undefined : time
}

/**
 * When a record says that it was taken, in Unix ms; undefined when it does not.
 *
 * @example
 * ```ts
 * timeOfRecord(Buffer.from('{"time":"2026-01-01T00:00:00Z"}'), ['time']) // 1767225600000
 * ```
 */
export function timeOfRecord(bytes: Uint8Array, path: FieldPath): number | undefined {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch {
    return undefined
  }
  return isObject(value) ? readTime(valueAt(value, path)) : undefined
}

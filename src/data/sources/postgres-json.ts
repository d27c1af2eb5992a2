/**
 * Values of PostgreSQL as JSON. A number that JavaScript would change becomes a string; a time is ISO 8601; what JSON has no
 * type for stays the text that the server writes.
 */

/** Type numbers of the server. @source PostgreSQL, pg_type.dat */
const BOOLEAN = 16
const INTEGERS = new Set([20, 21, 23, 26])
const FLOATS = new Set([700, 701])
const NUMERIC = 1700
const JSON_TYPES = new Set([114, 3802])
const TIMESTAMPS = new Set([1114, 1184])

/** JSON as the server writes it; a decimal point does not survive at its end, nor a sign of infinity. */
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/

/** Decimal digits that every number of JavaScript keeps. @source IEEE 754, DBL_DIG */
const EXACT_DIGITS = 15

export interface Column {
  name: string
  dataTypeID: number
}

/** The row as one JSON object, in the order of the columns. */
export function rowToJson(columns: readonly Column[], values: ReadonlyArray<string | null>): Uint8Array {
  const members = columns.map(
    ({ name, dataTypeID }, index) => `${JSON.stringify(name)}:${toJson(dataTypeID, values[index] ?? null)}`
  )
  return Buffer.from(`{${members.join(',')}}`)
}

function toJson(type: number, text: string | null): string {
  if (text === null) return 'null'
  if (type === BOOLEAN) return text === 't' ? 'true' : 'false'
  if (INTEGERS.has(type)) return Number.isSafeInteger(Number(text)) ? text : JSON.stringify(text)
  if (FLOATS.has(type)) return NUMBER.test(text) ? text : JSON.stringify(text)
  if (type === NUMERIC) {
    const isExact = NUMBER.test(text) && text.replace(/\D/g, '').length <= EXACT_DIGITS
    return isExact ? text : JSON.stringify(text)
  }
  if (JSON_TYPES.has(type)) return text
  if (TIMESTAMPS.has(type)) return JSON.stringify(toIso(text))
  return JSON.stringify(text)
}

/** `2026-01-31 12:00:00.5+00` → `2026-01-31T12:00:00.5Z`; a time without a zone stays one. */
function toIso(text: string): string {
  return text.replace(/^(\d+-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?/, (_all, date, time, zone) =>
    zone === undefined ? `${date}T${time}` : `${date}T${time}Z`
  )
}

import type { WireRecord } from '../client/types.ts'

/** A record as a table or a chart takes it: its fields by path. */
export interface Row {
  offset: string
  fields: ReadonlyMap<string, unknown>
}

const MAX_COLUMNS = 8

/** Fields of one record that are looked at. */
const MAX_FIELDS = 64

const MAX_DEPTH = 3

const MAX_CELL = 120

export function rowsOf(records: readonly WireRecord[]): Row[] {
  return records.map(({ offset, text, base64 }) => ({ offset, fields: fieldsOf(text, base64) }))
}

function fieldsOf(text: string | undefined, base64 = ''): Map<string, unknown> {
  if (text === undefined) return new Map([['binary', `${Math.floor((base64.length * 3) / 4)} bytes`]])
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return new Map([['text', text]])
  }
  const fields = new Map<string, unknown>()
  flatten(value, '', 0, fields)
  return fields
}

function flatten(value: unknown, path: string, depth: number, fields: Map<string, unknown>): void {
  if (fields.size >= MAX_FIELDS) return
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth === MAX_DEPTH) {
    fields.set(path === '' ? 'value' : path, value)
    return
  }
  for (const [key, inner] of Object.entries(value))
    flatten(inner, path === '' ? key : `${path}.${key}`, depth + 1, fields)
}

/** Columns of a table: the fields in the order in which they come. */
export function columnsOf(rows: readonly Row[]): string[] {
  const names = new Set<string>()
  for (const { fields } of rows) for (const name of fields.keys()) names.add(name)
  return [...names].slice(0, MAX_COLUMNS)
}

/** Fields that are numbers: what a chart can show. */
export function numericFields(rows: readonly Row[]): string[] {
  const names = new Set<string>()
  for (const { fields } of rows) for (const [name, value] of fields) if (typeof value === 'number') names.add(name)
  return [...names]
}

/** A value as text; long ones are cut, the file has all of them. */
export function cellText(value: unknown): string {
  if (value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}…` : text
}

import { DdmError } from '../interface/index.ts'
import { isRawJSON, toRow } from '../node/index.ts'

/** A stranger may name a field anew in every record; no spreadsheet has more columns. */
const MAX_COLUMNS = 16_384

/** JSON lines that are about to be written as CSV. */
export interface CsvTable {
  /** Every field of any record, in the order in which they come. */
  columns: readonly string[]
  /** Lines that were looked at: what is added meanwhile may have other fields. */
  rows: number
}

/** @throws DdmError `usage` for more fields than a table can have */
export async function csvTable(lines: AsyncIterable<string>): Promise<CsvTable> {
  const columns = new Set<string>()
  let rows = 0
  for await (const line of lines) {
    rows++
    for (const name of Object.keys(toRow(Buffer.from(line)))) columns.add(name)
    if (columns.size > MAX_COLUMNS) {
      throw new DdmError('usage', `the records have more than ${MAX_COLUMNS} different fields; take format=jsonl`)
    }
  }
  return { columns: [...columns], rows }
}

/**
 * JSON lines as CSV: what is nested stays JSON, and a long number what it is.
 * @source RFC 4180
 */
export async function* csvLines(lines: AsyncIterable<string>, { columns, rows }: CsvTable): AsyncGenerator<string> {
  if (rows === 0) return
  yield `${columns.map(cell).join(',')}\r\n`
  let left = rows
  for await (const line of lines) {
    const row = toRow(Buffer.from(line))
    yield `${columns.map((column) => cell(Object.hasOwn(row, column) ? row[column] : undefined)).join(',')}\r\n`
    if (--left === 0) return
  }
}

/** A stranger's text that a spreadsheet would take for a formula stays text. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number' || typeof value === 'boolean' || isRawJSON(value)) return JSON.stringify(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = /^[=+@\t\r-]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

import { type DataRecord, DdmError } from '../../interface/index.ts'
import { isObject, parseExactly } from '../transforms/fields.ts'

/** Of a record that is no JSON object. */
const VALUE_COLUMN = 'value'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Records as rows of a CSV file. @source RFC 4180 */
export class CsvLines {
  #columns: readonly string[] | undefined
  #hasHeader: boolean

  /**
   * @param columns - by the first record when undefined
   * @param hasHeader - whether the file has its first line already
   */
  constructor(columns: readonly string[] | undefined, hasHeader: boolean) {
    this.#columns = columns
    this.#hasHeader = hasHeader
  }

  /** @throws DdmError `badRecord` for a record that does not fit the columns; nothing of it is lost silently */
  encode(records: readonly DataRecord[]): Uint8Array {
    const lines = records.map((record) => this.#line(record))
    if (!this.#hasHeader && this.#columns !== undefined) lines.unshift(this.#columns.map(toCell).join(','))
    this.#hasHeader ||= this.#columns !== undefined
    return Buffer.from(lines.map((line) => `${line}\n`).join(''))
  }

  #line({ offset, bytes }: DataRecord): string {
    const row = toRow(bytes)
    this.#columns ??= Object.keys(row)
    const extra = Object.keys(row).find((name) => this.#columns?.includes(name) !== true)
    if (extra !== undefined) {
      const text = `record ${offset} has the field "${extra}", for which the CSV file has no column; take a .jsonl file`
      throw new DdmError('badRecord', text)
    }
    // An empty line would be no row.
    if (this.#columns.length === 1) return toCell(row[this.#columns[0] as string]) || '""'
    return this.#columns.map((name) => toCell(Object.hasOwn(row, name) ? row[name] : undefined)).join(',')
  }
}

/** A record by its columns. */
export function toRow(bytes: Uint8Array): Record<string, unknown> {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { [VALUE_COLUMN]: Buffer.from(bytes).toString('base64') }
  }
  try {
    const value = parseExactly(text)
    return isObject(value) ? value : { [VALUE_COLUMN]: value }
  } catch {
    return { [VALUE_COLUMN]: text }
  }
}

/** null is an empty cell, an empty text a quoted one. */
function toCell(value: unknown): string {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

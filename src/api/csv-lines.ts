/**
 * JSON lines as CSV: the columns are the keys of the first object, what is nested stays JSON.
 * @source RFC 4180
 */
export async function* csvLines(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let columns: string[] | undefined
  for await (const line of lines) {
    const record = objectOf(line)
    if (columns === undefined) {
      columns = Object.keys(record)
      yield `${columns.map(cell).join(',')}\r\n`
    }
    yield `${columns.map((column) => cell(record[column])).join(',')}\r\n`
  }
}

function objectOf(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : { record: value }
}

/** A stranger's text that a spreadsheet would take for a formula stays text. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = /^[=+@\t\r-]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

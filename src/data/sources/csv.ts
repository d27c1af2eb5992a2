import { createReadStream } from 'node:fs'
import {
  type AbortOptions,
  type DataSource,
  type DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'
import { type CsvRow, CsvRows } from './csv-rows.ts'
import { fileFingerprint } from './fingerprint.ts'
import { badLine, fileError, type ProblemOptions, problems } from './problems.ts'

/** A number as JSON writes it. More than 15 digits may not survive, so such a cell stays text. */
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/
const MAX_DIGITS = 15

const NEWLINE = 0x0a

/**
 * A CSV file: the first row names the columns, every other row is one record, a JSON object with a key per column. Cells
 * that look like a number become one, empty cells become null, all others are text.
 *
 * @example
 * ```ts
 * csv('weather.csv') // date,wind ⏎ 2010-01-01,3.8  →  {"date":"2010-01-01","wind":3.8}
 * ```
 *
 * @throws DdmError `badRecord` naming file and line, as `weather.csv:17: …`. A quote that is opened and never closed
 * cannot be skipped when it has taken in more than its own line.
 */
export function csv(path: string, options: ProblemOptions = {}): DataSource {
  return {
    name: path,
    finite: true,
    fingerprint: () => fileFingerprint(path),
    records: (abort) => read(path, options, abort)
  }
}

async function* read(
  path: string,
  options: ProblemOptions,
  { signal }: AbortOptions = {}
): AsyncIterable<SourceRecord> {
  const problem = problems(options)
  let keys: string[] | undefined
  try {
    for await (const row of rowsOf(path, signal)) {
      if ('error' in row) {
        // Without a header there is nothing to go on with.
        if (keys === undefined) throw row.error
        problem(row.error)
      } else if (keys === undefined) {
        keys = header(path, row.cells)
      } else if (row.cells.length === keys.length) {
        const bytes = toJson(keys, row.cells)
        // With its keys and escapes a row is longer than it was in the file.
        if (bytes.byteLength <= MAX_RECORD_BYTES) yield { bytes }
        else
          problem(
            badLine(path, row.line, `the record has ${bytes.byteLength} bytes, at most ${MAX_RECORD_BYTES} are one`)
          )
      } else {
        problem(badLine(path, row.line, `the row has ${row.cells.length} cells, the header has ${keys.length}`))
      }
    }
  } catch (error) {
    throw signal?.aborted === true ? abortedBy(signal) : fileError(path, error)
  }
  if (keys === undefined) throw badLine(path, 1, 'the file is empty; its first row must name the columns')
}

/** All rows of a file; after a row that cannot be parsed, those from the next line on. */
async function* rowsOf(path: string, signal: AbortSignal | undefined): AsyncGenerator<CsvRow | { error: DdmError }> {
  const file = createReadStream(path, signal === undefined ? {} : { signal }) as AsyncIterable<Buffer>
  /** Line ends seen. */
  let lines = 0
  /** The line at which the parser gave up: nothing up to its end is parsed. */
  let bad = 0
  let parser = new CsvRows(path, lines)
  for await (const chunk of wholeLines(file)) {
    let rest = chunk
    while (rest.length > 0) {
      if (lines < bad) {
        const end = rest.indexOf(NEWLINE)
        if (end === -1) break
        rest = rest.subarray(end + 1)
        lines += 1
        parser = new CsvRows(path, lines)
        continue
      }
      const failure = await parser.write(rest)
      yield* parser.take()
      if (failure === undefined) {
        lines += countLines(rest)
        break
      }
      if (failure.endless) throw failure.error
      yield failure
      bad = failure.line
      if (lines >= bad) parser = new CsvRows(path, lines)
    }
  }
  if (lines < bad) return
  const failure = await parser.end()
  yield* parser.take()
  if (failure?.endless === true) throw failure.error
  if (failure !== undefined) yield failure
}

/**
 * Cuts a file after line ends, and elsewhere only inside very long lines: the parser holds back a few bytes to look
 * ahead, and when it gives up these must not be the start of a good row.
 */
async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(NEWLINE) + 1 || chunk.length
    yield begun.length === 0 ? chunk.subarray(0, end) : Buffer.concat([begun, chunk.subarray(0, end)])
    begun = chunk.subarray(end)
  }
  yield begun
}

function countLines(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1
  return count
}

/** The keys as they stand in each record: `"name":`. */
function header(path: string, names: string[]): string[] {
  const seen = new Set<string>()
  for (const name of names) {
    if (name === '') throw badLine(path, 1, 'the header has a column without a name')
    if (seen.has(name)) throw badLine(path, 1, `the header names the column "${name}" twice`)
    seen.add(name)
  }
  return names.map((name) => `${JSON.stringify(name)}:`)
}

function toJson(keys: string[], cells: string[]): Uint8Array {
  return Buffer.from(`{${keys.map((key, index) => key + toValue(cells[index] ?? '')).join(',')}}`)
}

function toValue(cell: string): string {
  if (cell === '') return 'null'
  const isNumber = NUMBER.test(cell) && cell.replace(/[^0-9]/g, '').length <= MAX_DIGITS
  return isNumber ? String(Number(cell)) : JSON.stringify(cell)
}

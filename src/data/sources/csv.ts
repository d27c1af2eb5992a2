import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { CsvError, type InfoRecord, parse } from 'csv-parse'
import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'
import { badLine, fileError, type ProblemOptions, problems } from './problems.ts'

export interface CsvOptions extends ProblemOptions {
  /** @default ',' */
  delimiter?: string
}

/** A number as JSON writes it. More than 15 digits may not survive, so such a cell stays text. */
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/
const MAX_DIGITS = 15

/**
 * A CSV file: the first row names the columns, every other row is one record, a JSON object with a key per column. Cells
 * that look like a number become one, empty cells become null, all others are text.
 *
 * @example
 * ```ts
 * csv('weather.csv') // date,wind ⏎ 2010-01-01,3.8  →  {"date":"2010-01-01","wind":3.8}
 * ```
 *
 * @throws DdmError `badRecord` naming file and line, as `weather.csv:17: …`.
 */
export function csv(path: string, options: CsvOptions = {}): DataSource {
  return { name: path, finite: true, records: (abort) => read(path, options, abort) }
}

async function* read(path: string, options: CsvOptions, { signal }: AbortOptions = {}): AsyncIterable<SourceRecord> {
  const problem = problems(options)
  // Kept by the parser, which is ahead of the loop below.
  let lastLine = 0
  const parser = parse({
    bom: true,
    delimiter: options.delimiter ?? ',',
    info: true,
    on_record: (record, info) => {
      lastLine = info.lines
      return record
    },
    // Rows of a wrong length are told apart below, with the header's length.
    relax_column_count: true,
    skip_empty_lines: true,
    // An unclosed quote must not read the rest of the file into memory.
    max_record_size: MAX_RECORD_BYTES,
    skip_records_with_error: options.onError === 'skip',
    on_skip: (error) => {
      // Without a header, or inside a quote that never ends, there is nothing to go on with.
      if (error === undefined) return undefined
      if (lastLine === 0 || ENDLESS.has(error.code)) parser.destroy(error)
      else problem(badRow(path, error, lastLine))
      return undefined
    }
  })
  const file = createReadStream(path, signal === undefined ? {} : { signal })
  // The loop below hears of errors from the parser.
  pipeline(file, parser, () => {})
  let keys: string[] | undefined
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: InfoRecord }>) {
      if (keys === undefined) keys = header(path, record)
      else if (record.length === keys.length) yield { bytes: toJson(keys, record) }
      else problem(badLine(path, info.lines, `the row has ${record.length} cells, the header has ${keys.length}`))
    }
  } catch (error) {
    if (signal?.aborted === true) throw abortedBy(signal)
    throw error instanceof CsvError ? badRow(path, error, lastLine) : fileError(path, error)
  } finally {
    parser.destroy()
  }
  if (keys === undefined) throw badLine(path, 1, 'the file is empty; its first row must name the columns')
}

/** Found only where the parser gave up, far behind the row that is at fault. */
const ENDLESS: ReadonlySet<string> = new Set(['CSV_MAX_RECORD_SIZE', 'CSV_QUOTE_NOT_CLOSED'])

function badRow(path: string, error: CsvError, lastLine: number): DdmError {
  if (!ENDLESS.has(error.code)) return badLine(path, Number(error.lines), error.message, error)
  return badLine(path, lastLine + 1, `the row has an opening quote that is never closed, or is too long`, error)
}

function header(path: string, names: string[]): string[] {
  const seen = new Set<string>()
  for (const name of names) {
    const why = name === '' ? 'has a column without a name' : seen.has(name) ? `names the column "${name}" twice` : ''
    if (why !== '')
      throw new DdmError('badRecord', `${path}:1: the header ${why}`, { details: { file: path, line: 1 } })
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

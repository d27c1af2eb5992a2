import { CsvError, type Parser, parse } from 'csv-parse'
import { type DdmError, MAX_RECORD_BYTES } from '../../interface/index.ts'
import { badLine } from './problems.ts'

export interface CsvRow {
  cells: string[]
  /** Number of its last line in the file. */
  line: number
}

export interface CsvFailure {
  error: DdmError
  /** The line at which the parser gave up. */
  line: number
  /** Lines after the row's first were taken for a part of it, and are lost. */
  endless: boolean
}

const REASONS: Readonly<Record<string, string>> = {
  CSV_INVALID_CLOSING_QUOTE: 'text follows a closing quote',
  INVALID_OPENING_QUOTE: 'a cell has a quote in it but does not start with one',
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
  CSV_MAX_RECORD_SIZE: `the row has more than ${MAX_RECORD_BYTES} bytes, or a quote that is never closed`
}

/**
 * `csv-parse`, given one piece of a file at a time: the rows before an error are all there, where a stream would drop
 * those that nobody has read yet.
 */
export class CsvRows {
  private readonly path: string
  private readonly linesBefore: number
  private readonly parser: Parser
  private rows: CsvRow[] = []
  private lastLine = 0
  private emptyLines = 0
  private failure: Error | undefined

  constructor(path: string, linesBefore: number) {
    this.path = path
    this.linesBefore = linesBefore
    this.parser = parse({
      bom: linesBefore === 0,
      // Rows of a wrong length are told apart by the reader, who knows the header.
      relax_column_count: true,
      skip_empty_lines: true,
      // An unclosed quote must not read the rest of the file into memory.
      max_record_size: MAX_RECORD_BYTES,
      on_record: (cells: string[], { lines, empty_lines }) => {
        this.rows.push({ cells, line: linesBefore + lines })
        this.lastLine = lines
        this.emptyLines = empty_lines
        return null
      }
    })
    this.parser.on('error', (error) => {
      this.failure = error
    })
  }

  write(chunk: Buffer): Promise<CsvFailure | undefined> {
    return this.result((done) => this.parser.write(chunk, done))
  }

  end(): Promise<CsvFailure | undefined> {
    return this.result((done) => this.parser.end(done))
  }

  /** Rows parsed since the last call. */
  take(): CsvRow[] {
    const rows = this.rows
    this.rows = []
    return rows
  }

  private async result(act: (done: (error?: Error | null) => void) => void): Promise<CsvFailure | undefined> {
    const error = await new Promise<Error | null | undefined>((resolve) => act(resolve))
    const failure = error ?? this.failure
    if (failure === undefined) return undefined
    if (!(failure instanceof CsvError)) throw failure
    return this.describe(failure)
  }

  private describe(error: CsvError): CsvFailure {
    const { lines, empty_lines } = error as unknown as { lines: number; empty_lines: number }
    const line = this.linesBefore + lines
    const first = this.linesBefore + this.lastLine + (empty_lines - this.emptyLines) + 1
    const why = REASONS[error.code] ?? error.message
    const unclosed = error.code === 'CSV_QUOTE_NOT_CLOSED' || error.code === 'CSV_MAX_RECORD_SIZE'
    const to = line > first ? `; the row runs to line ${line}` : ''
    return { error: badLine(this.path, first, why + to, error), line, endless: unclosed && line > first }
  }
}

import { MAX_RECORD_BYTES, type SourceRecord } from '../../interface/index.ts'

const NEWLINE = 0x0a
const RETURN = 0x0d

export interface Line {
  /** Without its end; undefined when it is over the limit: then no byte of it was kept. */
  bytes: Buffer | undefined
  /** With its end. */
  length: number
}

/** Cuts chunks into lines; of a line over the limit nothing is kept. */
export class LineSplitter {
  readonly #limit: number
  #parts: Buffer[] = []
  #length = 0

  constructor(limit: number = MAX_RECORD_BYTES) {
    this.#limit = limit
  }

  /** The lines that end in this chunk. */
  *push(chunk: Buffer): Generator<Line> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      yield this.#take(1)
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
  }

  /** The last line, when it has no end. */
  *end(): Generator<Line> {
    if (this.#length > 0) yield this.#take(0)
  }

  #keep(part: Buffer): void {
    this.#length += part.byteLength
    // One byte more than the limit may still be a carriage return.
    if (this.#length > this.#limit + 1) this.#parts = []
    else if (part.byteLength > 0) this.#parts.push(part)
  }

  #take(end: number): Line {
    const length = this.#length + end
    const tooLong = this.#length > this.#limit + 1
    const [first = Buffer.alloc(0)] = this.#parts
    const line = tooLong ? undefined : withoutReturn(this.#parts.length > 1 ? Buffer.concat(this.#parts) : first)
    this.#parts = []
    this.#length = 0
    return { bytes: line === undefined || line.byteLength > this.#limit ? undefined : line, length }
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A line as a record, why it is none, or nothing when it is blank. */
export function readLine({ bytes }: Line, limit: number = MAX_RECORD_BYTES): SourceRecord | string | undefined {
  if (bytes === undefined) return `the line is longer than the ${limit} bytes that a record may have`
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return 'the line is not UTF-8'
  }
  if (text.trim() === '') return undefined
  try {
    JSON.parse(text)
    return { bytes }
  } catch (error) {
    return `the line is not JSON (${(error as Error).message})`
  }
}

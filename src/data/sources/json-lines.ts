import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { AbortOptions, DataSource, SourceRecord } from '../../interface/index.ts'
import { MAX_RECORD_BYTES } from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'
import { fileFingerprint } from './fingerprint.ts'
import { badLine, fileError, type ProblemOptions, problems } from './problems.ts'

const NEWLINE = 0x0a
const RETURN = 0x0d
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

export interface JsonLinesOptions extends ProblemOptions {
  /**
   * Longest line in bytes; a longer one is refused without being read into memory.
   *
   * @default MAX_RECORD_BYTES
   */
  maxBytes?: number
}

/**
 * One record per line, each a JSON value in UTF-8, passed on as it is. Empty lines are ignored.
 *
 * @example
 * ```ts
 * const source = jsonLines('stdin', () => process.stdin, { onError: 'skip', onSkip: (n, error) => warn(error.message) })
 * ```
 *
 * @throws DdmError `badRecord` naming the line, as `stdin:17: …`.
 */
export function jsonLines(name: string, open: () => Readable, options: JsonLinesOptions = {}): DataSource {
  return { name, finite: true, records: (abort) => read(name, open, options, abort) }
}

/** JSON lines of a file. */
export function jsonLinesFile(path: string, options: JsonLinesOptions = {}): DataSource {
  return { ...jsonLines(path, () => createReadStream(path), options), fingerprint: () => fileFingerprint(path) }
}

async function* read(
  name: string,
  open: () => Readable,
  options: JsonLinesOptions,
  { signal }: AbortOptions = {}
): AsyncIterable<SourceRecord> {
  const problem = problems(options)
  const input = open()
  const stop = (): void => {
    input.destroy(new Error('aborted'))
  }
  if (signal?.aborted === true) stop()
  signal?.addEventListener('abort', stop, { once: true })
  let number = 0
  try {
    for await (const line of lines(input, options.maxBytes ?? MAX_RECORD_BYTES)) {
      number += 1
      if (typeof line === 'number') {
        problem(badLine(name, number, `the line is longer than the ${line} bytes that a record may have`))
        continue
      }
      const bytes = number === 1 && line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? line.subarray(3) : line
      const why = objection(bytes)
      if (why === '') continue
      if (why === undefined) yield { bytes }
      else problem(badLine(name, number, why))
    }
  } catch (error) {
    throw signal?.aborted === true ? abortedBy(signal) : fileError(name, error)
  } finally {
    signal?.removeEventListener('abort', stop)
    input.destroy()
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Why a line is no record; undefined when it is one, empty when it is blank. */
function objection(line: Uint8Array): string | undefined {
  let text: string
  try {
    text = utf8.decode(line)
  } catch {
    return 'the line is not UTF-8'
  }
  if (text.trim() === '') return ''
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return `the line is not JSON (${(error as Error).message})`
  }
}

/** Lines without their ends; for a line over the limit, the limit instead, and no byte of it is kept. */
async function* lines(chunks: AsyncIterable<Buffer | string>, limit: number): AsyncGenerator<Buffer | number> {
  let parts: Buffer[] = []
  let length = 0
  const take = (): Buffer | number => {
    const line = length > limit + 1 ? undefined : withoutReturn(parts.length === 1 ? parts[0] : Buffer.concat(parts))
    parts = []
    length = 0
    return line === undefined || line.byteLength > limit ? limit : line
  }
  const keep = (part: Buffer): void => {
    length += part.byteLength
    // One byte more than the limit may still be a carriage return.
    if (length > limit + 1) parts = []
    else if (part.byteLength > 0) parts.push(part)
  }
  for await (const piece of chunks) {
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end))
      yield take()
      start = end + 1
    }
    keep(chunk.subarray(start))
  }
  if (length > 0) yield take()
}

function withoutReturn(line: Buffer = Buffer.alloc(0)): Buffer {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line
}

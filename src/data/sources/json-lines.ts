import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { AbortOptions, DataSource, SourceRecord } from '../../interface/index.ts'
import { MAX_RECORD_BYTES } from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'
import { fileFingerprint } from './fingerprint.ts'
import { type Line, LineSplitter, readLine } from './lines.ts'
import { badLine, fileError, type ProblemOptions, problems } from './problems.ts'

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
  const limit = options.maxBytes ?? MAX_RECORD_BYTES
  let number = 0
  try {
    for await (const line of lines(input, limit)) {
      number += 1
      const record = readLine(number === 1 ? withoutMark(line) : line, limit)
      if (typeof record === 'string') problem(badLine(name, number, record))
      else if (record !== undefined) yield record
    }
  } catch (error) {
    throw signal?.aborted === true ? abortedBy(signal) : fileError(name, error)
  } finally {
    signal?.removeEventListener('abort', stop)
    input.destroy()
  }
}

async function* lines(chunks: AsyncIterable<Buffer | string>, limit: number): AsyncGenerator<Line> {
  const splitter = new LineSplitter(limit)
  for await (const chunk of chunks) yield* splitter.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  yield* splitter.end()
}

function withoutMark({ bytes, length }: Line): Line {
  return { bytes: bytes?.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes, length }
}

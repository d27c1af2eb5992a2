import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet'
import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import { parseExactly } from '../transforms/fields.ts'
import { fileFingerprint } from './fingerprint.ts'
import { badLine, fileError, type ProblemOptions, problems } from './problems.ts'

/** Decoded at once; a row group of more than this is not for a program that streams. */
const MAX_GROUP_BYTES = 1024 * 1024 * 1024

/**
 * A Parquet file: each row is one record, a JSON object with a key per column. Times are ISO 8601, bytes that are no text
 * base64, integers beyond 2⁵³ strings. One row group is in memory at a time.
 *
 * @example
 * ```ts
 * const source = parquet('weather.parquet')
 * ```
 *
 * @throws DdmError when read: `notFound`, or `badRecord` when the file is no Parquet
 */
export function parquet(path: string, options: ProblemOptions = {}): DataSource {
  return {
    name: path,
    finite: true,
    fingerprint: () => fileFingerprint(path),
    records: (abort) => read(path, options, abort)
  }
}

async function* read(path: string, options: ProblemOptions, abort: AbortOptions = {}): AsyncGenerator<SourceRecord> {
  throwIfAborted(abort)
  const problem = problems(options)
  await fileFingerprint(path)
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet')
  let file: AsyncBuffer
  let metadata: FileMetaData
  try {
    file = await asyncBufferFromFile(path)
    metadata = await parquetMetadataAsync(file)
  } catch (error) {
    throw unreadable(path, error)
  }
  let start = 0
  for (const group of metadata.row_groups) {
    const bytes = Number(group.total_byte_size)
    if (bytes > MAX_GROUP_BYTES) {
      const text = `${path}: a row group has ${bytes} bytes; write the file with groups of at most ${MAX_GROUP_BYTES}`
      throw new DdmError('badRecord', text, { details: { bytes, limit: MAX_GROUP_BYTES } })
    }
    const end = start + Number(group.num_rows)
    const range = { rowStart: start, rowEnd: end }
    const rows = await parquetReadObjects({ file, metadata, ...range, compressors, parsers }).catch(
      (error: unknown) => {
        throw unreadable(path, error)
      }
    )
    for (const [index, row] of rows.entries()) {
      if (abort.signal?.aborted === true) throw abortedBy(abort.signal)
      const record = Buffer.from(JSON.stringify(row, toJson))
      if (record.byteLength <= MAX_RECORD_BYTES) yield { bytes: record }
      else problem(badLine(path, start + index + 1, `the row has more than ${MAX_RECORD_BYTES} bytes`))
    }
    start = end
  }
}

/** Before JSON.stringify turns a time into text, `this` still has it. */
function toJson(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value
}

/** Besides Snappy, which hyparquet has; the size that the file states is a limit, not a promise. */
const compressors: Compressors = {
  GZIP: (input, maxOutputLength) => gunzipSync(input, { maxOutputLength }),
  BROTLI: (input, maxOutputLength) => brotliDecompressSync(input, { maxOutputLength }),
  ZSTD: (input, maxOutputLength) => zstdDecompressSync(input, { maxOutputLength })
}

/** Long numbers in JSON stay what they are. */
const parsers = { jsonFromBytes: (bytes: Uint8Array) => parseExactly(new TextDecoder().decode(bytes)) }

function unreadable(path: string, error: unknown): unknown {
  const known = fileError(path, error)
  if (known instanceof DdmError) return known
  return new DdmError('badRecord', `${path} is no Parquet file that can be read: ${(error as Error).message}`, {
    cause: error
  })
}

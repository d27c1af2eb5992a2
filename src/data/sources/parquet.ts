import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { AsyncBuffer, Compressors, FileMetaData, RowGroup } from 'hyparquet'
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

/** Each row is an object in memory. */
const MAX_GROUP_ROWS = 10_000_000

/** Of one page, decompressed: writers make them of about 1 MiB. */
const MAX_PAGE_BYTES = 256 * 1024 * 1024

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
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, snappyUncompress } = await import('hyparquet')
  const compressors = limited(snappyUncompress)
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
    checkGroup(path, group, file.byteLength)
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

/** The footer states sizes that are taken into memory; it may be damaged, or lie. */
function checkGroup(path: string, { columns, num_rows, total_byte_size }: RowGroup, fileBytes: number): void {
  const broken = (why: string): DdmError =>
    new DdmError('badRecord', `${path} is no Parquet file that can be read: ${why}`)
  const tooLarge = (what: string, have: number, limit: number): DdmError => {
    const text = `${path}: a row group has ${have} ${what}; write the file with groups of at most ${limit}`
    return new DdmError('badRecord', text, { details: { have, limit } })
  }
  const rows = Number(num_rows)
  if (rows > MAX_GROUP_ROWS) throw tooLarge('rows', rows, MAX_GROUP_ROWS)
  let bytes = 0
  for (const { meta_data: column } of columns) {
    if (column === undefined) throw broken('a column is in another file')
    const { data_page_offset, dictionary_page_offset: dictionary, total_compressed_size, num_values } = column
    const at = Number(dictionary !== undefined && dictionary < data_page_offset ? dictionary : data_page_offset)
    const length = Number(total_compressed_size)
    if (at < 0 || length < 0 || at + length > fileBytes) {
      throw broken(`the footer puts a column at bytes ${at} to ${at + length} of ${fileBytes}`)
    }
    if (num_values < num_rows) throw broken(`the footer states ${rows} rows, of which a column has ${num_values}`)
    bytes += Number(column.total_uncompressed_size)
  }
  if (columns.length === 0 && rows > 0) throw broken(`the footer states ${rows} rows without a column`)
  const most = Math.max(bytes, Number(total_byte_size))
  if (most > MAX_GROUP_BYTES) throw tooLarge('bytes', most, MAX_GROUP_BYTES)
}

/** The size that a page states is a limit, not a promise, and is not taken before it is looked at. */
function limited(snappyUncompress: (input: Uint8Array, output: Uint8Array) => void): Compressors {
  const upTo =
    (decompress: (input: Uint8Array, size: number) => Uint8Array) =>
    (input: Uint8Array, size: number): Uint8Array => {
      if (size >= 0 && size <= MAX_PAGE_BYTES) return decompress(input, size)
      throw new Error(`a page states ${size} bytes, and may have at most ${MAX_PAGE_BYTES}`)
    }
  return {
    SNAPPY: upTo((input, size) => {
      const output = new Uint8Array(size)
      snappyUncompress(input, output)
      return output
    }),
    GZIP: upTo((input, maxOutputLength) => gunzipSync(input, { maxOutputLength })),
    BROTLI: upTo((input, maxOutputLength) => brotliDecompressSync(input, { maxOutputLength })),
    ZSTD: upTo((input, maxOutputLength) => zstdDecompressSync(input, { maxOutputLength }))
  }
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

import { type DataSink, DdmError } from '../../interface/index.ts'
import { type FileSinkOptions, linesSink, resumeLines } from './lines-file.ts'

export type { FileSinkOptions } from './lines-file.ts'

/**
 * Writes records to a file whose ending says how: `.csv`, `.parquet`, anything else is JSON lines. `flush` makes them
 * durable. Opened at once, so that a file that cannot be written is known before anything is paid.
 *
 * @example
 * ```ts
 * const sink = await fileSink('records.jsonl')
 * ```
 *
 * @throws DdmError `usage` when the file exists and neither `append` nor `force` is given; `config` when it cannot be
 * written.
 */
export async function fileSink(
  path: string,
  { append = false, force = false, columns }: FileSinkOptions = {}
): Promise<DataSink> {
  if (path.endsWith('.parquet')) return (await import('./parquet.ts')).parquetSink(path, { append, force })
  return linesSink(path, { append, force, ...(columns === undefined ? {} : { columns }) })
}

/**
 * Goes on with a file from a mark that its sink gave: what was written after it is cut off, because those records come
 * again.
 *
 * @throws DdmError `usage` when the mark is none, or the file has become shorter than it was
 */
export async function resumeFileSink(mark: string): Promise<DataSink> {
  const { file: path, bytes, records } = readMark(mark)
  if (records !== undefined) return (await import('./parquet.ts')).resumeParquetSink(path, records)
  return resumeLines(path, bytes)
}

function readMark(mark: string): { file: string; bytes: number; records?: number } {
  try {
    const { file, bytes = 0, records } = JSON.parse(mark) as { file?: unknown; bytes?: unknown; records?: unknown }
    if (typeof file === 'string' && Number.isSafeInteger(bytes) && Number.isSafeInteger(records ?? 0)) {
      return { file, bytes: Number(bytes), ...(records === undefined ? {} : { records: Number(records) }) }
    }
  } catch {
    // Said below.
  }
  throw new DdmError('usage', `"${mark.slice(0, 80)}" is not the mark of a file`)
}

import { type FileHandle, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type DataRecord, type DataSink, DdmError } from '../../interface/index.ts'
import { throwIfAborted } from '../abort.ts'
import { toJsonLines } from './json-line.ts'

/** A header is not longer. */
const MAX_HEADER_BYTES = 1024 * 1024

export interface FileSinkOptions {
  /** Add to a file that exists. */
  append?: boolean
  /** Replace a file that exists. */
  force?: boolean
  /** Columns of a CSV file. @default the fields of the first record */
  columns?: readonly string[]
}

type Encode = (records: readonly DataRecord[]) => Uint8Array

/** A file of lines: CSV by its ending, otherwise JSON. */
export async function linesSink(path: string, { append, force, columns }: FileSinkOptions): Promise<DataSink> {
  const file = await openFile(path, append === true ? 'a+' : force === true ? 'w+' : 'wx+')
  if (append === true) await endTornLine(file)
  return sinkOf(path, file, await encoderOf(path, file, columns))
}

/** Cuts off what was written after `bytes`. Throws `usage` when the file has become shorter than that. */
export async function resumeLines(path: string, bytes: number): Promise<DataSink> {
  const file = await openFile(path, 'a+')
  const { size } = await file.stat()
  if (size < bytes) {
    await file.close()
    throw new DdmError(
      'usage',
      `${path} has ${size} bytes, it had ${bytes} when the session was cut; was it replaced?`,
      {
        details: { have: size, need: bytes }
      }
    )
  }
  await file.truncate(bytes)
  return sinkOf(path, file, await encoderOf(path, file))
}

/** By the ending of the file, and the columns that it has. */
async function encoderOf(path: string, file: FileHandle, columns?: readonly string[]): Promise<Encode> {
  if (!path.endsWith('.csv')) return toJsonLines
  const { size } = await file.stat()
  const [{ CsvLines }, { parse }] = await Promise.all([import('./csv-lines.ts'), import('csv-parse/sync')])
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, MAX_HEADER_BYTES)), 0, null, 0)
  const [header] = parse(buffer.subarray(0, bytesRead), { to: 1, bom: true, relax_column_count: true }) as string[][]
  const lines = new CsvLines(header ?? columns, header !== undefined)
  return (records) => lines.encode(records)
}

/** @param file - opened, positioned at its end */
function sinkOf(path: string, file: FileHandle, encode: Encode): DataSink {
  // Writes are queued: they must land in the order of the calls.
  let last: Promise<void> = Promise.resolve()
  let closing: Promise<void> | undefined

  const then = (act: () => Promise<void>): Promise<void> => {
    if (closing !== undefined) return Promise.reject(new DdmError('internal', `${path} is closed`))
    last = last.then(act).catch((error: unknown) => {
      throw unwritable(path, error)
    })
    return last
  }
  const close = async (): Promise<void> => {
    try {
      await last
      await file.datasync()
    } catch (error) {
      throw unwritable(path, error)
    } finally {
      await file.close()
    }
  }

  return {
    name: path,
    write: async (records, options) => {
      throwIfAborted(options)
      if (records.length > 0) await then(() => file.appendFile(encode(records)))
    },
    flush: async (options) => {
      throwIfAborted(options)
      await then(() => file.datasync())
    },
    mark: async (options) => {
      throwIfAborted(options)
      let bytes = 0
      await then(async () => {
        await file.datasync()
        bytes = (await file.stat()).size
      })
      return JSON.stringify({ file: resolve(path), bytes })
    },
    close: () => {
      closing ??= close()
      return closing
    }
  }
}

export async function openFile(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, error)
    throw new DdmError('usage', `${path} exists; give another name, or say that it may be appended to or replaced`)
  }
}

/** After a crash the last line may be cut off: what follows must not become part of it. */
async function endTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat()
  if (size === 0) return
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  if (buffer[0] !== 0x0a) await file.appendFile('\n')
}

function unwritable(path: string, error: unknown): DdmError {
  if (error instanceof DdmError) return error
  return new DdmError('config', `${path} cannot be written: ${(error as Error).message}`, { cause: error })
}

import { type FileHandle, open } from 'node:fs/promises'
import { type DataSink, DdmError } from '../../interface/index.ts'
import { throwIfAborted } from '../abort.ts'
import { toJsonLines } from './json-line.ts'

export interface FileSinkOptions {
  /** Add to a file that exists. */
  append?: boolean
  /** Replace a file that exists. */
  force?: boolean
}

/**
 * Writes records as JSON lines to a file; `flush` makes them durable. Opened at once, so that a file that cannot be
 * written is known before anything is paid.
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
  { append = false, force = false }: FileSinkOptions = {}
): Promise<DataSink> {
  const file = await openFile(path, append ? 'a+' : force ? 'w' : 'wx')
  // Writes are queued: they must land in the order of the calls.
  let last: Promise<void> = append ? endTornLine(file) : Promise.resolve()
  await last
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
      if (records.length > 0) await then(() => file.appendFile(toJsonLines(records)))
    },
    flush: async (options) => {
      throwIfAborted(options)
      await then(() => file.datasync())
    },
    close: () => {
      closing ??= close()
      return closing
    }
  }
}

async function openFile(path: string, flags: string): Promise<FileHandle> {
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

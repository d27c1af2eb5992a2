import type { Writable } from 'node:stream'
import { type AbortOptions, type DataSink, DdmError } from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import { toJsonLines } from './json-line.ts'

export interface StreamSinkOptions {
  /** @default 'stdout' */
  name?: string
}

/**
 * Writes records as JSON lines to a stream, no faster than its reader takes them. The stream itself stays open. When the
 * reader goes away (`ddm buy … | head`), the next call throws `aborted`.
 *
 * @example
 * ```ts
 * const sink = jsonLinesSink(process.stdout)
 * await sink.write([{ offset: 0n, bytes }])
 * ```
 */
export function jsonLinesSink(stream: Writable, { name = 'stdout' }: StreamSinkOptions = {}): DataSink {
  let failure: DdmError | undefined
  /** Resolves when everything written so far has left. */
  let written: Promise<void> = Promise.resolve()
  let closed = false
  const onError = (error: NodeJS.ErrnoException): void => {
    failure ??= outOf(name, error)
  }
  stream.on('error', onError)

  const check = (options: AbortOptions | undefined): void => {
    throwIfAborted(options)
    if (failure !== undefined) throw failure
    if (closed) throw new DdmError('internal', `${name} is closed`)
  }

  const flush = async (options?: AbortOptions): Promise<void> => {
    await orAborted(written, options)
    if (failure !== undefined) throw failure
  }

  return {
    name,
    write: async (records, options) => {
      check(options)
      if (records.length === 0) return
      let full = false
      const leaving = new Promise<void>((resolve) => {
        full = !stream.write(toJsonLines(records), (error) => {
          if (error) onError(error)
          resolve()
        })
      })
      written = leaving
      // A stream that is full has room again when its last write has left.
      if (full) await orAborted(leaving, options)
      check(options)
    },
    flush,
    close: async (options) => {
      if (closed) return
      closed = true
      await flush(options)
    }
  }
}

function outOf(name: string, error: NodeJS.ErrnoException): DdmError {
  const gone = ['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END', 'ECONNRESET'].includes(error.code ?? '')
  if (gone) return new DdmError('aborted', `nobody reads ${name} any more`, { cause: error })
  return new DdmError('config', `${name} cannot be written: ${error.message}`, { cause: error })
}

function orAborted(wait: Promise<void>, options: AbortOptions | undefined): Promise<void> {
  const signal = options?.signal
  if (signal === undefined) return wait
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortedBy(signal))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    void wait.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

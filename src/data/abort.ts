import { type AbortOptions, DdmError } from '../interface/index.ts'

export function abortedBy(signal: AbortSignal): DdmError {
  return new DdmError('aborted', 'stopped on request', { cause: signal.reason })
}

export function throwIfAborted(options: AbortOptions | undefined): void {
  if (options?.signal?.aborted === true) throw abortedBy(options.signal)
}

/** What comes of the work, or `aborted` as soon as the signal is: for work that does not know of it. */
export async function orAborted<T>(work: Promise<T>, options: AbortOptions | undefined): Promise<T> {
  const signal = options?.signal
  if (signal === undefined) return work
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(abortedBy(signal))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

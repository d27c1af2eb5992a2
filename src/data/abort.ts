import { type AbortOptions, DdmError } from '../interface/index.ts'

export function abortedBy(signal: AbortSignal): DdmError {
  return new DdmError('aborted', 'stopped on request', { cause: signal.reason })
}

export function throwIfAborted(options: AbortOptions | undefined): void {
  if (options?.signal?.aborted === true) throw abortedBy(options.signal)
}

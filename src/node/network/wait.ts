import { DdmError, type ErrorCode } from '../../interface/index.ts'

/**
 * What a wait that failed means to the caller: `aborted` when the caller gave up, else `code` (time ran out, or nobody
 * answered).
 */
export function endOfWait(signal: AbortSignal, what: string, cause: unknown, code: ErrorCode = 'notFound'): DdmError {
  if (cause instanceof DdmError) return cause
  if (signal.aborted && !isTimeout(signal.reason)) return new DdmError('aborted', `gave up on ${what}`, { cause })
  const late = signal.aborted ? ' in time' : ''
  const verb = code === 'notFound' ? 'was not found' : 'did not answer'
  return new DdmError(code, `${what} ${verb}${late}`, { cause })
}

function isTimeout(reason: unknown): boolean {
  return (reason as { name?: unknown } | null)?.name === 'TimeoutError'
}

/** The caller's signal, and a limit of our own: a caller that waits long must not make a dead peer look alive. */
export function within(milliseconds: number, signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(milliseconds)
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout])
}

import { DdmError } from '../../interface/index.ts'
import type { ReconnectOptions } from '../brokers/reconnect.ts'

/** What a source does with a line that it cannot read. */
export type OnError = 'stop' | 'skip'

export interface ProblemOptions extends ReconnectOptions {
  /**
   * `stop`: the source ends with the error. `skip`: it goes on with the next line and tells `onSkip`.
   *
   * @default 'stop'
   */
  onError?: OnError
  /** Called for each skipped line with how many were skipped so far. */
  onSkip?: (skipped: number, error: DdmError) => void
}

/** Returns what to do with a bad line: throw, or count it and go on. */
export function problems({ onError = 'stop', onSkip }: ProblemOptions): (error: DdmError) => void {
  let skipped = 0
  return (error) => {
    if (onError === 'stop') throw error
    skipped += 1
    onSkip?.(skipped, error)
  }
}

/** A line that cannot be read, as editors and compilers name it. */
export function badLine(name: string, line: number, why: string, cause?: unknown): DdmError {
  return new DdmError('badRecord', `${name}:${line}: ${why}`, { cause, details: { file: name, line } })
}

/** An error of the file itself. */
export function fileError(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return new DdmError('notFound', `${path}: there is no such file`, { cause: error })
  if (code === 'EISDIR') return new DdmError('usage', `${path} is a folder, not a file`, { cause: error })
  if (code?.startsWith('E') === true && (error as NodeJS.ErrnoException).syscall !== undefined) {
    return new DdmError('config', `${path} cannot be read: ${message}`, { cause: error })
  }
  return error
}

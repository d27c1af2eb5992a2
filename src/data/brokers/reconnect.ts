import { setTimeout as delay } from 'node:timers/promises'
import { DdmError } from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 10_000
const LINGER_MS = 500

/** Half fixed, half random: what failed together does not come back together. */
function backoff(failures: number): number {
  const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 20))
  return ceiling / 2 + (Math.random() * ceiling) / 2
}

/** True for errors that go away when a server comes back. */
export function isLost(error: unknown): error is DdmError {
  return error instanceof DdmError && error.code === 'unreachable'
}

export interface ReconnectOptions {
  /** Waits for a first connection, too. @default false: a wrong address is said at once */
  patient?: boolean
  /** Told of each connection that was lost, or did not come about. */
  onProblem?: (error: DdmError) => void
  /** Told of each connection that came about. */
  onOpened?: () => void
}

/**
 * Reads one connection after the other. A lost one is followed by the next, with pauses that grow as long as nothing
 * comes, and last as long as the error's `retryAfterMs` says.
 *
 * @param read - calls `opened` when it is connected, and throws `unreachable` when the connection is lost
 */
export async function* reconnecting<T>(
  read: (opened: () => void) => AsyncIterable<T>,
  signal: AbortSignal | undefined,
  { patient = false, onProblem, onOpened }: ReconnectOptions = {}
): AsyncGenerator<T> {
  let everOpened = patient
  for (let failures = 0; ; failures++) {
    let retryAfterMs = 0
    try {
      const items = read(() => {
        everOpened = true
        onOpened?.()
      })
      for await (const item of items) {
        failures = 0
        yield item
      }
      return
    } catch (error) {
      if (signal?.aborted === true) throw abortedBy(signal)
      if (!everOpened || !isLost(error)) throw error
      onProblem?.(error)
      retryAfterMs = Number(error.details.retryAfterMs ?? 0)
    }
    await pause(failures, signal, retryAfterMs)
  }
}

/**
 * Tries until it succeeds, with growing pauses, as long as the server cannot be reached.
 *
 * @param atOnce - without a pause before the first attempt
 */
export async function persistently<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  { atOnce = false }: { atOnce?: boolean } = {}
): Promise<T> {
  let retryAfterMs = 0
  for (let failures = 0; ; failures++) {
    if (failures > 0 || !atOnce) await pause(failures, signal, retryAfterMs)
    try {
      return await attempt()
    } catch (error) {
      if (!isLost(error)) throw error
      retryAfterMs = Number(error.details.retryAfterMs ?? 0)
    }
  }
}

/**
 * Before a connection is closed, its reader has a moment to make the last records durable: what is not acknowledged
 * comes again.
 */
export async function linger(settled: () => boolean): Promise<void> {
  const until = performance.now() + LINGER_MS
  while (!settled() && performance.now() < until) await delay(5)
}

async function pause(failures: number, signal: AbortSignal | undefined, leastMs = 0): Promise<void> {
  try {
    await delay(Math.max(backoff(failures), leastMs), undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    throw signal?.aborted === true ? abortedBy(signal) : error
  }
}

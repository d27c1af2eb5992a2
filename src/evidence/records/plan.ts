import type { PendingDigest, RecordPolicy } from '../../interface/index.ts'

const DAY_MS = 86_400_000

/** What is recorded now, and when to plan again if nothing is noted until then. */
export interface RecordsPlan {
  now: PendingDigest[]
  /** Unix ms; absent when time alone changes nothing. */
  again?: number
}

/**
 * Which of the pending digests are recorded at a moment.
 *
 * - `each`: all;
 * - `session`: those of sessions that are over;
 * - `daily`: all, once the oldest has waited a day. The next can only be noted later, so there is at most one batch a day,
 *   and nodes do not all record at midnight.
 *
 * @param pending - oldest first
 * @param now - Unix ms
 */
export function planRecords(policy: RecordPolicy, pending: readonly PendingDigest[], now: number): RecordsPlan {
  switch (policy) {
    case 'each':
      return { now: [...pending] }
    case 'session':
      return { now: pending.filter(({ ended }) => ended) }
    case 'daily': {
      const [oldest] = pending
      if (oldest === undefined) return { now: [] }
      const due = oldest.at + DAY_MS
      // A clock that was put back would make them wait for what it takes for the future.
      return due <= now || oldest.at > now ? { now: [...pending] } : { now: [], again: due }
    }
  }
}

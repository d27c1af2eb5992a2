import { type FieldPath, timeOfRecord } from '../data/index.ts'
import type { PurchasedRecord } from './types.ts'

/** So long before the last record: what both sellers have is dropped. */
const OVERLAP_MS = 2_000
/** A record may be this much older than its arrival: a stranger's word for its time costs no more than that. */
const MAX_DELAY_MS = 60_000

/**
 * When the stream of the next seller starts so that no record is missed, Unix ms. It goes by the last record's own time, as
 * far as that is credible: from a slow seller, or under load, a record is seconds older than its arrival.
 *
 * @param time - where the listing says that records name their time
 * @example handoverTime(last, parsePath('time'))
 */
export function handoverTime(
  { receivedAt, bytes }: Pick<PurchasedRecord, 'receivedAt' | 'bytes'>,
  time: FieldPath | undefined
): number {
  const at = (time === undefined ? undefined : timeOfRecord(bytes, time)) ?? receivedAt
  return Math.max(receivedAt - MAX_DELAY_MS, Math.min(receivedAt, at)) - OVERLAP_MS
}

import type { AbortOptions, DataSink } from '../interface/index.ts'
import type { Following } from './follow-types.ts'

/** More records than a run can hand out in a millisecond. */
const PER_MILLISECOND = 1_000_000n

/**
 * Writes a product that is followed to a sink. Sellers count for themselves, so the records are numbered anew: from the
 * time of the call on, so that sinks that go by numbers keep those of an earlier run apart.
 *
 * @example
 * ```ts
 * const sink = await fileSink('wind.jsonl', { append: true })
 * await pourFollowed(node.follow(listings, { max: '0.5', key: 'time' }), sink)
 * await sink.close()
 * ```
 */
export async function pourFollowed(following: Following, sink: DataSink, options?: AbortOptions): Promise<void> {
  let next = BigInt(Date.now()) * PER_MILLISECOND
  for await (const batch of following.batches()) {
    await sink.write(
      batch.map(({ bytes }) => ({ offset: next++, bytes })),
      options
    )
  }
  await sink.flush(options)
}

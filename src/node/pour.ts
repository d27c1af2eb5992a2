import type { AbortOptions, DataSink } from '../interface/index.ts'
import type { Purchase } from './types.ts'

/** How long records may wait in a sink before its position is made durable. */
const COMMIT_EVERY_MS = 250

export interface PourOptions extends AbortOptions {
  /** The session wrote to another sink before: from now on it goes on in this one. @default false */
  elsewhere?: boolean
}

/**
 * Writes what is bought to a sink. What the sink has made durable and the session's position are stored together, so
 * that a purchase that was killed goes on in the sink exactly where it stopped: every record once.
 *
 * @example
 * ```ts
 * const sink = await fileSink('records.jsonl')
 * const purchase = node.buy(listing, { mark: await sink.mark() })
 * await pour(purchase, sink)
 * const { due } = await purchase.done
 * ```
 */
export async function pour(purchase: Purchase, sink: DataSink, options: PourOptions = {}): Promise<void> {
  const { elsewhere = false } = options
  let committedAt = performance.now()
  const commit = async (): Promise<void> => {
    // A sink without a mark takes the place of the one before all the same.
    if (sink.mark === undefined && !elsewhere) return
    await purchase.commit(await sink.mark?.(options))
    committedAt = performance.now()
  }
  // Before the first record: after a crash the sink before knows nothing of those that came here.
  if (elsewhere) await commit()
  for await (const batch of purchase.batches()) {
    await sink.write(batch, options)
    if (purchase.idle || performance.now() - committedAt >= COMMIT_EVERY_MS) await commit()
  }
  await commit()
}

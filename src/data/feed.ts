import { pipe } from 'it-pipe'
import type { AbortOptions, DataSource, ProductLog, SourceRecord } from '../interface/index.ts'
import { abortedBy, throwIfAborted } from './abort.ts'
import { isLeftOut, type RecordTransform } from './transforms/each.ts'

/** Records on their way into the log at once, so that its blocks fill while earlier ones become durable. */
const MAX_PENDING = 4_096

/** The same in bytes: what waits in memory besides the blocks in flight. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024

export interface FeedOptions extends AbortOptions {
  /**
   * Applied in order.
   *
   * @default []
   */
  transforms?: RecordTransform[]
  /**
   * Mark the log as finished when the source ends.
   *
   * @default source.finite
   */
  finish?: boolean
}

/**
 * Moves records from a source into a log until the source ends, no faster than the log can store them. Resolves, when all
 * of them are durable, with their number. A source that knows positions goes on where its last record in the log was, and
 * is told how far the log has it.
 *
 * @example
 * ```ts
 * const { records } = await feed(parseSource('csv:weather.csv'), log)
 * ```
 *
 * @throws DdmError `aborted` when the signal said so, `badRecord` from the source, or the reason why the log stores no
 * more. Records before that are kept.
 */
export async function feed(
  source: DataSource,
  log: ProductLog,
  options: FeedOptions = {}
): Promise<{ records: number }> {
  const { signal, transforms = [], finish = source.finite } = options
  throwIfAborted(options)
  // A log that fails must end the wait for the next record of a quiet source.
  const failed = new AbortController()
  const stop = AbortSignal.any(signal === undefined ? [failed.signal] : [failed.signal, signal])
  const transform: RecordTransform = (records) => transforms.reduce((input, change) => change(input), records)
  try {
    const from = goesOnFrom(source, log)
    const input = source.records({ signal: stop, ...(from === undefined ? {} : { from }) })
    const records = await pipe(input, transform, appendTo(log, source, failed, stop))
    if (finish) await log.finish()
    return { records }
  } catch (error) {
    if (failed.signal.aborted) throw failed.signal.reason
    throw signal?.aborted === true ? abortedBy(signal) : error
  }
}

/** The position of this source at which the log stands; undefined when it is read from its start. */
export function goesOnFrom({ name }: Pick<DataSource, 'name'>, { position }: ProductLog): string | undefined {
  return position?.source === name ? position.position : undefined
}

function appendTo(
  log: ProductLog,
  source: DataSource,
  failed: AbortController,
  stop: AbortSignal
): (records: AsyncIterable<SourceRecord>) => Promise<number> {
  return async (records) => {
    let count = 0
    let pending = 0
    let pendingBytes = 0
    let wake: (() => void) | undefined
    const until = async (ready: () => boolean): Promise<void> => {
      while (!ready()) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
    /** Settles when everything before is durable, in order. */
    let last: Promise<void> = Promise.resolve()
    const tell = (position: string): void => {
      if (!failed.signal.aborted) source.durable?.(position)
    }
    const append = async ({ bytes, position }: SourceRecord): Promise<void> => {
      pending += 1
      pendingBytes += bytes.byteLength
      const options = position === undefined ? {} : { position: { source: source.name, position } }
      await log.append([bytes], options).catch((error: unknown) => failed.abort(error))
      pending -= 1
      pendingBytes -= bytes.byteLength
      wake?.()
    }
    try {
      for await (const record of records) {
        stop.throwIfAborted()
        const stored = isLeftOut(record) ? undefined : append(record)
        const { position } = record
        if (position !== undefined) last = last.then(() => stored).then(() => tell(position))
        if (stored === undefined) continue
        count += 1
        await until(() => pending < MAX_PENDING && pendingBytes < MAX_PENDING_BYTES)
      }
    } finally {
      await until(() => pending === 0)
      await last
    }
    failed.signal.throwIfAborted()
    return count
  }
}

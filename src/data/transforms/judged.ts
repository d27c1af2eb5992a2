import { DdmError, joinRecords, type RecordValidator, type SourceRecord } from '../../interface/index.ts'
import { isLeftOut, leaveOut, type RecordTransform } from './each.ts'
import type { Refuse } from './invalid.ts'

/** Read on while earlier ones are being judged, so that a fast source needs few questions. */
const MAX_WAITING = 1_024
const MAX_WAITING_BYTES = 1024 * 1024

/**
 * Passes what keeps the rules of the listing; the others go to `refuse`. A record of a slow source is judged at once, those
 * that come meanwhile together.
 */
export function judgedBy(validator: Pick<RecordValidator, 'checkEach'>, refuse: Refuse): RecordTransform {
  return async function* (records) {
    let number = 0
    for await (const batch of batched(records)) {
      const judged = batch.filter((record) => !isLeftOut(record))
      const bad = await validator.checkEach(joinRecords(judged.map(({ bytes }) => bytes)), judged.length)
      const reasons = new Map(bad.map(({ index, reason }) => [judged[index], reason]))
      for (const record of batch) {
        if (!isLeftOut(record)) number++
        const reason = reasons.get(record)
        if (reason === undefined) yield record
        else {
          refuse(new DdmError('badRecord', `record ${number} breaks the schema of the listing: ${reason}`))
          yield* leaveOut(record)
        }
      }
    }
  }
}

/** What has come since the last batch was taken. An error comes after what came before it. */
async function* batched(records: AsyncIterable<SourceRecord>): AsyncGenerator<SourceRecord[]> {
  const iterator = records[Symbol.asyncIterator]()
  let waiting: SourceRecord[] = []
  let bytes = 0
  let ended: { error?: unknown } | undefined
  let changed = Promise.withResolvers<void>()
  const change = (): void => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  let leaving = false
  const read = async (): Promise<void> => {
    try {
      for (;;) {
        while (waiting.length >= MAX_WAITING || bytes >= MAX_WAITING_BYTES) {
          await changed.promise
          if (leaving) return
        }
        const { value, done } = await iterator.next()
        if (done === true) break
        waiting.push(value)
        bytes += value.bytes.length
        change()
      }
      ended = {}
    } catch (error) {
      ended = { error }
    }
    change()
  }
  void read()
  try {
    for (;;) {
      while (waiting.length === 0 && ended === undefined) await changed.promise
      const batch = waiting
      if (batch.length === 0) break
      waiting = []
      bytes = 0
      change()
      yield batch
    }
    if (ended !== undefined && 'error' in ended) throw ended.error
  } finally {
    leaving = true
    change()
    // A source that is quiet ends by its signal; nobody waits for it here.
    if (ended === undefined) void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}

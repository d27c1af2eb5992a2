import type { SourceRecord } from '../../interface/index.ts'

/** Changes, drops or adds records between a source and its log. */
export type RecordTransform = (records: AsyncIterable<SourceRecord>) => AsyncIterable<SourceRecord>

/** The bytes of a record that was left out and goes on only because its position has to come back to its source. */
const LEFT_OUT = new Uint8Array(0)

export function isLeftOut({ bytes }: SourceRecord): boolean {
  return bytes === LEFT_OUT
}

/** What is passed on instead of a record that is left out: a source would wait for ever for a position that got lost. */
export function* leaveOut({ position }: SourceRecord): Generator<SourceRecord> {
  if (position !== undefined) yield { bytes: LEFT_OUT, position }
}

/**
 * A transform that looks at one record after the other, and keeps it, changed or as it is, or leaves it out.
 *
 * @param start - called when reading begins
 */
export function eachRecord(start: () => (record: SourceRecord) => SourceRecord | undefined): RecordTransform {
  return async function* (records) {
    const choose = start()
    for await (const record of records) {
      const chosen = isLeftOut(record) ? record : choose(record)
      if (chosen === undefined) yield* leaveOut(record)
      else yield chosen
    }
  }
}

import type { DataSource, SourceRecord } from '../../interface/index.ts'
import type { RecordTransform } from '../feed.ts'

/** A record that a transform left out travels on without its bytes: its position is acknowledged like any other's. */
interface Passing extends SourceRecord {
  leftOut?: true
}

const NOTHING = new Uint8Array(0)

export function isLeftOut(record: Passing): boolean {
  return record.leftOut === true
}

/** undefined where there is no position to acknowledge. */
export function leaveOut({ position }: SourceRecord): SourceRecord | undefined {
  const passing: Passing | undefined = position === undefined ? undefined : { bytes: NOTHING, position, leftOut: true }
  return passing
}

/**
 * A transform that changes one record at a time, or leaves it out.
 *
 * @param start - called when the first record is asked for; its result gives the record as it goes on, undefined to leave it out
 */
export function perRecord(start: () => (record: SourceRecord) => SourceRecord | undefined): RecordTransform {
  return async function* (records) {
    const change = start()
    for await (const record of records) {
      const changed = isLeftOut(record) ? record : (change(record) ?? leaveOut(record))
      if (changed !== undefined) yield changed
    }
  }
}

/**
 * Around the transforms of a product: takes out what they left out, and makes the positions of those records durable as soon
 * as everything before them is. A broker that waits for an acknowledgement would wait for ever otherwise.
 */
export class LeftOut {
  readonly source: DataSource
  readonly #durable: ((position: string) => void) | undefined
  /** Records on their way into the log, and after them the last one that was left out. */
  readonly #pending: Array<{ position: string; leftOut: boolean }> = []

  constructor(source: DataSource) {
    const { name, finite, fingerprint, durable } = source
    this.#durable = durable === undefined ? undefined : (position) => source.durable?.(position)
    this.source = {
      name,
      finite,
      records: (options) => source.records(options),
      ...(fingerprint === undefined ? {} : { fingerprint: () => fingerprint.call(source) }),
      ...(durable === undefined ? {} : { durable: (position: string) => this.#reached(position) })
    }
  }

  /** The last transform. */
  transform(): RecordTransform {
    const note = (record: SourceRecord): void => this.#note(record)
    return async function* (records) {
      for await (const record of records) {
        note(record)
        if (!isLeftOut(record)) yield record
      }
    }
  }

  #note(record: SourceRecord): void {
    const { position } = record
    if (position === undefined || this.#durable === undefined) return
    const leftOut = isLeftOut(record)
    const last = this.#pending.at(-1)
    if (leftOut && last === undefined) this.#durable(position)
    else if (leftOut && last?.leftOut === true) last.position = position
    else this.#pending.push({ position, leftOut })
  }

  #reached(position: string): void {
    const at = this.#pending.findIndex((one) => !one.leftOut && one.position === position)
    if (at === -1) return
    const after = this.#pending[at + 1]
    const settled = after?.leftOut === true ? at + 2 : at + 1
    const last = this.#pending.splice(0, settled).at(-1)
    if (last !== undefined) this.#durable?.(last.position)
  }
}

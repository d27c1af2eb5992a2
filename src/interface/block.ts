/**
 * The records' part of a block: per record u32be length ‖ bytes. A slice of a block is a view of the same buffer.
 */

/** End of each record in `bytes`; `ends[i - 1] ?? 0` is where record i starts, its length prefix included. */
export type RecordEnds = Uint32Array

const cache = new WeakMap<Uint8Array, RecordEnds>()

/**
 * Finds the record boundaries; throws `RangeError` when the lengths do not add up to exactly `count` records.
 * Remembered per buffer, because every session that reads a block asks again.
 */
export function recordEnds(bytes: Uint8Array, count: number): RecordEnds {
  const known = cache.get(bytes)
  if (known !== undefined && known.length === count) return known
  if (count * 4 > bytes.length) throw new RangeError(`${count} records do not fit ${bytes.length} bytes`)
  const ends = new Uint32Array(count)
  let at = 0
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.length) throw new RangeError(`record ${i} of ${count} starts after the end`)
    const length =
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    at += 4 + length
    if (at > bytes.length) throw new RangeError(`record ${i} of ${count} is ${length} bytes long, beyond the end`)
    ends[i] = at
  }
  if (at !== bytes.length) throw new RangeError(`${bytes.length - at} bytes follow the last of ${count} records`)
  cache.set(bytes, ends)
  return ends
}

/** The records themselves, views of `bytes`. */
export function splitRecords(bytes: Uint8Array, count: number): Uint8Array[] {
  const ends = recordEnds(bytes, count)
  const records: Uint8Array[] = new Array(count)
  let start = 0
  for (let i = 0; i < count; i++) {
    const end = ends[i] as number
    records[i] = bytes.subarray(start + 4, end)
    start = end
  }
  return records
}

/** Joins records to the records' part of a block, in a buffer of its own: it crosses to the storage thread. */
export function joinRecords(records: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const record of records) length += 4 + record.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const record of records) {
    bytes[at] = record.length >>> 24
    bytes[at + 1] = record.length >>> 16
    bytes[at + 2] = record.length >>> 8
    bytes[at + 3] = record.length
    bytes.set(record, at + 4)
    at += 4 + record.length
  }
  return bytes
}

/** View of records `from ≤ i < to` of a block's part. */
export function sliceRecords(bytes: Uint8Array, ends: RecordEnds, from: number, to: number): Uint8Array {
  const start = from === 0 ? 0 : (ends[from - 1] as number)
  const end = to === 0 ? 0 : (ends[to - 1] as number)
  return bytes.subarray(start, end)
}

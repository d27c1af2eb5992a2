import { type RecordEnds, recordEnds } from '../../interface/index.ts'
import { FRAME } from './frame.ts'
import { SdppError, STATUS } from './status.ts'

/** u64be block start, u64be first offset, u32be count, u8 flags, then the records. */
export const DATA_HEADER_BYTES = 21
const END_OF_BLOCK = 0x01

export interface DataFrame {
  /** Offset of the first record of the block that this is a slice of. */
  blockStart: bigint
  first: bigint
  count: number
  endOfBlock: boolean
  /** Per record u32be length ‖ bytes. */
  bytes: Uint8Array
  ends: RecordEnds
}

/** The whole frame in one buffer. */
export function encodeData(frame: Omit<DataFrame, 'ends'>): Uint8Array {
  const header = encodeDataHeader(frame)
  const bytes = new Uint8Array(header.length + frame.bytes.length)
  bytes.set(header)
  bytes.set(frame.bytes, header.length)
  return bytes
}

/** What goes before the records, the frame's length and kind included: the stored block itself can follow uncopied. */
export function encodeDataHeader(frame: Omit<DataFrame, 'ends'>): Uint8Array {
  const header = new Uint8Array(5 + DATA_HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint32(0, 1 + DATA_HEADER_BYTES + frame.bytes.length)
  header[4] = FRAME.DATA
  view.setBigUint64(5, frame.blockStart)
  view.setBigUint64(13, frame.first)
  view.setUint32(21, frame.count)
  header[25] = frame.endOfBlock ? END_OF_BLOCK : 0
  return header
}

/** Offsets have 64 bits. */
const MAX_END = 2n ** 64n

/** @throws SdppError `malformed` when lengths, count or flags do not fit */
export function decodeData(body: Uint8Array): DataFrame {
  if (body.length < DATA_HEADER_BYTES)
    throw new SdppError(STATUS.malformed, `DATA of ${body.length} bytes is truncated`)
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const blockStart = view.getBigUint64(0)
  const first = view.getBigUint64(8)
  const count = view.getUint32(16)
  const flags = body[20] as number
  if (count === 0) throw new SdppError(STATUS.malformed, 'DATA holds no record')
  if ((flags & ~END_OF_BLOCK) !== 0)
    throw new SdppError(STATUS.malformed, `DATA has unknown flags 0x${flags.toString(16)}`)
  if (first < blockStart)
    throw new SdppError(STATUS.malformed, `DATA starts at ${first}, before its block at ${blockStart}`)
  if (first + BigInt(count) > MAX_END)
    throw new SdppError(STATUS.malformed, `DATA of ${count} records at ${first} ends beyond ${MAX_END}`)
  const bytes = body.subarray(DATA_HEADER_BYTES)
  try {
    return { blockStart, first, count, endOfBlock: flags === END_OF_BLOCK, bytes, ends: recordEnds(bytes, count) }
  } catch (error) {
    throw new SdppError(STATUS.malformed, `DATA: ${(error as Error).message}`)
  }
}

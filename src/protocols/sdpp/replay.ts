import {
  type AbortOptions,
  type Block,
  NO_PROGRESS,
  type ProductLog,
  type Progress,
  recordEnds,
  sliceRecords
} from '../../interface/index.ts'
import { Transcript } from '../../statements/index.ts'
import { advance, type SessionTerms } from './account.ts'
import { SdppError, STATUS } from './status.ts'

export interface Replayed {
  progress: Progress
  transcript: Transcript
}

/**
 * What a session had computed at a position, computed again from the log: nothing of it needs to have been stored.
 *
 * @param session - bytes of the session's CID
 * @param position - records since the start
 * @throws SdppError `offsetPruned` when the log no longer holds all of it
 */
export async function replay(
  log: ProductLog,
  terms: SessionTerms,
  session: Uint8Array,
  position: bigint,
  options?: AbortOptions
): Promise<Replayed> {
  const transcript = new Transcript(session)
  let progress = NO_PROGRESS
  while (progress.n < position) {
    const block = await blockAt(log, terms.start + progress.n, options)
    const from = Number(terms.start + progress.n - block.first)
    const to = Number(min(BigInt(block.count), terms.start + position - block.first))
    const ends = recordEnds(block.bytes, block.count)
    const whole = from === 0 && to === block.count
    const bytes = sliceRecords(block.bytes, ends, from, to)
    const endOfBlock = to === block.count
    transcript.add(block.first + BigInt(from), to - from, bytes, endOfBlock, whole ? block.digest : undefined)
    progress = advance(terms, progress, { first: block.first, count: block.count, ends }, from, to)
  }
  return { progress, transcript }
}

async function blockAt(log: ProductLog, offset: bigint, options?: AbortOptions): Promise<Block> {
  const block = offset < log.tail || offset >= log.head ? undefined : await log.read(offset, options)
  if (block !== undefined) return block
  throw new SdppError(STATUS.offsetPruned, `offset ${offset} is not within ${log.tail}…${log.head}`, {
    details: { have: `${log.tail}…${log.head}`, need: offset.toString() }
  })
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

import {
  type AbortOptions,
  type Block,
  type Checkpoint,
  type ProductLog,
  type Progress,
  recordEnds,
  sliceRecords
} from '../../interface/index.ts'
import type { Transcript } from '../../statements/index.ts'
import { advance, type SessionTerms } from './account.ts'
import type { Clock } from './clock.ts'
import { SdppError, STATUS } from './status.ts'

export interface Replayed {
  progress: Progress
  /** The last end of a block on the way: where it began, when there was none. */
  checkpoint: Checkpoint
}

export interface ReplaySource {
  log: ProductLog
  terms: SessionTerms
  clock: Clock
}

/** Blocks after which others get a turn of the event loop: a session of an older version has no checkpoints. */
const BLOCKS_PER_TURN = 64

/**
 * What a session had computed at a position, computed again from the log.
 *
 * @param transcript - at `from`; it is brought to `position`
 * @param from - a position at or before it whose root this side has computed and stored
 * @param position - records since the start
 * @throws SdppError `offsetPruned` when the log no longer holds all of it
 */
export async function replay(
  { log, terms, clock }: ReplaySource,
  transcript: Transcript,
  from: Checkpoint,
  position: bigint,
  options?: AbortOptions
): Promise<Replayed> {
  let progress: Progress = { n: from.position, records: from.records, bytes: from.bytes }
  let checkpoint = from
  for (let blocks = 1; progress.n < position; blocks++) {
    const block = await blockAt(log, terms.start + progress.n, options)
    const first = Number(terms.start + progress.n - block.first)
    const to = Number(min(BigInt(block.count), terms.start + position - block.first))
    const ends = recordEnds(block.bytes, block.count)
    const endOfBlock = to === block.count
    const bytes = sliceRecords(block.bytes, ends, first, to)
    const digest = first === 0 && endOfBlock ? block.digest : undefined
    transcript.add(block.first + BigInt(first), to - first, bytes, endOfBlock, digest)
    progress = advance(terms, progress, { first: block.first, count: block.count, ends }, first, to)
    const { n, records, bytes: billableBytes } = progress
    if (endOfBlock) checkpoint = { position: n, root: transcript.root(), records, bytes: billableBytes }
    if (blocks % BLOCKS_PER_TURN === 0) await turn(clock)
  }
  return { progress, checkpoint }
}

function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.after(0, resolve))
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

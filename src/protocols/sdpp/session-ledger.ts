import type { CID } from 'multiformats/cid'
import type {
  Checkpoint,
  Logger,
  Progress,
  SessionRecord,
  SessionStore,
  SignedStatement,
  TranscriptPart
} from '../../interface/index.ts'
import { faultPoint } from '../../interface/index.ts'
import { Transcript } from '../../statements/index.ts'
import type { Clock } from './clock.ts'
import { CHECKPOINT_EVERY_BLOCKS } from './constants.ts'
import { Latest } from './latest.ts'
import { Unstored } from './unstored.ts'

export interface SessionLedgerComponents {
  sessions: SessionStore
  clock: Clock
  logger: Logger
  /** Blocks from one stored checkpoint to the next. @default 16 */
  checkpointEvery?: number
}

/** What changes in a session's row while it runs. */
export type Standing = Pick<SessionRecord, 'state' | 'position' | 'due' | 'paid'> & {
  sink?: string
  /** Seller: what the buyer has acknowledged. @default position */
  handled?: bigint
  needed?: bigint
  /** Buyer: most that is paid since it stopped. */
  limit?: bigint
}

/** Ends of blocks that are remembered; with more of them every second one does. */
const MAX_ENDS = 1_024

/**
 * What an accepted session leaves behind, on either side: transcript, last invoice, statements, where it stands and from
 * where it can be resumed. Each write is one commit, so that row, parts and statements never contradict each other. What
 * is durable is not kept in memory: a session may run for months.
 */
export class SessionLedger {
  readonly transcript: Transcript
  readonly #components: SessionLedgerComponents
  readonly #latest: Latest<{ standing: Standing; added: number }>
  /** Bytes of records added, in all and up to what the ledger has. */
  #added = 0
  #stored = 0
  #record: SessionRecord
  #invoice: SignedStatement | undefined
  /** Ends of blocks that were added and not yet handled. */
  #ends: Checkpoint[] = []
  readonly #parts = new Unstored<TranscriptPart>()
  readonly #checkpoints = new Unstored<Checkpoint>()
  /** Blocks that ended after the last checkpoint that is stored, or about to be. */
  #sinceCheckpoint = 0

  /** @param transcript - continued from a stored checkpoint; by default from the one of `record` */
  constructor(session: CID, record: SessionRecord, components: SessionLedgerComponents, transcript?: Transcript) {
    this.transcript = transcript ?? new Transcript(session.bytes, rootOf(record))
    this.#components = components
    this.#record = record
    this.#takeParts()
    this.#latest = new Latest(
      ({ standing, added }) => this.#write(standing, added),
      (error) => components.logger.error('session not stored', { error: String(error) })
    )
  }

  /** How much of the session is in memory: parts, ends of blocks and checkpoints. */
  get held(): number {
    return this.#parts.size + this.#checkpoints.size + this.#ends.length
  }

  /** Adds consecutive records of one block; `progress` is where the session stands after them. */
  add(
    records: { first: bigint; count: number; bytes: Uint8Array; endOfBlock: boolean; digest?: Uint8Array },
    progress: Progress
  ): void {
    const { first, count, bytes, endOfBlock, digest } = records
    this.transcript.add(first, count, bytes, endOfBlock, digest)
    this.#added += bytes.length
    if (!endOfBlock) return
    const { n, records: billable, bytes: billableBytes } = progress
    const end = { position: n, root: this.transcript.root(), records: billable, bytes: billableBytes }
    this.#ends.push(end)
    // A resume begins a little earlier then.
    if (this.#ends.length > MAX_ENDS) this.#ends = this.#ends.filter((_, index) => index % 2 === 1)
    this.#takeParts()
    const { checkpointEvery = CHECKPOINT_EVERY_BLOCKS } = this.#components
    if (this.#record.role !== 'seller' || this.#sinceCheckpoint < checkpointEvery) return
    this.#checkpoints.add([end])
    this.#sinceCheckpoint = 0
  }

  #takeParts(): void {
    const parts = this.transcript.takeParts()
    this.#parts.add(parts)
    this.#sinceCheckpoint += parts.length
  }

  /** An invoice supersedes those before it: only the newest is written, some time soon, with where the session stands. */
  keepInvoice(statement: SignedStatement, standing: Standing): void {
    this.#invoice = statement
    this.touch(standing)
  }

  /** Writes where the session stands, some time soon. */
  touch(standing: Standing): void {
    this.#latest.set({ standing, added: this.#added })
  }

  /** Bytes of records that a crash would make this side forget. */
  get unstored(): number {
    return this.#added - this.#stored
  }

  /** Resolves when what was to be written soon is durable. */
  flush(): Promise<void> {
    return this.#latest.flush()
  }

  /** Resolves when the statements and where the session stands are durable. */
  async store(standing: Standing, statements: SignedStatement[] = []): Promise<void> {
    await this.flush()
    await this.#write(standing, this.#added, statements)
  }

  async #write(standing: Standing, added: number, statements: SignedStatement[] = []): Promise<void> {
    const { sessions, clock } = this.#components
    const invoice = this.#invoice
    this.#invoice = undefined
    const { openPart } = this.transcript
    const parts = this.#parts.take()
    const checkpoints = this.#checkpoints.take()
    // Written out of turn: position, mark and checkpoint stay those of the later one.
    const { position, sink, handled = position, ...rest } = standing
    // A limit goes away with the stop: a seller that was only left is paid on when the session is resumed.
    const { sink: markBefore, limit: _limit, ...before } = this.#record
    const isLater = position >= before.position
    // A position without a mark takes the mark away, too: it is of another position.
    const mark = isLater ? sink : markBefore
    this.#record = {
      ...before,
      ...rest,
      position: isLater ? position : before.position,
      ...(mark === undefined ? {} : { sink: mark }),
      checkpoint: this.#checkpointAt(handled),
      updatedAt: clock.wallTime()
    }
    const kept = invoice === undefined ? statements : [invoice, ...statements]
    const kinds = new Set(kept.map(({ kind }) => kind))
    const change = {
      statements: kept,
      replaces: [...kinds],
      parts: openPart === undefined ? parts.items : [...parts.items, openPart],
      checkpoints: checkpoints.items
    }
    await sessions.put(this.#record, change).catch((error: unknown) => {
      this.#invoice ??= invoice
      throw error
    })
    this.#stored = Math.max(this.#stored, added)
    parts.done()
    checkpoints.done()
    if (invoice !== undefined) faultPoint('invoice.stored')
  }

  /** The last block end that was handled: from there the transcript can be taken up without the records before it. */
  #checkpointAt(position: bigint): Checkpoint {
    const next = this.#ends.findIndex((end) => end.position > position)
    const handled = next === -1 ? this.#ends.splice(0) : this.#ends.splice(0, next)
    return handled.at(-1) ?? this.#record.checkpoint
  }
}

function rootOf({ checkpoint }: SessionRecord): Uint8Array | undefined {
  return checkpoint.position === 0n ? undefined : checkpoint.root
}

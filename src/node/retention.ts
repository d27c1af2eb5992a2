import type { AbortOptions, Hex, ListingDocument, Logger, SessionRecord, SessionStore } from '../interface/index.ts'
import { isResumable, RESUME_TTL_SECONDS } from '../protocols/sdpp/index.ts'
import type { Chore } from './upkeep.ts'

/** A product's log, as far as it is pruned. */
export interface PrunedLog {
  readonly tail: bigint
  offsetAt: (time: number, options?: AbortOptions) => Promise<bigint>
  prune: (offset: bigint, options?: AbortOptions) => Promise<void>
}

export interface RetainedProduct {
  listing: Hex
  finite: boolean
  log: PrunedLog
  free?: ListingDocument['freeRange'] | undefined
}

export interface RetentionComponents {
  /** What is on sale; a finite product is kept whole. */
  products: () => readonly RetainedProduct[]
  sessions: SessionStore
  /** Records are kept for this long, ms; undefined: for ever. */
  keepRecords: number | undefined
  logger: Logger
  /** Unix ms. @default Date.now */
  now?: () => number
}

/**
 * Forgets records of streams that are older than the node's setting, in whole blocks, and what resumes need of sessions that
 * nobody resumes any more. What a session that can be resumed has not acknowledged stays, however old it is.
 */
export class Retention implements Chore {
  readonly name = 'retention'
  readonly #components: RetentionComponents

  constructor(components: RetentionComponents) {
    this.#components = components
  }

  readonly look = async (options: AbortOptions = {}): Promise<void> => {
    const { products, sessions, keepRecords, logger, now = Date.now } = this.#components
    const resumable = now() - Number(RESUME_TTL_SECONDS) * 1000
    await sessions.dropCheckpoints(resumable, options)
    const streams = products().filter(({ finite }) => !finite)
    if (keepRecords === undefined || streams.length === 0) return
    // What nobody has given up is kept however old it looks: a clock may be wrong.
    const kept = (await sessions.list('seller', options)).filter(
      (session) => needsRecords(session) && (session.state !== 'closed' || session.updatedAt >= resumable)
    )
    for (const { listing, log, free } of streams) {
      try {
        const old = await log.offsetAt(now() - keepRecords, options)
        const needed = await this.#needed(
          kept.filter(({ listingId }) => listingId === listing),
          options
        )
        const offset = needed === undefined || needed > old ? old : needed
        const before = log.tail
        if (offset <= before) continue
        await log.prune(offset, options)
        const tail = log.tail.toString()
        if (free !== undefined && before < free.to && log.tail >= free.to) {
          const gone = `${free.from}-${free.to}`
          logger.warn('no free record is kept any more: give later ones away (--free FROM-TO)', { listing, gone, tail })
        }
        logger.debug('old records are forgotten', { listing, tail })
      } catch (error) {
        if (options.signal?.aborted === true) throw error
        logger.warn('old records are not forgotten', { listing, error: String(error) })
      }
    }
  }

  /** Lowest offset that a resume may read: at the checkpoint before what was acknowledged. */
  async #needed(resumable: readonly SessionRecord[], options: AbortOptions): Promise<bigint | undefined> {
    let lowest: bigint | undefined
    for (const { id, role, start, checkpoint } of resumable) {
      const from = await this.#components.sessions.checkpoint(id, role, checkpoint.position, options)
      const offset = start + (from?.position ?? 0n)
      if (lowest === undefined || offset < lowest) lowest = offset
    }
    return lowest
  }
}

/** One that has ended is resumed for records that its buyer has not acknowledged. */
function needsRecords({ state, position, checkpoint }: SessionRecord): boolean {
  return isResumable({ state }) && (state !== 'closed' || checkpoint.position < position)
}

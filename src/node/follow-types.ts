import type { AbortOptions, Hex } from '../interface/index.ts'
import type { PurchaseEvent } from './purchase-events.ts'
import type { PurchaseQuality } from './quality.ts'
import type { BuyOptions, PurchasedRecord } from './types.ts'

/** What a seller is left for; each is measured over one purchase. */
export interface SellerLimits {
  /**
   * Milliseconds without a record.
   *
   * @default ten periods of the listing's cadence, at least 5000; without a period there is no limit
   */
  silentMs?: number
  /** Records that the cadence promises and that did not come. @default no limit */
  missing?: number
  /** 95 % of the records must not be older when they arrive, in ms. @default no limit */
  delayMs?: number
  /** Records that break the schema, or that `key` cannot name. @default 0 */
  invalid?: number
  /** Streams that were lost. @default no limit */
  failures?: number
}

export interface FollowOptions
  extends AbortOptions,
    Pick<BuyOptions, 'rail' | 'maxPrice' | 'k' | 'prepay' | 'from' | 'checkSchema' | 'onInvalid'> {
  /** Most that all purchases together may cost, in whole tokens (`'0.05'`) or atomic units. */
  max: string | bigint
  /** Ends after this many different records. @default goes on until stopped, or a finite product is whole */
  records?: number | bigint
  /**
   * Records of the same key are one: the first that comes is handed out. A field by its name, dots between nested ones, or
   * what makes the key of a record; a node of another process takes the name only.
   *
   * @default the bytes of the record
   */
  key?: string | ((record: PurchasedRecord) => string)
  /** How many keys are remembered. @default 10000 */
  window?: number
  leave?: SellerLimits
  /** Milliseconds to try to reach a seller that was lost, before the next one is asked. @default 5000 */
  resumeFor?: number
  /**
   * Goes on with a session of a listing that was cut, also by an earlier run, before it orders anew: one whose rest `max`
   * allows for, and whose price `maxPrice` does.
   *
   * @default true
   */
  resume?: boolean
  /** Milliseconds to go on while no seller delivers. @default 60000 */
  patience?: number
  /** Called for what happens meanwhile; must not take long. */
  onEvent?: (event: FollowEvent) => void
}

/** Why a seller was left. */
export type LeaveReason = keyof SellerLimits | 'failed'

export type FollowEvent =
  | (PurchaseEvent & { listing: Hex; seller: string })
  /** Records come from this seller now; with `session` that of an earlier purchase goes on. */
  | { type: 'joined'; listing: Hex; seller: string; session?: string }
  | { type: 'left'; listing: Hex; seller: string; why: LeaveReason; quality: PurchaseQuality; error?: unknown }

/** One purchase of several. Amounts in atomic units. */
export interface FollowedPurchase {
  listing: Hex
  seller: string
  session: string | undefined
  records: bigint
  due: bigint
  paid: bigint
  quality: PurchaseQuality
  /** Why it was left; absent when it ended well. */
  left?: LeaveReason
}

export interface FollowOutcome {
  /** Different records that were handed out, and those that came again. */
  records: bigint
  duplicates: bigint
  /** Atomic units, over all purchases. */
  paid: bigint
  /** `complete`: as many as wanted; `sourceEnded`: a finite product is whole; `maximum`: the budget is used up. */
  reason: 'complete' | 'sourceEnded' | 'maximum' | 'stopped'
  purchases: FollowedPurchase[]
}

/**
 * One product from several sellers, one of them at a time. Iterate it for the records: nothing is bought before, and leaving
 * the loop settles the session. A stream of the next seller starts shortly before the last record, so that nothing is
 * lost between them: duplicates are paid for and dropped, and what only the new one has may be older than the last record.
 *
 * @example
 * ```ts
 * const listings = await node.listings.search('harbour wind')
 * const wind = node.follow(listings, { max: '0.5', key: (record) => record.json<{ time: string }>().time })
 * for await (const record of wind) console.log(record.text())
 * const { paid, purchases } = await wind.done
 * ```
 */
export interface Following extends AsyncIterable<PurchasedRecord> {
  readonly batches: () => AsyncIterable<PurchasedRecord[]>
  readonly status: Omit<FollowOutcome, 'reason'> & { listing: Hex | undefined; seller: string | undefined }
  /** Settles when the iteration has ended; rejects with its error. */
  readonly done: Promise<FollowOutcome>
  /** The iteration ends in an orderly way. */
  stop: () => void
}

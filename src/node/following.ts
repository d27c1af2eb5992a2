import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FieldPath, fieldText, parsePath } from '../data/index.ts'
import {
  type AbortOptions,
  DdmError,
  due,
  type Hex,
  type Listing,
  type Logger,
  type RailName
} from '../interface/index.ts'
import { type CandidateComponents, Candidates, type Choice } from './candidates.ts'
import type {
  FollowEvent,
  FollowedPurchase,
  Following,
  FollowOptions,
  FollowOutcome,
  LeaveReason
} from './follow-types.ts'
import { handoverTime } from './handover.ts'
import { listener } from './purchase-events.ts'
import { RecentKeys } from './recent-keys.ts'
import { silentLimit, whyLeave } from './seller-limits.ts'
import { timeField } from './time-field.ts'
import type { BuyOptions, Purchase, PurchasedRecord, ResumeOptions } from './types.ts'
import { isWithin, type Unfinished } from './unfinished.ts'

export interface FollowComponents extends CandidateComponents {
  buy: (listing: Listing, options: BuyOptions) => CuttablePurchase
  /** A purchase of the listing that was cut, maybe in an earlier run. */
  unfinished: (listing: Hex, options?: AbortOptions) => Promise<Unfinished | undefined>
  resume: (id: string, options: ResumeOptions) => Promise<CuttablePurchase>
  /** What the node allows one purchase, atomic units. */
  perSession: (rail: RailName) => bigint
  logger: Logger
}

/** One that need not settle: what was signed for by then is all. */
type CuttablePurchase = Purchase & { cut: () => void }

const DEFAULT_WINDOW = 10_000
const DEFAULT_PATIENCE_MS = 60_000
const DEFAULT_RESUME_MS = 5_000
/** A seller that is left gets so long to settle: the next one's budget is what this one has not signed for. */
const SETTLE_MS = 10_000
const SETTLE_SILENT_MS = 2_000
const FIRST_WAIT_MS = 250
const LAST_WAIT_MS = 10_000

/** A purchase under way. */
interface Current {
  choice: Choice
  purchase: CuttablePurchase
  /** Set when it goes on with a session that was cut, for which so much was signed before. */
  resumed: { session: string; paid: bigint } | undefined
  why: LeaveReason | undefined
  /** The node allows one purchase less than is left: at its maximum the next one follows. */
  capped: boolean
  /** Offset after the last record. */
  next: bigint | undefined
  /** Records that `key` could not name. */
  unnamed: number
  /** Where a record says of when it is. */
  time: FieldPath | undefined
}

/** Buys from one of several sellers at a time; see `Following`. */
export class RunningFollowing implements Following {
  readonly #components: FollowComponents
  readonly #options: FollowOptions
  readonly #candidates: Candidates
  readonly #seen: RecentKeys
  readonly #keyOf: (record: PurchasedRecord) => string
  readonly #emit: (event: FollowEvent) => void
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #done = Promise.withResolvers<FollowOutcome>()
  readonly #purchases: FollowedPurchase[] = []
  #current: Current | undefined
  #records = 0n
  #duplicates = 0n
  /** Where a stream of the next seller starts, Unix ms. */
  #nextFrom: number | undefined
  /** Where the listing whose session has ended at its maximum goes on, once. */
  #goOn: { listing: Hex; offset: bigint } | undefined
  #iterated = false

  constructor(listings: ReadonlyArray<string | Listing>, options: FollowOptions, components: FollowComponents) {
    checkOptions(listings, options)
    this.#components = components
    this.#options = options
    this.#candidates = new Candidates(listings, options, components)
    this.#seen = new RecentKeys(options.window ?? DEFAULT_WINDOW)
    const { key = bytesKey } = options
    this.#keyOf = typeof key === 'string' ? fieldKey(key) : key
    this.#emit = listener(options.onEvent, components.logger)
    const { signal } = options
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    this.#done.promise.catch(() => {})
  }

  get done(): Promise<FollowOutcome> {
    return this.#done.promise
  }

  get status(): Following['status'] {
    const current = this.#current
    const purchases = current === undefined ? [...this.#purchases] : [...this.#purchases, accountOf(current)]
    return {
      listing: current?.choice.listing.id,
      seller: current?.choice.listing.peerId,
      records: this.#records,
      duplicates: this.#duplicates,
      paid: purchases.reduce((sum, { paid }) => sum + paid, 0n),
      purchases
    }
  }

  stop(): void {
    this.#stop.abort(new DdmError('aborted', 'the product is not followed any more'))
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PurchasedRecord, void, undefined> {
    for await (const batch of this.batches()) yield* batch
  }

  async *batches(): AsyncGenerator<PurchasedRecord[], void, undefined> {
    if (this.#iterated) throw new DdmError('usage', 'a product that is followed is iterated once')
    this.#iterated = true
    let reason: FollowOutcome['reason'] = 'stopped'
    try {
      reason = yield* this.#run()
    } catch (error) {
      if (this.#signal.aborted) return
      this.#done.reject(error)
      throw error
    } finally {
      const { listing: _listing, seller: _seller, ...standing } = this.status
      this.#done.resolve({ ...standing, reason })
    }
  }

  async *#run(): AsyncGenerator<PurchasedRecord[], FollowOutcome['reason'], undefined> {
    const { patience = DEFAULT_PATIENCE_MS } = this.#options
    let failures = 0
    let goodAt = performance.now()
    for (;;) {
      const before = this.#records
      const choices = await this.#candidates.choices({ signal: this.#signal })
      // Without any record yet the purchase itself says what is too dear.
      const choice = choices.find((one) => this.#affordable(one)) ?? (before === 0n ? choices[0] : undefined)
      if (choice === undefined && choices.length > 0) return 'maximum'
      if (choice !== undefined) {
        const reason = yield* this.#buyFrom(choice)
        if (reason !== undefined) return reason
      }
      if (this.#records > before) {
        failures = 0
        goodAt = performance.now()
        continue
      }
      const { size } = this.#candidates
      const rounds = Math.floor(++failures / size)
      if (rounds > 0 && performance.now() - goodAt > patience) {
        throw new DdmError('unreachable', `none of ${size} sellers has delivered a record for ${patience} ms`)
      }
      const wait = Math.min(FIRST_WAIT_MS * 2 ** Math.min(rounds, 8), LAST_WAIT_MS)
      if (rounds > 0) await sleep(wait, undefined, { signal: this.#signal })
    }
  }

  /** Resolves with the reason when nothing more is to be bought from anybody. */
  async *#buyFrom(choice: Choice): AsyncGenerator<PurchasedRecord[], FollowOutcome['reason'] | undefined, undefined> {
    const current = await this.#open(choice)
    if (current === undefined) return undefined
    this.#current = current
    const { purchase, resumed } = current
    const { id: listing, peerId: seller, document } = choice.listing
    const silence = this.#watchSilence(current, silentLimit(this.#options.leave ?? {}, document))
    this.#emit({ type: 'joined', listing, seller, ...(resumed === undefined ? {} : { session: resumed.session }) })
    let failure: unknown
    try {
      for await (const batch of purchase.batches()) {
        silence.refresh()
        const fresh = this.#fresh(batch, current)
        const last = batch.at(-1)
        if (last !== undefined) {
          this.#nextFrom = handoverTime(last, current.time)
          current.next = last.offset + 1n
        }
        this.#leaveIfWorse(current)
        if (fresh.length > 0) yield fresh
        if (this.#isEnough) return 'complete'
      }
      return this.#reasonAfter(current, (await purchase.done).reason)
    } catch (error) {
      failure = error
      if (this.#signal.aborted) return 'stopped'
      const left = current.why !== undefined
      current.why ??= error instanceof DdmError && error.code === 'schema' ? 'invalid' : 'failed'
      // One that was left because it is silent may not be there to settle, either.
      if (left) choice.candidate.strikes++
      else this.#candidates.strike(choice.candidate, error)
      return undefined
    } finally {
      silence.stop()
      endWithin(purchase, SETTLE_MS)
      await purchase.done.catch(() => {})
      const account = accountOf(current)
      this.#purchases.push(account)
      this.#current = undefined
      const { why } = current
      if (why !== undefined) {
        this.#emit({
          type: 'left',
          listing,
          seller,
          why,
          quality: account.quality,
          ...(failure === undefined ? {} : { error: failure })
        })
      }
    }
  }

  /** A session that was cut goes on if budget and price limit allow for all that it may still cost; else it is ordered anew. */
  async #open(choice: Choice): Promise<Current | undefined> {
    const { buy, resume, unfinished, currency, perSession } = this.#components
    const { listing, rail, candidate } = choice
    const { onInvalid, checkSchema, maxPrice, resume: resuming = true } = this.#options
    const common = {
      signal: this.#signal,
      resumeFor: this.#options.resumeFor ?? DEFAULT_RESUME_MS,
      onEvent: (event: Parameters<NonNullable<BuyOptions['onEvent']>>[0]) =>
        this.#emit({ ...event, listing: listing.id, seller: listing.peerId }),
      ...(onInvalid === undefined ? {} : { onInvalid }),
      ...(checkSchema === undefined ? {} : { checkSchema })
    }
    const time = timeField(listing.document)
    const none = { why: undefined, unnamed: 0, next: undefined, time: time === undefined ? undefined : parsePath(time) }
    try {
      const cut = resuming ? await unfinished(listing.id, { signal: this.#signal }) : undefined
      if (cut !== undefined && isWithin(cut, { rail, left: this.#left, maxPrice, currency })) {
        const purchase = await resume(cut.id, common)
        return { choice, purchase, resumed: { session: cut.id, paid: cut.paid }, capped: false, ...none }
      }
      const capped = rail !== 'free' && perSession(rail) < this.#left
      const purchase = buy(listing, { ...common, ...this.#wish(choice) })
      return { choice, purchase, resumed: undefined, capped, ...none }
    } catch (error) {
      this.#signal.throwIfAborted()
      this.#candidates.strike(candidate, error)
      return undefined
    }
  }

  #wish({ listing, rail }: Choice): BuyOptions {
    const { records, maxPrice, k, prepay } = this.#options
    // Only of the first it is known that none of its records will be a duplicate.
    const first = this.#purchases.length === 0
    const start = this.#startOf(listing)
    return {
      rail,
      ...(rail === 'free' ? {} : { max: this.#left }),
      ...(first && records !== undefined ? { records } : {}),
      ...(start === undefined ? {} : { from: start }),
      ...(maxPrice === undefined ? {} : { maxPrice }),
      ...(k === undefined ? {} : { k }),
      ...(prepay === undefined ? {} : { prepay })
    }
  }

  #startOf({ id, document }: Listing): BuyOptions['from'] {
    const goOn = this.#goOn
    this.#goOn = undefined
    if (goOn?.listing === id) return goOn.offset
    const finite = document.cadence?.mode === 'finite'
    return this.#nextFrom === undefined || finite ? this.#options.from : new Date(this.#nextFrom)
  }

  #reasonAfter(current: Current, reason: string): FollowOutcome['reason'] | undefined {
    const { choice, resumed, why, capped, next } = current
    if (this.#signal.aborted) return 'stopped'
    if (reason === 'sourceEnded' && choice.listing.document.cadence?.mode === 'finite') return 'sourceEnded'
    // Of a session that was resumed, its own order is at its end, or was stopped before; the rest is ordered anew.
    // One that brought nothing for all that a session may cost would only be repeated.
    if (resumed === undefined && reason === 'maximum' && (!capped || next === undefined)) return 'maximum'
    if (reason === 'maximum' && next !== undefined) this.#goOn = { listing: choice.listing.id, offset: next }
    const isOver = reason === 'complete' || reason === 'maximum' || (resumed !== undefined && reason === 'buyerDone')
    if (why !== undefined || !isOver) choice.candidate.strikes++
    return undefined
  }

  /** Those that were not handed out before, as many as are wanted. */
  #fresh(batch: PurchasedRecord[], current: Current): PurchasedRecord[] {
    const fresh: PurchasedRecord[] = []
    for (const record of batch) {
      let name: string
      try {
        name = this.#keyOf(record)
      } catch {
        // A stranger's bytes, which the caller's key expects to be something else.
        current.unnamed++
        continue
      }
      if (!this.#seen.add(name)) this.#duplicates++
      else if (!this.#isEnough) {
        fresh.push(record)
        this.#records++
      }
    }
    return fresh
  }

  get #isEnough(): boolean {
    const { records } = this.#options
    return records !== undefined && this.#records >= BigInt(records)
  }

  #leaveIfWorse(current: Current): void {
    const { quality } = accountOf(current)
    const why = whyLeave(quality, this.#options.leave ?? {})
    if (why !== undefined) leave(current, why)
  }

  /** What came and was not taken yet is no silence. */
  #watchSilence(current: Current, limit: number | undefined): { refresh: () => void; stop: () => void } {
    if (limit === undefined) return { refresh: () => {}, stop: () => {} }
    const timer = setTimeout(() => {
      const { idle, status } = current.purchase
      if (idle && status.phase === 'streaming') leave(current, 'silentMs')
      else timer.refresh()
    }, limit)
    return { refresh: () => timer.refresh(), stop: () => clearTimeout(timer) }
  }

  /** What all purchases together may still cost. */
  get #left(): bigint {
    return this.#candidates.max - this.#purchases.reduce((sum, { paid }) => sum + paid, 0n)
  }

  #affordable({ rail, price: { amount, count, unit } }: Choice): boolean {
    if (rail === 'free') return true
    const price = { amount: BigInt(amount), count: BigInt(count), unit }
    return due(price, { n: 1n, records: 1n, bytes: 1n }) <= this.#left
  }
}

/** It settles; what has come until then is handed out. */
function leave(current: Current, why: LeaveReason): void {
  if (current.why !== undefined) return
  current.why = why
  endWithin(current.purchase, why === 'silentMs' ? SETTLE_SILENT_MS : SETTLE_MS)
}

function endWithin(purchase: CuttablePurchase, ms: number): void {
  purchase.stop()
  const timer = setTimeout(() => purchase.cut(), ms)
  const clear = (): void => clearTimeout(timer)
  purchase.done.then(clear, clear)
}

function accountOf({ choice, purchase, resumed, why, unnamed }: Current): FollowedPurchase {
  const { id, received, due: owed, signed, quality } = purchase.status
  const { id: listing, peerId: seller } = choice.listing
  return {
    listing,
    seller,
    session: id,
    records: received,
    due: owed,
    // Counted when it is signed, whether it arrived or not.
    paid: resumed === undefined || signed < resumed.paid ? signed : signed - resumed.paid,
    quality: { ...quality, invalid: quality.invalid + unnamed },
    ...(why === undefined ? {} : { left: why })
  }
}

function bytesKey({ bytes }: PurchasedRecord): string {
  return createHash('sha256').update(bytes).digest('base64')
}

function fieldKey(text: string): (record: PurchasedRecord) => string {
  const path = parsePath(text)
  return ({ bytes }) => {
    const key = fieldText(bytes, path)
    if (key === undefined) throw new DdmError('badRecord', `a record has no field "${text}"`)
    return key
  }
}

function checkOptions(listings: ReadonlyArray<string | Listing>, options: FollowOptions): void {
  if (listings.length === 0) throw new DdmError('usage', 'follow: name at least one listing')
  if (options.max === undefined) throw new DdmError('usage', 'follow: "max" says what all purchases together may cost')
  const { records, leave: limits = {} } = options
  if (records !== undefined && !(BigInt(records) >= 1n))
    throw new DdmError('usage', `follow: records ${records} is not 1 or more`)
  const numbers = { window: options.window, patience: options.patience, resumeFor: options.resumeFor, ...limits }
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (value >= 0 && (Number.isFinite(value) || value === Number.POSITIVE_INFINITY))) continue
    throw new DdmError('usage', `follow: ${name} ${value} is not 0 or more`)
  }
}

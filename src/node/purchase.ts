import { DdmError, type Hex } from '../interface/index.ts'
import {
  type BuyerSession,
  type Clock,
  type RecordBatch,
  type ResumePoint,
  systemClock
} from '../protocols/sdpp/index.ts'
import { reasonName } from './ended.ts'
import { NOT_YET } from './not-yet.ts'
import { listener, type PurchaseEvent } from './purchase-events.ts'
import { QualityMeter } from './quality.ts'
import { isAway, type PurchaseComponents, type PurchaseTarget, pointOf, SessionOpener } from './session-opener.ts'
import type { BuyOptions, LocalPurchase, PurchasedRecord, PurchaseOutcome, PurchaseStatus } from './types.ts'

const decoder = new TextDecoder()

/** A stream that ends before that without a record is a try that failed: the seller is not asked again at once. */
const VAIN_MS = 10_000

/** Its view of the batch is made when it is looked at. */
class BoughtRecord implements PurchasedRecord {
  readonly #batch: RecordBatch
  readonly #index: number

  constructor(batch: RecordBatch, index: number) {
    this.#batch = batch
    this.#index = index
  }

  get offset(): bigint {
    return this.#batch.first + BigInt(this.#index)
  }

  get bytes(): Uint8Array {
    return this.#batch.bytesOf(this.#index)
  }

  get receivedAt(): number {
    return this.#batch.receivedAt
  }

  text(): string {
    return decoder.decode(this.bytes)
  }

  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T
  }
}

/**
 * Starts a purchase at once and keeps it going over as many streams as it takes; errors come out of the iteration and of
 * `done`.
 */
export class RunningPurchase implements LocalPurchase {
  readonly #components: PurchaseComponents
  readonly #options: BuyOptions
  readonly #opener: SessionOpener
  readonly #clock: Clock
  /** The session that it was started to go on with. */
  readonly #given: string | undefined
  readonly #startedAt = performance.now()
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly done: Promise<PurchaseOutcome>
  /** Resolves after `done`, when the seller has said that it has the acknowledgement, or nobody waits for that any more. */
  readonly settled: Promise<void>
  /** The session under way; a new one takes its place after a cut, a failure ends it. */
  #session = Promise.withResolvers<BuyerSession>()
  #last: BuyerSession | undefined
  #firstRecordAt: number | undefined
  readonly #meter = new QualityMeter()
  /** What was said of the quality last. */
  #told = ''
  readonly #emit: (event: PurchaseEvent) => void

  constructor(target: PurchaseTarget, options: BuyOptions, components: PurchaseComponents) {
    this.#components = components
    this.#options = options
    this.#clock = components.clock ?? systemClock
    this.#given = 'session' in target ? target.session.record.id : undefined
    const { signal } = options
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    this.#opener = new SessionOpener(target, { ...options, signal: this.#signal }, components)
    this.#emit = listener(options.onEvent, components.logger)
    this.#opener.onPaid = () => this.#onPaid()
    this.#opener.onNarrow = (narrow) => this.#emit({ type: 'window', ...narrow })
    this.#session.promise.catch(() => {})
    this.done = this.#run()
    // Also a purchase that failed at a bad record has a receipt.
    const settled = (): Promise<void> | undefined => this.#last?.settled
    this.settled = this.done.then(settled, settled)
  }

  get status(): PurchaseStatus {
    const status = this.#last?.status ?? NOT_YET
    const seconds = this.#firstRecordAt === undefined ? 0 : (performance.now() - this.#firstRecordAt) / 1000
    const { source, resumes, narrow, rail } = this.#opener
    return {
      ...status,
      rail,
      resolvedThrough: source,
      resumes,
      ...(narrow === undefined ? {} : { narrow }),
      rate: seconds > 0 ? Number(status.received) / seconds : 0,
      // A consumer that has not taken what came cannot say that nothing does.
      quality: this.#meter.quality(this.idle && status.phase === 'streaming' ? Date.now() : undefined)
    }
  }

  /** The session that it has, or is about to take up; undefined before its order. */
  get sessionId(): string | undefined {
    return this.#opener.latest?.status.id ?? this.#last?.status.id ?? this.#given
  }

  /** Whom it buys from, once that is known. */
  get seller(): string | undefined {
    return this.#opener.place?.seller
  }

  /** Whether the consumer has everything that came so far. */
  get idle(): boolean {
    return this.#last?.idle ?? true
  }

  stop(): void {
    this.#stop.abort(new DdmError('aborted', 'the purchase was stopped'))
  }

  /** Does not wait any longer for the receipt of a purchase that was stopped: its session stays to be resumed. */
  cut(): void {
    this.stop()
    this.#last?.cut()
  }

  /** Waits no longer for what a session that has ended may still hear. */
  leave(): void {
    this.#last?.leave()
  }

  /** Leaves the session as it stands, for a later run to resume; one that is being settled is settled. */
  suspend(): void {
    this.#opener.latest?.suspend()
    this.stop()
  }

  async commit(mark?: string): Promise<void> {
    // Between two streams it is the last session's row that is written; the next one starts from it.
    const session = this.#last ?? (await this.#session.promise)
    await session.commit(mark)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PurchasedRecord, void, undefined> {
    for await (const batch of this.batches()) yield* batch
  }

  async *batches(): AsyncGenerator<PurchasedRecord[], void, undefined> {
    for (;;) {
      const waiting = this.#session
      const session = await waiting.promise
      try {
        for await (const batch of session.batches()) {
          this.#firstRecordAt ??= performance.now()
          const records = await this.#good(batch)
          this.#meter.add(batch)
          this.#tellQuality()
          const [first] = records
          if (first === undefined) continue
          this.#emit({ type: 'records', first: first.offset, count: records.length })
          yield records
        }
        // A session that failed after its last record must not look like the end of the data.
        await session.done
        return
      } catch (error) {
        if (!session.resumable) throw error
      }
    }
  }

  /** All but those that break the schema; in a purchase that stops at the first there is none. */
  async #good(batch: RecordBatch): Promise<PurchasedRecord[]> {
    const validator = this.#options.onInvalid === 'drop' ? await this.#opener.validator : undefined
    const bad = (await validator?.checkEach(batch.joined, batch.length)) ?? []
    this.#meter.addInvalid(bad.length)
    const left = new Set(bad.map(({ index }) => index))
    const records: PurchasedRecord[] = []
    for (let i = 0; i < batch.length; i++) if (!left.has(i)) records.push(new BoughtRecord(batch, i))
    return records
  }

  #onPaid(): void {
    const { paid, due } = this.#opener.latest?.status ?? NOT_YET
    this.#emit({ type: 'payment', paid, due })
  }

  #tellQuality(): void {
    const quality = this.#meter.quality()
    const { invalid, failures, missing = 0 } = quality
    const now = JSON.stringify([invalid, failures, missing])
    if (now === this.#told || invalid + failures + missing === 0) return
    this.#told = now
    this.#emit({ type: 'quality', quality })
  }

  /** Opens the session, and opens it again over another stream as long as that may mend what happened. */
  async #run(): Promise<PurchaseOutcome> {
    let point: ResumePoint | undefined
    let vain: unknown
    try {
      for (;;) {
        const session: BuyerSession = await this.#opener.open(point, vain)
        const opened = { at: this.#clock.now(), received: session.status.received }
        this.#last = session
        this.#meter.promised(this.#opener.document)
        const { resumes } = this.#opener
        if (resumes > 0) this.#emit({ type: 'resumed', resumes })
        this.#session.resolve(session)
        try {
          const outcome = this.#outcome(await session.done)
          this.#emit({ type: 'ended', outcome })
          return outcome
        } catch (error) {
          if (!session.resumable || this.#signal.aborted || this.#options.resumeFor === 0) throw error
          this.#meter.addFailure()
          this.#tellQuality()
          this.#components.logger.debug('the session was cut and is resumed', { session: session.status.id })
          this.#session = Promise.withResolvers()
          this.#session.promise.catch(() => {})
          point = await pointOf(session, this.#components.sessions)
          const isVain = session.status.received === opened.received && this.#clock.now() - opened.at < VAIN_MS
          vain = isVain ? error : undefined
        }
      }
    } catch (error) {
      const failure = this.#hint(error)
      if (error instanceof DdmError && error.code === 'schema') this.#meter.addInvalid(1)
      this.#emit({ type: 'ended', error: failure })
      this.#session.reject(failure)
      // A consumer whose stream was cut waits for the next one.
      this.#session = Promise.withResolvers()
      this.#session.promise.catch(() => {})
      this.#session.reject(failure)
      throw failure
    } finally {
      await this.#opener.close()
    }
  }

  /** Says how to go on by hand. */
  #hint(error: unknown): unknown {
    const id = this.sessionId
    if (!(error instanceof DdmError) || id === undefined) return error
    if (!isAway(error) && error.code !== 'aborted') return error
    return new DdmError(error.code, `${error.message}; go on with: ddm sessions resume ${id}`, {
      cause: error,
      details: { ...error.details, session: id }
    })
  }

  #outcome(ended: Awaited<BuyerSession['done']>): PurchaseOutcome {
    const { id, received, due: owed, paid, credited, reason } = ended
    const at = this.#startedAt
    const { listing, seller } = this.#opener.place as { listing: Hex; seller: string }
    return {
      session: id,
      listing,
      seller,
      rail: this.#opener.rail ?? 'evm',
      records: received,
      due: owed,
      paid,
      credited,
      reason: reasonName(reason),
      resumes: this.#opener.resumes,
      quality: this.#meter.quality(),
      firstRecordMs: this.#firstRecordAt === undefined ? undefined : this.#firstRecordAt - at,
      totalMs: performance.now() - at
    }
  }
}

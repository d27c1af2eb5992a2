import { setTimeout as delay } from 'node:timers/promises'
import type {
  AbortOptions,
  Logger,
  RecordedDigest,
  RecordPolicy,
  RecordStore,
  RecordsMedium,
  SessionDigests
} from '../../interface/index.ts'
import { MAX_BATCH } from './medium.ts'
import { planRecords } from './plan.ts'

/** A ledger that is away is asked ever less often. */
const FIRST_BACKOFF_MS = 1000
const MAX_BACKOFF_MS = 300_000

export interface RecorderInit {
  policy: RecordPolicy
  /** Ms until the first new try after a failure; it doubles up to five minutes. @default 1000 */
  backoff?: number
  /** Unix ms. @default Date.now */
  clock?: () => number
}

export interface RecorderComponents {
  medium: RecordsMedium
  store: RecordStore
  logger: Logger
}

/** Records the digests of statements when its policy says so. */
export interface Recorder {
  /** Records from now on, what was left over first. */
  start: () => void
  /** Ends the wait for the ledger; what is pending stays so for the next start. */
  stop: () => Promise<void>
  /**
   * Resolves when it is durable that these will be recorded. May be called again with the same, and before the start: after
   * a crash, note what was signed without having been noted.
   */
  note: (session: SessionDigests, options?: AbortOptions) => Promise<void>
}

/**
 * What is noted is kept in the store until a record of it is: a crash between ledger and store records twice, and loses
 * nothing. Whatever was noted while a batch was on its way shares the next one.
 *
 * @example
 * ```ts
 * const recorder = createRecorder({ policy: 'session' }, { medium, store: ledger.records, logger })
 * recorder.start()
 * await recorder.note({ session, statements: [{ kind: 'receipt', digest }], ended: true })
 * await recorder.stop()
 * ```
 */
export function createRecorder(init: RecorderInit, components: RecorderComponents): Recorder {
  return components.medium.name === 'none' ? IDLE : new PolicyRecorder(init, components)
}

const IDLE: Recorder = { start: () => {}, stop: async () => {}, note: async () => {} }

class PolicyRecorder implements Recorder {
  readonly #policy: RecordPolicy
  readonly #backoff: number
  readonly #clock: () => number
  readonly #components: RecorderComponents
  #running: { stop: AbortController; done: Promise<void> } | undefined
  #noted = Promise.withResolvers<void>()
  /** Whether it waits for a moment that the plan named. */
  #scheduled = false
  /** On the ledger and not in the store, because the store failed: recording them again would cost again. */
  #unstored: RecordedDigest[] = []

  constructor({ policy, backoff = FIRST_BACKOFF_MS, clock = Date.now }: RecorderInit, components: RecorderComponents) {
    this.#policy = policy
    this.#backoff = backoff
    this.#clock = clock
    this.#components = components
  }

  start(): void {
    if (this.#running !== undefined) return
    const stop = new AbortController()
    this.#running = { stop, done: this.#run(stop.signal) }
  }

  async stop(): Promise<void> {
    const running = this.#running
    running?.stop.abort()
    await running?.done
    if (this.#running === running) this.#running = undefined
  }

  async note(session: SessionDigests, options?: AbortOptions): Promise<void> {
    if (session.statements.length === 0 && !session.ended) return
    await this.#components.store.note(session, this.#clock(), options)
    // Only what may be due by it is worth a look at all that is pending.
    if ({ each: true, session: session.ended, daily: !this.#scheduled }[this.#policy]) this.#noted.resolve()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#components
    let failures = 0
    while (!signal.aborted) {
      // Taken before the look: what is noted during it wakes the wait.
      this.#noted = Promise.withResolvers()
      const { promise: noted } = this.#noted
      try {
        const { recorded, wait } = await this.#recordDue(signal)
        if (failures > 0) logger.info('digests are recorded again', { medium: this.#components.medium.name })
        failures = 0
        if (recorded > 0) continue
        this.#scheduled = wait !== undefined
        await pause(signal, wait, noted)
        this.#scheduled = false
      } catch (error) {
        if (signal.aborted) break
        const ms = Math.min(this.#backoff * 2 ** Math.min(failures, 20), MAX_BACKOFF_MS)
        if (failures++ === 0) {
          logger.warn('cannot record digests; trying on', {
            reason: error instanceof Error ? error.message : 'unknown'
          })
        }
        await pause(signal, ms * (0.5 + Math.random() / 2))
      }
    }
  }

  /** How many were recorded, and for how long (ms) there is nothing to do but for a new note. */
  async #recordDue(signal: AbortSignal): Promise<{ recorded: number; wait?: number }> {
    const { medium, store, logger } = this.#components
    await this.#store()
    const pending = await store.pending({ ended: this.#policy === 'session', signal })
    const { now, again } = planRecords(this.#policy, pending, this.#clock())
    const batch = now.slice(0, MAX_BATCH).map(({ digest }) => digest)
    if (batch.length === 0) return again === undefined ? { recorded: 0 } : { recorded: 0, wait: again - this.#clock() }
    this.#unstored = await medium.record(batch, { signal })
    logger.debug('digests recorded', { count: batch.length, transaction: this.#unstored[0]?.transaction })
    await this.#store()
    return { recorded: batch.length }
  }

  /** Without a signal: what the ledger holds is not recorded a second time only because the node stops. */
  async #store(): Promise<void> {
    if (this.#unstored.length > 0) await this.#components.store.put(this.#unstored)
    this.#unstored = []
  }
}

/** Ends after `ms`, if given, early, or when aborted. */
async function pause(signal: AbortSignal, ms?: number, early?: Promise<void>): Promise<void> {
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  // The longest that a timer takes; the plan is then looked at again.
  const timer = delay(Math.min(ms ?? 2 ** 31 - 1, 2 ** 31 - 1), undefined, { signal: either, ref: false }).catch(
    () => {}
  )
  await Promise.race([timer, ...(early === undefined ? [] : [early])])
  over.abort()
}

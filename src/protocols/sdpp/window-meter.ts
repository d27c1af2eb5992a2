import { NO_PROGRESS, type Progress } from '../../interface/index.ts'
import type { SessionTerms } from './account.ts'
import { type MeasuredFlow, type NarrowWindow, narrowWindow } from './window-advice.ts'

/** How a session flows: what came or went, how often and how long it waited for payments, and how long one takes. */
export class WindowMeter {
  #start: { progress: Progress; at: number } = { progress: NO_PROGRESS, at: 0 }
  #waits = 0
  #waitedMs = 0
  #waitingSince: number | undefined
  #asked: { amount: bigint; at: number } | undefined
  #roundTripMs: number | undefined
  /** From the beginning of the last wait to the payment that ends it. */
  #payingMs = 0
  /** Window that would not have held the stream back, once this one has: told once in a session, on however many streams. */
  #needed: bigint | undefined

  get needed(): bigint | undefined {
    return this.#needed
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  start(progress: Progress, now: number): void {
    this.#start = { progress, at: now }
  }

  /** @param needed - as an earlier stream of the session has found */
  recover(needed: bigint | undefined): void {
    this.#needed = needed
  }

  /** That the window is too small, when that is seen for the first time. */
  narrow(progress: Progress, terms: SessionTerms, now: number): NarrowWindow | undefined {
    if (this.#needed !== undefined) return undefined
    const narrow = narrowWindow(this.flow(progress, now), terms)
    this.#needed = narrow?.need
    return narrow
  }

  /** The next record does not fit the window. */
  waits(now: number): void {
    this.#waitingSince ??= now
  }

  /** What the buyer takes for a wait: its own part, about as much for the seller's, and a round trip. The rest is the source's. */
  get likelyWaitMs(): number {
    return (this.#roundTripMs ?? 0) + 2 * this.#payingMs
  }

  /** @param mostMs - what more it took was not for the window */
  goesOn(now: number, mostMs = Number.POSITIVE_INFINITY): void {
    if (this.#waitingSince === undefined) return
    this.#waits++
    this.#waitedMs += Math.min(now - this.#waitingSince, mostMs)
    this.#waitingSince = undefined
  }

  /** Something left that the other side answers. */
  asks(amount: bigint, now: number): void {
    this.#asked ??= { amount, at: now }
    if (this.#waitingSince !== undefined) this.#payingMs = now - this.#waitingSince
  }

  answered(amount: bigint, now: number): void {
    if (this.#asked === undefined || amount < this.#asked.amount) return
    this.sample(now - this.#asked.at)
    this.#asked = undefined
  }

  /** The shortest round trip counts: others hold what the two sides did meanwhile. */
  sample(roundTripMs: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs ?? roundTripMs, roundTripMs)
  }

  flow({ records, bytes }: Progress, now: number): MeasuredFlow {
    const { progress, at } = this.#start
    return {
      records: records - progress.records,
      bytes: bytes - progress.bytes,
      ms: now - at,
      waits: this.#waits,
      waitedMs: this.#waitedMs,
      roundTripMs: this.#roundTripMs
    }
  }
}

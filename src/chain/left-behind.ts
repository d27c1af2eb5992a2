import { setTimeout as sleep } from 'node:timers/promises'
import type { AbortOptions } from '../interface/index.ts'
import { type FeeOffer, raiseFees } from './fees.ts'

export interface LeftBehindInit {
  /** How many transactions of the wallet are mined, and how many with those in the pool. */
  count: (at: 'latest' | 'pending') => Promise<number>
  /** How long the pool may stand still before what is in it counts as stuck, and how often it is looked at; ms. */
  timing: { bump: number; poll: number }
}

/**
 * What an earlier run of this wallet left in the pool. Nobody offers more for it any more, and all that follows waits
 * behind it: so it is replaced, nonce by nonce, by what is to be sent now.
 */
export class LeftBehind {
  readonly #init: LeftBehindInit
  /** Nonces before this one are stuck, or were. */
  #end = 0
  #latest = -1
  /** When a transaction was last seen to be mined, or the pool to be empty. */
  #movedAt = 0
  /** Highest offer that was too little to replace one. */
  #refused: FeeOffer | undefined

  constructor(init: LeftBehindInit) {
    this.#init = init
  }

  has(nonce: number): boolean {
    return nonce < this.#end
  }

  /**
   * Nonce to begin with while nothing of this run is in flight: the first that is free, or the first that is stuck. A good
   * transaction only needs a moment, so it waits as long as the pool moves.
   */
  async firstNonce(options: AbortOptions): Promise<number> {
    const { count, timing } = this.#init
    let end = Number.POSITIVE_INFINITY
    for (;;) {
      const [latest, pending] = [await count('latest'), await count('pending')]
      // What others send meanwhile is not waited for, or this might never end.
      end = Math.min(end, pending)
      if (latest >= end) {
        this.#latest = -1
        return Math.max(latest, pending)
      }
      if (latest !== this.#latest) {
        this.#latest = latest
        this.#movedAt = Date.now()
        this.#refused = undefined
      }
      if (Date.now() - this.#movedAt >= timing.bump) {
        this.#end = Math.max(this.#end, end)
        return latest
      }
      await sleep(timing.poll, undefined, options)
    }
  }

  /** What is offered for a nonce that is stuck: more than was refused. */
  offer(market: FeeOffer): FeeOffer {
    return this.#refused === undefined ? market : raiseFees(this.#refused, market)
  }

  refused(offer: FeeOffer): void {
    this.#refused = offer
  }

  /** Where gas has one price, no other is taken. */
  forget(): void {
    this.#refused = undefined
  }
}

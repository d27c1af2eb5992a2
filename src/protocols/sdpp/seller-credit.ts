import type { Clock } from './clock.ts'
import { CREDIT_LOOK_MS } from './constants.ts'
import type { SellerState } from './seller-state.ts'

export interface SellerCreditInit {
  clock: Clock
  state: () => SellerState
  /** Takes the credit that policy gives by now. */
  ask: () => void
  signal: AbortSignal
}

/**
 * A resumed session that has no window because other sessions of the buyer owe: they may pay any moment, and then it gets
 * its own back.
 */
export class SellerCredit {
  readonly #init: SellerCreditInit
  #asking = false

  constructor(init: SellerCreditInit) {
    this.#init = init
  }

  /** Asks some time soon while nothing but that holds the session back. */
  look(): void {
    const { clock, ask, signal } = this.#init
    if (this.#asking || !this.#waits) return
    this.#asking = true
    const cancel = clock.after(CREDIT_LOOK_MS, () => {
      this.#asking = false
      if (this.#waits) ask()
    })
    signal.addEventListener('abort', cancel, { once: true })
  }

  get #waits(): boolean {
    const { phase, blocked, due, credited } = this.#init.state()
    return !this.#init.signal.aborted && phase === 'streaming' && blocked === 'window' && due <= credited
  }
}

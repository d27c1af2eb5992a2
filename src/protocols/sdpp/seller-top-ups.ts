import type { DepositAuthorization, Logger, PayeeSession } from '../../interface/index.ts'
import type { Clock } from './clock.ts'
import { HELD_LOOK_MS } from './constants.ts'
import { Latest } from './latest.ts'
import type { Plain } from './messages.ts'

type Payment = Plain<'PAYMENT'>

export interface SellerTopUpsInit {
  rail: PayeeSession
  clock: Clock
  logger: Logger
  /** Asks the buyer for a deposit. */
  ask: () => void
  /** What the channel can pay may have changed. */
  looked: () => void
  /** A payment that was held is covered now. */
  take: (payment: Payment) => void
  signal: AbortSignal
}

/**
 * What a seller does while the channel cannot pay: it relays the deposits that come, and holds a payment that is not
 * covered. That one counts once a deposit covers it, or the chain has caught up, and not before.
 */
export class SellerTopUps {
  readonly #init: SellerTopUpsInit
  /** Each look at the channel asks the chain: PAYMENTs that come meanwhile share the next one. */
  readonly #looks: Latest<undefined>
  /** The newest that came and was not relayed. */
  #deposit: DepositAuthorization | undefined
  /** The newest that the channel does not cover. */
  #held: Payment | undefined
  #again: (() => void) | undefined

  constructor(init: SellerTopUpsInit) {
    this.#init = init
    this.#looks = new Latest(
      () => this.#look(),
      (error) => init.logger.warn('a channel was not topped up', { error: String(error) })
    )
    init.signal.addEventListener('abort', () => this.#again?.(), { once: true })
  }

  hold(payment: Payment): void {
    const isFirst = this.#held === undefined
    this.#held = payment
    if (isFirst) this.#init.ask()
    this.look(payment.deposit)
  }

  look(deposit: DepositAuthorization | undefined): void {
    this.#deposit = deposit ?? this.#deposit
    this.#looks.set(undefined)
  }

  /** A deposit that fails is the buyer's to look after: without it the session ends as if it had none. */
  async #look(): Promise<void> {
    const { rail, signal, looked, take } = this.#init
    const deposit = this.#deposit
    this.#deposit = undefined
    try {
      await rail.topUp?.(deposit, { signal })
      looked()
    } finally {
      const held = this.#held
      if (held !== undefined && rail.exceeds?.(held.sessionPaid) === true) this.#lookAgain()
      else if (held !== undefined) {
        this.#held = undefined
        const { deposit: _deposit, ...covered } = held
        if (!signal.aborted) take(covered)
      }
    }
  }

  /** It may have been the chain that lagged. */
  #lookAgain(): void {
    const { clock, signal } = this.#init
    if (signal.aborted) return
    this.#again ??= clock.after(HELD_LOOK_MS, () => {
      this.#again = undefined
      this.look(undefined)
    })
  }
}

import { faultPoint } from '../../interface/index.ts'
import { type BuyerEvent, type BuyerState, hasEnded } from './buyer-machine.ts'
import type { BuyRequest, Committed } from './buyer-types.ts'
import type { Clock } from './clock.ts'
import { IDLE_POSITION_MS, KEEP_POSITION_MS } from './constants.ts'
import type { Batch } from './delivery-queue.ts'

export interface BuyerPositionInit {
  request: BuyRequest
  clock: Clock
  state: () => BuyerState
  step: (event: BuyerEvent) => void
  /** Position after the last record that the queue has handed out. */
  handedOut: () => bigint
  /** Makes the session's standing durable. */
  store: () => Promise<void>
  /** The same, when there is time for it: resolves when that is done, or failed. */
  touch: () => Promise<void>
}

/** How far the consumer of a purchase is: what the seller is told, and where a resume begins. */
export class BuyerPosition {
  readonly #init: BuyerPositionInit
  /** Records before this position were handed out before the session was resumed. */
  readonly #already: bigint
  /** Position that is certainly handled. */
  #floor: bigint
  /** Set once the consumer says by itself what it has made durable. */
  #committed: Committed | undefined
  #idle: (() => void) | undefined
  #keeping: (() => void) | undefined
  #kept: Promise<void> = Promise.resolve()

  constructor(init: BuyerPositionInit) {
    const { resume } = init.request
    this.#init = init
    this.#floor = resume?.stored.record.position ?? 0n
    this.#already = resume?.delivered ?? this.#floor
    this.#committed = resume?.committed ?? startingMark(init.request)
  }

  get committed(): Committed | undefined {
    return this.#committed
  }

  /** Position after the last record that was handed out. */
  get delivered(): bigint {
    const delivered = this.good(this.#init.handedOut())
    return delivered > this.#already ? delivered : this.#already
  }

  /** What a resume begins with, also after the receipt: what that acknowledges may still wait for the consumer. */
  get reached(): bigint {
    const reached = this.good(this.#init.state().handled)
    return reached > this.#floor ? reached : this.#floor
  }

  /** A position, or that of the record that breaks the schema if it is before: nobody gets what follows. */
  good(position: bigint): bigint {
    const limit = this.#init.state().payable?.n
    return limit !== undefined && limit < position ? limit : position
  }

  /** How many records from a position on were handed out before the session was resumed. */
  known(position: bigint): number {
    return Number(this.#already > position ? this.#already - position : 0n)
  }

  /** Whoever asks for more has handled what an earlier stream of this session brought. */
  resumed(): void {
    this.#floor = this.#already
  }

  async commit(sink?: string): Promise<void> {
    this.#committed = { position: this.delivered, ...(sink === undefined ? {} : { sink }) }
    faultPoint('position.synced')
    await this.#init.store()
    faultPoint('position.stored')
  }

  handled(batch: Batch, idle: boolean): void {
    const { step, state, clock } = this.#init
    step({ type: 'handled', n: batch.n, bytes: batch.bytes, idle: false })
    if (this.#committed === undefined) this.#keep()
    if (hasEnded(state())) return
    if (!idle || this.#idle !== undefined) return
    // A consumer that keeps up would otherwise acknowledge every frame on its own.
    this.#idle = clock.after(IDLE_POSITION_MS, () => {
      this.#idle = undefined
      step({ type: 'handled', n: state().handled, bytes: 0, idle: true })
    })
  }

  /** At most once in a while: a consumer that keeps nothing itself may see the last records again after a crash. */
  #keep(): void {
    const { clock, touch, state } = this.#init
    // Not much is left then, and its consumer may end the process as soon as it has it.
    if (hasEnded(state())) this.#kept = touch()
    else
      this.#keeping ??= clock.after(KEEP_POSITION_MS, () => {
        this.#keeping = undefined
        void touch()
      })
  }

  /** Resolves when it is durable that a consumer has all of a session that ended before. */
  kept(): Promise<void> {
    return this.#kept
  }

  stop(): void {
    this.#idle?.()
    this.#keeping?.()
  }
}

/** A consumer that keeps count does so from the first record on. */
function startingMark({ sink, resume }: BuyRequest): Committed | undefined {
  if (resume === undefined) return sink === undefined ? undefined : { position: 0n, sink }
  const { record } = resume.stored
  return record.sink === undefined ? undefined : { position: record.position, sink: record.sink }
}

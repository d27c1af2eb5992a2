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
  /** The same, when there is time for it. */
  touch: () => void
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

  /** What a resume begins with. A receipt acknowledges what was received; the consumer may still be at it. */
  get reached(): bigint {
    const state = this.#init.state()
    const reached = this.good(hasEnded(state) ? state.received.n : state.handled)
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
    if (!idle || this.#idle !== undefined) return
    // A consumer that keeps up would otherwise acknowledge every frame on its own.
    this.#idle = clock.after(IDLE_POSITION_MS, () => {
      this.#idle = undefined
      step({ type: 'handled', n: state().handled, bytes: 0, idle: true })
    })
  }

  /** At most once in a while: a consumer that keeps nothing itself may see the last records again after a crash. */
  #keep(): void {
    const { clock, touch } = this.#init
    this.#keeping ??= clock.after(KEEP_POSITION_MS, () => {
      this.#keeping = undefined
      touch()
    })
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

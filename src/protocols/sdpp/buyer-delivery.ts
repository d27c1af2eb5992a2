import type { CID } from 'multiformats/cid'
import type { BadRecord } from '../../interface/index.ts'
import { advance, oversized, type SessionTerms } from './account.ts'
import { type BuyerEvent, type BuyerState, hasEnded } from './buyer-machine.ts'
import { BuyerPosition, type BuyerPositionInit } from './buyer-position.ts'
import type { BuyerComponents, BuyRequest } from './buyer-types.ts'
import { BuyerViolation } from './buyer-violation.ts'
import type { DataFrame } from './data-frame.ts'
import { DeliveryQueue, RecordBatch } from './delivery-queue.ts'
import type { SessionLedger } from './session-ledger.ts'
import { SdppError, STATUS } from './status.ts'

export interface BuyerDeliveryInit extends Pick<BuyerPositionInit, 'store' | 'touch'> {
  request: BuyRequest
  components: Pick<BuyerComponents, 'clock' | 'sessions'>
  state: () => BuyerState
  step: (event: BuyerEvent) => void
  fail: (error: unknown) => void
  /** Whether anything may still be said. */
  isOpen: () => boolean
}

/** The records of a session on their way to the consumer: counted, kept in the transcript, and queued up to the first bad one. */
export class BuyerDelivery {
  readonly position: BuyerPosition
  readonly violation: BuyerViolation
  readonly #init: BuyerDeliveryInit
  readonly #queue: DeliveryQueue
  #openBlock: bigint | undefined

  constructor(init: BuyerDeliveryInit) {
    const { request, components, state, step, fail, isOpen, store, touch } = init
    this.#init = init
    this.violation = new BuyerViolation(components.sessions, fail)
    this.position = new BuyerPosition({
      request,
      clock: components.clock,
      state,
      step,
      handedOut: () => this.#queue.delivered,
      store,
      touch
    })
    this.#queue = new DeliveryQueue((batch, idle) => {
      if (isOpen() || hasEnded(state())) this.position.handled(batch, idle)
    })
  }

  /** Whether the consumer has everything that came. */
  get idle(): boolean {
    return this.#queue.empty
  }

  /**
   * @param bad - the first record that breaks the schema, if the frame has one
   * @param onCounted - called once the frame belongs to the session, before anything follows from it
   */
  take(
    data: DataFrame,
    bad: BadRecord | undefined,
    { session, terms, ledger }: { session: CID; terms: SessionTerms; ledger: SessionLedger },
    onCounted: () => void
  ): void {
    const { request, step, state, isOpen } = this.#init
    const { received } = state()
    const { first, count, bytes, ends, endOfBlock, blockStart } = data
    const expected = this.#openBlock ?? (received.n === 0n ? blockStart : first)
    if (blockStart !== expected) {
      throw new SdppError(STATUS.unexpected, `DATA names block ${blockStart}, expected ${expected}`)
    }
    // One that breaks the schema ends the session anyway, and is not paid.
    const large = oversized(terms, { first, count, ends }, bad?.index ?? count)
    if (large !== undefined) {
      const offset = first + BigInt(large)
      throw new SdppError(STATUS.tooLarge, `record ${offset} has more than the ${terms.maxRecordBytes} bytes offered`)
    }
    const progress = advance(terms, received, { first, count, ends }, 0, count)
    step({ type: 'data', first, progress, bytes: bytes.length })
    if (!isOpen() || state().phase === 'failed') return
    ledger.add(data, progress)
    onCounted()
    if (request.validator !== undefined) this.violation.add(data, bad)
    this.#openBlock = endOfBlock ? undefined : blockStart
    if (bad !== undefined) {
      step({ type: 'violated', payable: advance(terms, received, { first, count, ends }, 0, bad.index) })
      this.violation.keep(session)
    }
    this.#queueGood(data, received.n, progress.n)
  }

  #queueGood({ first, bytes, ends }: DataFrame, from: bigint, to: bigint): void {
    const { step, components } = this.#init
    const good = Number(this.position.good(to) - from)
    const skip = this.position.known(from)
    if (skip >= good) return step({ type: 'handled', n: to, bytes: bytes.length, idle: false })
    const at = components.clock.wallTime()
    const records = new RecordBatch(first, bytes, ends.subarray(0, good), skip, at)
    this.#queue.push({ records, n: to, bytes: bytes.length })
  }

  /** @param stop - called when the consumer wants no more */
  async *batches(stop: () => void): AsyncGenerator<RecordBatch, void, undefined> {
    this.position.resumed()
    try {
      for (;;) {
        const records = await this.#queue.next()
        if (records === undefined) return
        yield records
      }
    } finally {
      stop()
      this.#queue.discard()
      await this.position.kept()
    }
  }

  /** As `DeliveryQueue.end`. */
  end(error?: unknown, dropRest = false): void {
    this.#queue.end(error, dropRest)
  }
}

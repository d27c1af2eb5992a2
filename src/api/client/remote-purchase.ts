import { DdmError } from '../../interface/index.ts'
import {
  type BuyOptions,
  NOT_YET,
  type Purchase,
  type PurchasedRecord,
  type PurchaseOutcome,
  type PurchaseStatus
} from '../../node/index.ts'
import * as operations from '../operations/purchases.ts'
import { errorOf } from '../problem.ts'
import type { Bought } from '../purchases.ts'
import { decodeRecords, type WireRecord } from '../records.ts'
import type { HttpClient } from './http.ts'

const utf8 = new TextDecoder()

type EventOptions = { [K in 'signal' | 'onEvent']: BuyOptions[K] | undefined }

/** A purchase that another process makes; its records come over one connection, and it ends when that does. */
export class RemotePurchase implements Purchase {
  readonly #client: HttpClient
  readonly #started: Promise<Bought>
  readonly #done = Promise.withResolvers<PurchaseOutcome>()
  #status: PurchaseStatus = NOT_YET
  #idle = true
  #taken = false
  readonly #onEvent: Exclude<BuyOptions['onEvent'], undefined>

  constructor(client: HttpClient, started: Promise<Bought>, { signal, onEvent }: EventOptions) {
    this.#client = client
    this.#started = started
    this.#onEvent = (event) => {
      // An error of the listener is not one of the purchase.
      queueMicrotask(() => onEvent?.(event))
    }
    this.#done.promise.then(
      (outcome) => this.#onEvent({ type: 'ended', outcome }),
      (error: unknown) => this.#onEvent({ type: 'ended', error })
    )
    started.catch((error: unknown) => this.#done.reject(error))
    signal?.addEventListener('abort', () => this.stop(), { once: true })
  }

  get done(): Promise<PurchaseOutcome> {
    return this.#done.promise
  }

  get status(): PurchaseStatus {
    return this.#status
  }

  get idle(): boolean {
    return this.#idle
  }

  async *batches(): AsyncGenerator<PurchasedRecord[]> {
    if (this.#taken) throw new DdmError('usage', 'the records of a purchase are read once')
    this.#taken = true
    const { purchase } = await this.#started
    const gone = new AbortController()
    try {
      const events = this.#client.events(operations.takeRecords, { params: { purchase } }, { signal: gone.signal })
      for await (const { event, data } of events) {
        if (event === 'records') {
          this.#idle = false
          const records = decodeRecords(data as WireRecord[]).map(bought)
          const [first] = records
          if (first !== undefined) this.#onEvent({ type: 'records', first: first.offset, count: records.length })
          yield records
        } else if (event === 'status') {
          this.#changed((data as Bought).status)
          this.#idle = true
        } else if (event === 'done') this.#done.resolve(data as PurchaseOutcome)
        else if (event === 'problem') throw errorOf(data, 'the node failed')
      }
      this.#done.reject(
        new DdmError('unreachable', 'the node ended the purchase; "ddm sessions list" shows how it stands')
      )
    } catch (error) {
      this.#done.reject(error)
      throw error
    } finally {
      // Whoever leaves the loop early waits for the receipt; the node goes on with what was under way.
      if (!gone.signal.aborted) await this.#settle(purchase, gone)
    }
  }

  /** What has happened since the status before, as events. */
  #changed(status: PurchaseStatus): void {
    const { paid, narrow, resumes, quality } = this.#status
    this.#status = status
    if (status.narrow !== undefined && narrow === undefined) this.#onEvent({ type: 'window', ...status.narrow })
    if (status.resumes > resumes) this.#onEvent({ type: 'resumed', resumes: status.resumes })
    if (status.paid > paid) this.#onEvent({ type: 'payment', paid: status.paid, due: status.due })
    const { invalid, failures, missing = 0 } = status.quality
    if (invalid > quality.invalid || failures > quality.failures || missing > (quality.missing ?? 0)) {
      this.#onEvent({ type: 'quality', quality: status.quality })
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PurchasedRecord> {
    for await (const batch of this.batches()) yield* batch
  }

  async commit(mark?: string): Promise<void> {
    const { purchase } = await this.#started
    await this.#client.call(operations.commitPurchase, {
      params: { purchase },
      body: mark === undefined ? {} : { mark }
    })
  }

  stop(): void {
    void this.#stop().catch(() => {})
  }

  async #stop(): Promise<void> {
    const { purchase } = await this.#started
    await this.#client.call(operations.stopPurchase, { params: { purchase } })
  }

  /** The connection is left; how the purchase ended is asked for until it is known. */
  async #settle(purchase: string, gone: AbortController): Promise<void> {
    gone.abort(new DdmError('aborted', 'nobody takes the records any more'))
    try {
      for (;;) {
        const { status, outcome, problem } = (await this.#client.call(operations.getPurchase, {
          params: { purchase }
        })) as Bought
        this.#changed(status)
        if (outcome !== undefined) return this.#done.resolve(outcome)
        if (problem !== undefined) return this.#done.reject(errorOf(problem, 'the purchase failed'))
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    } catch (error) {
      this.#done.reject(error)
    }
  }
}

export function bought({ offset, bytes }: { offset: bigint; bytes: Uint8Array }): PurchasedRecord {
  const text = (): string => utf8.decode(bytes)
  return { offset, bytes, receivedAt: Date.now(), text, json: <T>() => JSON.parse(text()) as T }
}

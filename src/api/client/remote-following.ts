import { type AbortOptions, DdmError, type Listing } from '../../interface/index.ts'
import type { FollowEvent, Following, FollowOptions, FollowOutcome, PurchasedRecord } from '../../node/index.ts'
import type { Followed } from '../followings.ts'
import * as operations from '../operations/followings.ts'
import { errorOf, type Problem } from '../problem.ts'
import { decodeRecords, type WireRecord } from '../records.ts'
import { FOLLOW_EVENTS } from '../schemas/following.ts'
import type { HttpClient } from './http.ts'
import { bought } from './remote-purchase.ts'

const ASK_AGAIN_MS = 50

const NOTHING: Following['status'] = {
  listing: undefined,
  seller: undefined,
  records: 0n,
  duplicates: 0n,
  paid: 0n,
  purchases: []
}

/** A product that a node of another process follows; its records come over one connection, and it ends when that does. */
export class RemoteFollowing implements Following {
  readonly #client: HttpClient
  readonly #body: { listings: string[]; options: Omit<FollowOptions, 'signal' | 'onEvent'> & { key?: string } }
  readonly #onEvent: Exclude<FollowOptions['onEvent'], undefined>
  readonly #done = Promise.withResolvers<FollowOutcome>()
  readonly #stop = new AbortController()
  #status = NOTHING
  #name: string | undefined
  #iterated = false

  constructor(
    client: HttpClient,
    listings: ReadonlyArray<string | Listing>,
    { signal, onEvent, key, ...options }: FollowOptions
  ) {
    if (typeof key === 'function') {
      throw new DdmError('usage', 'a node of another process takes no function as key; name a field, like "time"')
    }
    this.#client = client
    this.#body = {
      listings: listings.map((one) => (typeof one === 'string' ? one : one.id)),
      options: { ...options, ...(key === undefined ? {} : { key }) }
    }
    // An error of the listener is not one of the purchase.
    this.#onEvent = (event) => queueMicrotask(() => onEvent?.(event))
    this.#done.promise.catch(() => {})
    if (signal?.aborted === true) this.stop()
    else signal?.addEventListener('abort', () => this.stop(), { once: true })
  }

  get done(): Promise<FollowOutcome> {
    return this.#done.promise
  }

  get status(): Following['status'] {
    return this.#status
  }

  stop(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    if (this.#name !== undefined) void this.#end(this.#name)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PurchasedRecord, void, undefined> {
    for await (const batch of this.batches()) yield* batch
  }

  async *batches(): AsyncGenerator<PurchasedRecord[], void, undefined> {
    if (this.#iterated) throw new DdmError('usage', 'a product that is followed is iterated once')
    this.#iterated = true
    if (this.#stop.signal.aborted) {
      const { listing: _listing, seller: _seller, ...standing } = NOTHING
      return this.#done.resolve({ ...standing, reason: 'stopped' })
    }
    try {
      yield* this.#take()
    } catch (error) {
      this.#done.reject(error)
      throw error
    }
  }

  async *#take(): AsyncGenerator<PurchasedRecord[], void, undefined> {
    const { following: name } = await this.#client.call(operations.startFollowing, { body: this.#body as never })
    this.#name = name
    if (this.#stop.signal.aborted) void this.#end(name)
    const gone = new AbortController()
    let ended = false
    try {
      const events = this.#client.events(
        operations.takeFollowed,
        { params: { following: name } },
        { signal: gone.signal }
      )
      for await (const { event, data } of events) {
        if (event === 'records') yield this.#records(data as WireRecord[])
        else if (event === 'status') this.#status = (data as Followed).status
        else if (event in FOLLOW_EVENTS) this.#tell(event, data as { problem?: Problem })
        else if (event === 'problem') throw errorOf(data, 'the node failed')
        else if (event === 'done') {
          ended = true
          this.#done.resolve(data as FollowOutcome)
        }
      }
      if (ended) return
      ended = true
      throw new DdmError('unreachable', 'the node has ended; "ddm sessions list" shows how the purchases stand')
    } catch (error) {
      ended = true
      throw error
    } finally {
      // Whoever leaves the loop early still learns how it ended.
      if (!ended) await this.#settle(name, gone)
    }
  }

  #records(wire: WireRecord[]): PurchasedRecord[] {
    const records = decodeRecords(wire).map(bought)
    const { listing, seller } = this.#status
    const [first] = records
    if (first !== undefined && listing !== undefined && seller !== undefined) {
      this.#onEvent({ type: 'records', first: first.offset, count: records.length, listing, seller })
    }
    return records
  }

  #tell(type: string, { problem, ...data }: { problem?: Problem }): void {
    const error = problem === undefined ? {} : { error: errorOf(problem, 'the purchase failed') }
    this.#onEvent({ type, ...data, ...error } as FollowEvent)
  }

  async #end(following: string, options: AbortOptions = {}): Promise<void> {
    await this.#client.call(operations.stopFollowing, { params: { following } }, options).catch(() => {})
  }

  async #settle(following: string, gone: AbortController): Promise<void> {
    gone.abort(new DdmError('aborted', 'nobody takes the records any more'))
    try {
      for (;;) {
        const { status, outcome, problem } = await this.#client.call(operations.getFollowing, { params: { following } })
        this.#status = status as Following['status']
        if (outcome !== undefined) return this.#done.resolve(outcome as FollowOutcome)
        if (problem !== undefined) return this.#done.reject(errorOf(problem, 'the purchase failed'))
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
      }
    } catch (error) {
      this.#done.reject(error)
    }
  }
}

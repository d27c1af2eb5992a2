import {
  type AbortOptions,
  type AppendOptions,
  type Block,
  type BlockStore,
  DdmError,
  MAX_RECORD_BYTES,
  type ProductLog,
  type SourcePosition,
  type StoredLog
} from '../interface/index.ts'
import { throwIfAborted } from './abort.ts'
import { BlockCache } from './block-cache.ts'
import { encodeBlock, LENGTH_BYTES } from './blocks.ts'

/** Blocks on their way to the store at once: enough to fill its group commits, 1 MiB of data at most. */
const MAX_IN_FLIGHT = 16

/** What one read of the store brings: a store that is busy committing answers seldom, so each answer must last. */
const READ_AHEAD_BYTES = 2 * 1024 * 1024

/** Readers that are read ahead for. */
const MAX_READ_AHEAD = 256

export interface ProductLogInit {
  id: string
  store: BlockStore
  /**
   * Most records in a block (sdpp, Data).
   *
   * @default 256
   */
  blockRecords?: number
  /**
   * Most bytes in a block; a larger record is a block of its own.
   *
   * @default 65536
   */
  blockBytes?: number
  /**
   * Longest wait of a record for its block to be closed, in ms. Blocks close sooner when no record is waiting.
   *
   * @default 20
   */
  blockDelayMs?: number
  /**
   * Memory for recent blocks, shared by all readers of the log.
   *
   * @default 16 MiB
   */
  cacheBytes?: number
  /**
   * What closes blocks; a simulation gives its own.
   *
   * @default the system's timers and clock
   */
  clock?: LogClock
}

/** Time as a log sees it. */
export interface LogClock {
  /** Calls back at the end of this turn of the event loop; returns the function that cancels it. */
  soon: (callback: () => void) => () => void
  /** Calls back after so many ms; returns the function that cancels it. */
  after: (milliseconds: number, callback: () => void) => () => void
  /** Unix milliseconds, the append times of blocks. */
  wallTime: () => number
}

const systemClock: LogClock = {
  soon(callback) {
    const turn = setImmediate(callback)
    return () => clearImmediate(turn)
  },
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds)
    return () => clearTimeout(timer)
  },
  wallTime: () => Date.now()
}

/** A product log that can also be pruned and closed. */
export interface OpenProductLog extends ProductLog {
  /** Forgets whole blocks before `offset`, in the store too. */
  prune: (offset: bigint, options?: AbortOptions) => Promise<void>
  /** Waits for all appended records to be durable, then refuses more. May be called again. */
  close: () => Promise<void>
}

/**
 * Opens a log and continues it where it ended.
 *
 * @example
 * ```ts
 * const log = await openProductLog({ id: listingId, store: ledger.blocks })
 * await log.append([new TextEncoder().encode('{"celsius":21.5}')]) // durable and readable
 * const block = await log.read(0n)
 * ```
 */
export async function openProductLog(init: ProductLogInit, options?: AbortOptions): Promise<OpenProductLog> {
  return new KeptLog(init, await init.store.open(init.id, options))
}

/** One call of append: it is done when everything before `until` is durable. */
interface Waiter {
  until: bigint
  resolve: () => void
  reject: (error: DdmError) => void
}

/** A block on its way to the store, with where its source goes on after it. */
interface Closed {
  block: Block
  position: SourcePosition | undefined
}

class KeptLog implements OpenProductLog {
  readonly id: string
  readonly epoch: bigint
  private readonly store: BlockStore
  private readonly limits: { records: number; bytes: number; delayMs: number }
  private readonly cache: BlockCache
  private readonly listeners = new Set<() => void>()
  private readonly loading = new Map<bigint, Promise<Block | undefined>>()
  /** By the first offset of the block at which the next read starts: where that read begins. */
  private readonly ahead = new Map<bigint, bigint>()

  private firstKept: bigint
  /** Everything before it is durable. */
  private durable: bigint
  private complete: boolean
  private durablePosition: SourcePosition | undefined

  /** The open block: its first offset, its records, and what closes it. */
  private next: bigint
  private records: Uint8Array[] = []
  private bytes = 0
  private openPosition: SourcePosition | undefined
  private readonly clock: LogClock
  private cancelTimer: (() => void) | undefined
  private cancelTurn: (() => void) | undefined

  /** Closed blocks that wait for their turn at the store. */
  private readonly closed: Closed[] = []
  private inFlight = 0
  private waiters: Waiter[] = []
  private lastAppendedAt = 0
  private failure: DdmError | undefined
  private finishing: Promise<void> | undefined
  private closing: Promise<void> | undefined

  constructor(init: ProductLogInit, { epoch, range: { tail, head }, finished, position }: StoredLog) {
    this.id = init.id
    this.epoch = epoch
    this.store = init.store
    this.clock = init.clock ?? systemClock
    this.limits = {
      records: init.blockRecords ?? 256,
      bytes: init.blockBytes ?? 64 * 1024,
      delayMs: init.blockDelayMs ?? 20
    }
    this.cache = new BlockCache(init.cacheBytes ?? 16 * 1024 * 1024)
    this.firstKept = tail
    this.durable = head
    this.next = head
    this.complete = finished
    this.durablePosition = position
  }

  get tail(): bigint {
    return this.firstKept
  }

  get head(): bigint {
    return this.durable
  }

  get finished(): boolean {
    return this.complete
  }

  get position(): SourcePosition | undefined {
    return this.durablePosition
  }

  async append(records: Uint8Array[], options?: AppendOptions): Promise<void> {
    throwIfAborted(options)
    if (this.closing !== undefined) throw new DdmError('internal', `product log ${this.id} is closed`)
    if (this.complete || this.finishing !== undefined) {
      throw new DdmError('usage', `product log ${this.id} is finished: it takes no more records`)
    }
    for (const [index, { byteLength }] of records.entries()) {
      if (byteLength <= MAX_RECORD_BYTES) continue
      throw new DdmError('badRecord', `record ${index} has ${byteLength} bytes; at most ${MAX_RECORD_BYTES} fit`, {
        details: { bytes: byteLength, limit: MAX_RECORD_BYTES }
      })
    }
    if (this.failure !== undefined) throw this.failure
    if (records.length === 0) return
    for (const [index, record] of records.entries()) {
      this.add(record, index === records.length - 1 ? options?.position : undefined)
    }
    this.schedule()
    await this.reached(this.next + BigInt(this.records.length))
  }

  finish(options?: AbortOptions): Promise<void> {
    this.finishing ??= this.complete ? Promise.resolve() : this.markFinished(options)
    return this.finishing
  }

  async read(offset: bigint, options?: AbortOptions): Promise<Block | undefined> {
    if (offset >= this.durable) return undefined
    if (offset < this.firstKept) {
      throw new DdmError(
        'notFound',
        `offset ${offset} of product log ${this.id} is gone; it starts at ${this.firstKept}`
      )
    }
    const cached = this.cache.get(offset)
    if (cached !== undefined) {
      this.readAhead(cached)
      return cached
    }
    throwIfAborted(options)
    return await this.load(offset)
  }

  /** A reader that is half-way through what was read for it finds the rest in memory when it gets there. */
  private readAhead({ first }: Block): void {
    const end = this.ahead.get(first)
    if (end === undefined) return
    this.ahead.delete(first)
    // A failure shows when the block is asked for.
    if (end < this.durable && this.cache.get(end) === undefined) this.load(end).catch(() => {})
  }

  offsetAt(time: number, options?: AbortOptions): Promise<bigint> {
    return this.store.offsetAt(this.id, time, options)
  }

  onAppend(listener: () => void): () => void {
    // An object of its own for each call, so that one function may listen twice.
    const entry = (): void => listener()
    this.listeners.add(entry)
    return () => {
      this.listeners.delete(entry)
    }
  }

  async prune(offset: bigint, options?: AbortOptions): Promise<void> {
    await this.store.prune(this.id, offset, options)
    const { range } = await this.store.open(this.id, options)
    this.firstKept = range.tail
    this.cache.prune(range.tail)
  }

  close(): Promise<void> {
    this.closing ??= this.flush()
      // Each append has been told already.
      .catch(() => {})
      .finally(() => this.listeners.clear())
    return this.closing
  }

  private async markFinished(options: AbortOptions | undefined): Promise<void> {
    await this.flush()
    await this.store.finish(this.id, options)
    this.complete = true
    this.notify()
  }

  private flush(): Promise<void> {
    this.closeBlock()
    return this.failure === undefined ? this.reached(this.next) : Promise.reject(this.failure)
  }

  private reached(until: bigint): Promise<void> {
    if (until <= this.durable) return Promise.resolve()
    return new Promise((resolve, reject) => this.waiters.push({ until, resolve, reject }))
  }

  /** Puts a record into the open block; closes the block when it is full. */
  private add(record: Uint8Array, position: SourcePosition | undefined): void {
    const size = LENGTH_BYTES + record.byteLength
    if (this.bytes + size > this.limits.bytes) this.closeBlock()
    this.records.push(record)
    this.openPosition = position ?? this.openPosition
    this.bytes += size
    if (this.records.length >= this.limits.records || this.bytes >= this.limits.bytes) this.closeBlock()
  }

  /**
   * With nothing on its way to the store, the open block closes at the end of this turn of the event loop: no record is
   * waiting. Otherwise records gather until the store has answered, but not longer than the delay.
   */
  private schedule(): void {
    if (this.records.length === 0) return
    if (this.inFlight === 0) this.cancelTurn ??= this.clock.soon(() => this.closeBlock())
    else this.cancelTimer ??= this.clock.after(this.limits.delayMs, () => this.closeBlock())
  }

  private closeBlock(): void {
    this.cancelTurn?.()
    this.cancelTimer?.()
    this.cancelTurn = undefined
    this.cancelTimer = undefined
    if (this.records.length === 0) return
    // Never back in time, so that a search by time finds its way even when the clock was set back.
    this.lastAppendedAt = Math.max(this.lastAppendedAt, this.clock.wallTime())
    const block = encodeBlock(this.records, this.next, this.lastAppendedAt)
    this.next += BigInt(block.count)
    this.records = []
    this.bytes = 0
    this.closed.push({ block, position: this.openPosition })
    this.openPosition = undefined
    this.pump()
  }

  /** Hands closed blocks to the store, several at once: they share its group commits. */
  private pump(): void {
    while (this.inFlight < MAX_IN_FLIGHT && this.failure === undefined) {
      const closed = this.closed.shift()
      if (closed === undefined) return
      const { block, position } = closed
      this.inFlight += 1
      this.store.append(this.id, block, position === undefined ? {} : { position }).then(
        () => this.stored(closed),
        (error: unknown) => this.fail(error)
      )
    }
  }

  private stored({ block, position }: Closed): void {
    this.inFlight -= 1
    // The store takes blocks in order only, so all before this one are durable too.
    const end = block.first + BigInt(block.count)
    if (end > this.durable) {
      this.durable = end
      this.durablePosition = position ?? this.durablePosition
    }
    this.cache.add(block)
    this.pump()
    if (this.inFlight === 0) this.closeBlock()
    const done = this.waiters.findIndex(({ until }) => until > this.durable)
    for (const waiter of this.waiters.splice(0, done === -1 ? this.waiters.length : done)) waiter.resolve()
    this.notify()
  }

  /** Records behind a block that is not there would get wrong offsets: the log takes nothing more until it is opened again. */
  private fail(cause: unknown): void {
    this.inFlight -= 1
    if (this.failure !== undefined) return
    const reason = cause instanceof Error ? cause.message : String(cause)
    const code = cause instanceof DdmError ? cause.code : 'internal'
    this.failure = new DdmError(code, `product log ${this.id} could not store a block: ${reason}`, { cause })
    this.closed.length = 0
    this.records = []
    for (const waiter of this.waiters.splice(0)) waiter.reject(this.failure)
  }

  private notify(): void {
    for (const listener of this.listeners) listener()
  }

  /** Readers that want the same offset share one read. */
  private load(offset: bigint): Promise<Block | undefined> {
    let reading = this.loading.get(offset)
    if (reading === undefined) {
      reading = this.store
        .readMany(this.id, offset, READ_AHEAD_BYTES)
        .then((blocks) => {
          for (const block of blocks) this.cache.add(block)
          this.expectReader(blocks)
          return blocks[0]
        })
        .finally(() => this.loading.delete(offset))
      this.loading.set(offset, reading)
    }
    return reading
  }

  private expectReader(blocks: Block[]): void {
    const middle = blocks[Math.floor(blocks.length / 2)]
    const last = blocks.at(-1)
    if (middle === undefined || last === undefined) return
    this.ahead.set(middle.first, last.first + BigInt(last.count))
    const [oldest] = this.ahead.keys()
    if (this.ahead.size > MAX_READ_AHEAD && oldest !== undefined) this.ahead.delete(oldest)
  }
}

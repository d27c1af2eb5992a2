import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AbortOptions,
  type DataRecord,
  type DataSink,
  DdmError,
  type Listing,
  type Logger
} from '../interface/index.ts'
import {
  type BuyOptions,
  type DdmNode,
  fileSink,
  type Purchase,
  type PurchaseOutcome,
  type PurchaseStatus,
  pour,
  resumeFileSink,
  writeFileAtomic
} from '../node/index.ts'
import { type Problem, problemOf } from './problem.ts'

/** Newest records that somebody who opens a live view sees at once. */
const SHOWN_RECORDS = 500

/** Ended purchases that are still listed; their sessions and receipts stay in the ledger. */
const MAX_LISTED = 200

export interface Bought {
  readonly purchase: string
  readonly listing?: Listing['id'] | undefined
  readonly title?: string | undefined
  readonly keep: 'caller' | 'node'
  readonly startedAt: number
  status: PurchaseStatus
  outcome?: PurchaseOutcome
  problem?: Problem
}

interface Entry extends Bought {
  running: Purchase | undefined
  /** Kept by the node: where, and who looks on. */
  file?: string
  recent: DataRecord[]
  readonly viewers: Set<(records: DataRecord[]) => void>
  taken: boolean
}

/** What is written of a purchase that the node keeps, so that a later run goes on with it. */
interface Note {
  purchase: string
  listing?: Listing['id']
  title?: string
  startedAt: number
  session?: string
  ended?: boolean
}

export interface PurchasesInit {
  node: DdmNode
  logger: Logger
}

/** Purchases asked for over the API: those whose records the caller takes, and those that the node keeps. */
export class Purchases {
  readonly #node: DdmNode
  readonly #logger: Logger
  readonly #folder: string
  readonly #entries = new Map<string, Entry>()

  constructor({ node, logger }: PurchasesInit) {
    this.#node = node
    this.#logger = logger
    this.#folder = join(node.home, 'purchases')
  }

  list(): Bought[] {
    return [...this.#entries.values()].map(shown)
  }

  get(purchase: string): Bought {
    return shown(this.#entry(purchase))
  }

  /** File of the records of a purchase that the node keeps. */
  file(purchase: string): string {
    const { file } = this.#entry(purchase)
    if (file === undefined) throw new DdmError('usage', `purchase ${purchase} is kept by its caller, not by this node`)
    return file
  }

  async start(
    target: { listing: Listing } | { session: string },
    keep: 'caller' | 'node',
    options: BuyOptions,
    abort: AbortOptions = {}
  ): Promise<Bought> {
    const purchase = randomUUID()
    const kept = keep === 'node' ? await this.#open(purchase) : undefined
    // Known before the first record: after a crash the file is cut back to where the session stands.
    const mark = await kept?.sink.mark?.()
    const wish = { ...options, ...(mark === undefined ? {} : { mark }) }
    const running =
      'session' in target
        ? await this.#node.sessions.resume(target.session, wish)
        : this.#node.buy(target.listing, wish)
    running.done.catch(() => {})
    const named = 'listing' in target ? { listing: target.listing.id, title: target.listing.document.title } : undefined
    const entry = this.#add({ purchase, keep, startedAt: Date.now(), ...named }, running)
    if (kept !== undefined) {
      entry.file = kept.file
      await this.#note(entry)
      void this.#keep(entry, kept.sink, running)
    }
    abort.signal?.throwIfAborted()
    return shown(entry)
  }

  /** Opened before anything is paid: a file that cannot be written is known by then. */
  async #open(purchase: string): Promise<{ file: string; sink: DataSink }> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const file = join(this.#folder, `${purchase}.jsonl`)
    return { file, sink: await fileSink(file) }
  }

  /** The purchase itself, for the one caller that takes its records. */
  take(purchase: string): Purchase {
    const entry = this.#entry(purchase)
    if (entry.keep !== 'caller' || entry.running === undefined) {
      throw new DdmError('usage', `the records of purchase ${purchase} are kept by the node; look on with …/live`)
    }
    if (entry.taken) throw new DdmError('usage', `the records of purchase ${purchase} go to another connection`)
    entry.taken = true
    return entry.running
  }

  async commit(purchase: string, mark?: string): Promise<void> {
    await this.#entry(purchase).running?.commit(mark)
  }

  stop(purchase: string): void {
    this.#entry(purchase).running?.stop()
  }

  /** Calls back with what comes, after the newest that came before; returns the function that ends it. */
  view(purchase: string, onRecords: (records: DataRecord[]) => void): () => void {
    const { recent, viewers } = this.#entry(purchase)
    if (recent.length > 0) onRecords([...recent])
    viewers.add(onRecords)
    return () => viewers.delete(onRecords)
  }

  /** Goes on with what an earlier run of the node was keeping. */
  async reopen(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [])
    for (const name of names.filter((file) => file.endsWith('.json'))) {
      try {
        await this.#resume(JSON.parse(await readFile(join(this.#folder, name), 'utf8')) as Note)
      } catch (error) {
        this.#logger.warn('purchase does not go on', { file: name, error: String(error) })
      }
    }
  }

  async #resume(note: Note): Promise<void> {
    const { purchase, startedAt, listing, title, session, ended } = note
    if (ended === true || session === undefined) return
    const record = await this.#node.sessions.get(session)
    const sink = record.sink === undefined ? undefined : await resumeFileSink(record.sink)
    const running = await this.#node.sessions.resume(session)
    const entry = this.#add({ purchase, keep: 'node', startedAt, listing, title }, running)
    entry.file = join(this.#folder, `${purchase}.jsonl`)
    void this.#keep(entry, sink ?? (await fileSink(entry.file, { append: true })), running)
  }

  #add(named: Omit<Bought, 'status'>, running: Purchase): Entry {
    const entry: Entry = { ...named, status: running.status, running, recent: [], viewers: new Set(), taken: false }
    this.#entries.set(named.purchase, entry)
    if (named.keep === 'caller') void this.#finish(entry, running)
    return entry
  }

  async #finish(entry: Entry, running: Purchase): Promise<void> {
    try {
      this.#end(entry, { outcome: await running.done })
    } catch (error) {
      this.#end(entry, { problem: problemOf(error) })
    }
  }

  #end(entry: Entry, how: { outcome: PurchaseOutcome } | { problem: Problem }): void {
    if (entry.running !== undefined) entry.status = entry.running.status
    entry.running = undefined
    Object.assign(entry, how)
    const ended = [...this.#entries.values()].filter(({ running }) => running === undefined)
    for (const { purchase } of ended.slice(0, Math.max(0, ended.length - MAX_LISTED))) this.#entries.delete(purchase)
    if (entry.keep === 'node' && 'outcome' in how) {
      void this.#note(entry).catch((error: unknown) =>
        this.#logger.warn('purchase is not noted', { error: `${error}` })
      )
    }
  }

  async #keep(entry: Entry, sink: DataSink, running: Purchase): Promise<void> {
    let noted = false
    const watched: DataSink = {
      ...sink,
      write: async (records, options) => {
        await sink.write(records, options)
        entry.recent = [...entry.recent, ...records].slice(-SHOWN_RECORDS)
        for (const onRecords of entry.viewers) onRecords(records)
        if (!noted && running.status.id !== undefined) {
          noted = true
          await this.#note(entry)
        }
      }
    }
    try {
      await pour(running, watched)
      await sink.close()
      // Over is what the file has, too.
      await this.#finish(entry, running)
    } catch (error) {
      running.stop()
      this.#end(entry, { problem: problemOf(error) })
      await sink.close().catch(() => {})
    }
  }

  async #note(entry: Entry): Promise<void> {
    const { purchase, startedAt, listing, title, outcome } = entry
    const session = outcome?.session ?? entry.running?.status.id ?? entry.status.id
    const note: Note = {
      purchase,
      startedAt,
      ...(listing === undefined ? {} : { listing }),
      ...(title === undefined ? {} : { title }),
      ...(session === undefined ? {} : { session }),
      ...(outcome === undefined ? {} : { ended: true })
    }
    await writeFileAtomic(join(this.#folder, `${purchase}.json`), `${JSON.stringify(note)}\n`)
  }

  #entry(purchase: string): Entry {
    const entry = this.#entries.get(purchase)
    if (entry === undefined)
      throw new DdmError('notFound', `there is no purchase ${purchase}; GET /v1/purchases lists them`)
    return entry
  }
}

function shown(entry: Entry): Bought {
  const { purchase, listing, title, keep, startedAt, running, status, outcome, problem } = entry
  return {
    purchase,
    ...(listing === undefined ? {} : { listing }),
    ...(title === undefined ? {} : { title }),
    keep,
    startedAt,
    status: running?.status ?? status,
    ...(outcome === undefined ? {} : { outcome }),
    ...(problem === undefined ? {} : { problem })
  }
}

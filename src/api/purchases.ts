import { randomUUID } from 'node:crypto'
import { type DataRecord, type DataSink, DdmError, type Listing, type Logger } from '../interface/index.ts'
import {
  type BuyOptions,
  type LocalNode,
  type LocalPurchase,
  NOT_YET,
  type Purchase,
  type PurchaseOutcome,
  type PurchaseStatus,
  pour
} from '../node/index.ts'
import { Entries } from './entries.ts'
import { errorOf, type Problem, problemOf } from './problem.ts'
import { keptOptions, type PurchaseNote, PurchaseNotes } from './purchase-notes.ts'
import { RecentRecords } from './recent-records.ts'

/** Whoever does not take the records of a purchase within this time is gone. */
const TAKEN_WITHIN_MS = 60_000

export interface Bought {
  readonly purchase: string
  readonly listing?: Listing['id'] | undefined
  readonly title?: string | undefined
  readonly keep: 'caller' | 'node'
  readonly startedAt: number
  readonly status: PurchaseStatus
  readonly outcome?: PurchaseOutcome
  readonly problem?: Problem
}

interface Entry {
  bought: Bought
  running: LocalPurchase | undefined
  /** For its caller, also when all has come before it is asked for: what was paid must not be lost to a slow caller. */
  records: LocalPurchase | undefined
  /** Settles when a purchase that the node keeps is in its file as far as it came. */
  kept: Promise<void>
  readonly viewers: Set<(records: DataRecord[]) => void>
  taken: boolean
}

type Target = { listing: Listing } | { session: string }

export interface PurchasesInit {
  node: Pick<LocalNode, 'home' | 'buy' | 'sessions'>
  logger: Logger
  /** @default 60000 */
  takenWithinMs?: number
}

/** Purchases asked for over the API: those whose records the caller takes, and those that the node keeps. */
export class Purchases {
  readonly #node: PurchasesInit['node']
  readonly #logger: Logger
  readonly #takenWithinMs: number
  readonly #notes: PurchaseNotes
  readonly #entries = new Entries<Entry>((purchase) => `there is no purchase ${purchase}; GET /v1/purchases lists them`)
  readonly #recent = new RecentRecords()
  #suspended = false

  constructor({ node, logger, takenWithinMs = TAKEN_WITHIN_MS }: PurchasesInit) {
    this.#node = node
    this.#logger = logger
    this.#takenWithinMs = takenWithinMs
    this.#notes = new PurchaseNotes(node.home, logger)
  }

  list(): Bought[] {
    return this.#entries.all().map(shown)
  }

  get(purchase: string): Bought {
    return shown(this.#entries.get(purchase))
  }

  /** File of the records of a purchase that the node keeps. */
  file(purchase: string): string {
    if (this.#entries.get(purchase).bought.keep === 'node') return this.#notes.file(purchase)
    throw new DdmError('usage', `purchase ${purchase} is kept by its caller, not by this node`)
  }

  async start(target: Target, keep: 'caller' | 'node', options: BuyOptions): Promise<Bought> {
    const named = 'listing' in target ? { listing: target.listing.id, title: target.listing.document.title } : {}
    const bought: Bought = { purchase: randomUUID(), ...named, keep, startedAt: Date.now(), status: NOT_YET }
    if (keep === 'node') return shown(await this.#startKept(bought, target, options))
    const running = await this.#begin(target, options)
    const entry = this.#add(bought, running)
    this.#endUnlessTaken(entry, running)
    running.done.then(
      (outcome) => this.#end(entry, { outcome }),
      (error: unknown) => this.#end(entry, { problem: problemOf(error) })
    )
    return shown(entry)
  }

  async #startKept(bought: Bought, target: Target, options: BuyOptions): Promise<Entry> {
    const { purchase } = bought
    const sink = await this.#notes.create(purchase)
    try {
      // Known before the first record: after a crash the file is cut back to where the session stands.
      const mark = await sink.mark?.()
      const note = { bought, ...('session' in target ? target : {}), options: keptOptions(options) }
      await this.#notes.write(note)
      const running = await this.#begin(target, { ...options, ...(mark === undefined ? {} : { mark }) })
      return this.#addKept(note, running, sink)
    } catch (error) {
      await sink.close()
      await this.#notes.remove(purchase)
      throw error
    }
  }

  async #begin(target: Target, options: BuyOptions): Promise<LocalPurchase> {
    const running =
      'session' in target
        ? await this.#node.sessions.resume(target.session, options)
        : this.#node.buy(target.listing, options)
    running.done.catch(() => {})
    return running
  }

  /** The purchase itself, for the one caller that takes its records. */
  take(purchase: string): Purchase {
    const entry = this.#entries.get(purchase)
    if (entry.bought.keep !== 'caller') {
      throw new DdmError('usage', `the records of purchase ${purchase} are kept by the node; look on with …/live`)
    }
    if (entry.taken) throw new DdmError('usage', `the records of purchase ${purchase} go to another connection`)
    const { problem } = entry.bought
    if (problem !== undefined) throw errorOf(problem, 'the purchase failed')
    if (entry.records === undefined) throw new DdmError('usage', `purchase ${purchase} has ended`)
    entry.taken = true
    return entry.records
  }

  async commit(purchase: string, mark?: string): Promise<void> {
    const { running, records } = this.#entries.get(purchase)
    await (running ?? records)?.commit(mark)
  }

  stop(purchase: string): void {
    this.#entries.get(purchase).running?.stop()
  }

  /** Forgets a purchase that has ended, and the file of its records; session and receipt stay in the ledger. */
  async remove(purchase: string): Promise<void> {
    const { running, bought } = this.#entries.get(purchase)
    if (running !== undefined) throw new DdmError('usage', `purchase ${purchase} is under way; stop it first`)
    if (bought.keep === 'node') await this.#notes.remove(purchase)
    this.#forget(purchase)
  }

  /** Calls back with what comes, after the newest that came before; returns the function that ends it. */
  view(purchase: string, onRecords: (records: DataRecord[]) => void): () => void {
    const { viewers } = this.#entries.get(purchase)
    const recent = this.#recent.of(purchase)
    if (recent.length > 0) onRecords(recent)
    viewers.add(onRecords)
    return () => viewers.delete(onRecords)
  }

  /** Goes on with what an earlier run of the node was keeping, and lists what ended there. */
  async reopen(): Promise<void> {
    for (const note of await this.#notes.all()) {
      const { problem, outcome } = note.bought
      // A seller that was away may be back.
      const ended = outcome !== undefined || (problem !== undefined && problem.code !== 'unreachable')
      if (ended) this.#add(note.bought, undefined)
      else await this.#resume(note)
    }
  }

  async #resume({ bought: { problem, ...bought }, ...how }: PurchaseNote): Promise<void> {
    const { purchase } = bought
    const { session = bought.status.id, options = {} } = how
    let sink: DataSink | undefined
    try {
      const record = session === undefined ? await this.#ordered(purchase) : await this.#node.sessions.get(session)
      const { id } = record
      sink = await this.#notes.open(purchase, record)
      const outcome = await this.#node.sessions.outcome(id)
      if (outcome === undefined) {
        this.#addKept({ ...how, bought }, await this.#begin({ session: id }, options), sink)
        return
      }
      // Its receipt came in the moment in which the node ended, or was fetched later: nobody has noted it yet.
      await sink.close()
      const ended = endedWith(outcome, bought, record.state)
      await this.#notes.write({ ...how, bought: ended })
      this.#add(ended, undefined)
    } catch (error) {
      await sink?.close()
      this.#logger.warn('purchase does not go on', { purchase, error: String(error) })
      this.#add({ ...bought, problem: problem ?? problemOf(error) }, undefined)
    }
  }

  /** The session of a purchase is the one that goes to its file. */
  async #ordered(purchase: string) {
    const sessions = await this.#node.sessions.list()
    const found = sessions.findLast(
      ({ role, sink }) => role === 'buyer' && sink !== undefined && this.#notes.isOf(purchase, sink)
    )
    if (found !== undefined) return found
    throw new DdmError('aborted', 'the node ended before anything was ordered; buy it again')
  }

  /** Nothing more is bought: what the node keeps stands in its file as its next run finds it. */
  async suspend(): Promise<void> {
    this.#suspended = true
    const entries = this.#entries.all().filter(({ bought }) => bought.keep === 'node')
    for (const { running } of entries) running?.suspend()
    await Promise.all(entries.map(({ kept }) => kept))
  }

  #add(bought: Bought, running: LocalPurchase | undefined): Entry {
    const records = bought.keep === 'caller' ? running : undefined
    const entry: Entry = { bought, running, records, kept: Promise.resolve(), viewers: new Set(), taken: false }
    this.#entries.set(bought.purchase, entry)
    return entry
  }

  #addKept(note: PurchaseNote, running: LocalPurchase, sink: DataSink): Entry {
    const entry = this.#add(note.bought, running)
    const { purchase } = note.bought
    entry.kept = this.#keep(entry, running, sink)
      .then((ended) => (ended ? this.#notes.write({ ...note, bought: entry.bought }) : undefined))
      .catch((error: unknown) => this.#logger.error('purchase is not noted', { purchase, error: String(error) }))
    return entry
  }

  #endUnlessTaken(entry: Entry, running: Purchase): void {
    const timer = setTimeout(() => {
      if (entry.taken) return
      entry.records = undefined
      running.stop()
    }, this.#takenWithinMs)
    timer.unref()
  }

  #end(entry: Entry, how: { outcome: PurchaseOutcome } | { problem: Problem }): void {
    entry.bought = { ...shown(entry), ...how }
    entry.running = undefined
    for (const purchase of this.#entries.tooMany(isOver)) this.#forget(purchase)
  }

  #forget(purchase: string): void {
    this.#entries.delete(purchase)
    this.#recent.forget(purchase)
  }

  /** Resolves with whether it has ended: another one goes on in a later run. */
  async #keep(entry: Entry, running: Purchase, sink: DataSink): Promise<boolean> {
    const { purchase } = entry.bought
    const watched: DataSink = {
      ...sink,
      write: async (records, options) => {
        await sink.write(records, options)
        this.#recent.add(purchase, records)
        for (const onRecords of entry.viewers) onRecords(records)
      }
    }
    try {
      await pour(running, watched)
      // Over is what the file has, too.
      await sink.close()
      this.#end(entry, { outcome: await running.done })
    } catch (error) {
      running.stop()
      await sink.close().catch(() => {})
      if (this.#suspended) return false
      this.#end(entry, { problem: problemOf(error) })
    }
    return true
  }
}

/** One that the node keeps stays until it is removed, one that its caller has yet to take until it is too late for that. */
function isOver({ running, records, taken, bought }: Entry): boolean {
  return running === undefined && bought.keep === 'caller' && (taken || records === undefined)
}

function endedWith(outcome: PurchaseOutcome, bought: Bought, phase: string): Bought {
  const { session: id, rail, records, due, paid, credited } = outcome
  const counts = { received: records, handled: records, due, paid, signed: paid, credited }
  return { ...bought, status: { ...bought.status, id, phase, rail, ...counts }, outcome }
}

function shown({ bought, running }: Entry): Bought {
  return running === undefined ? bought : { ...bought, status: running.status }
}

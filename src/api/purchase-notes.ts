import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Value } from 'typebox/value'
import type { DataSink, Logger, SessionRecord } from '../interface/index.ts'
import { type BuyOptions, fileSink, type ResumeOptions, resumeFileSink, writeFileAtomic } from '../node/index.ts'
import type { Bought } from './purchases.ts'
import { PurchaseSchema } from './schemas/purchase.ts'

/** What is written of a purchase that the node keeps: a later run goes on with it, or says how it ended. */
export interface PurchaseNote {
  bought: Bought
  /** The one that it was asked to go on with. */
  session?: string
  /** How it was asked for: a later run goes on in the same way. */
  options?: KeptOptions
}

const KEPT = ['resumeFor', 'answering', 'checkSchema', 'onInvalid', 'refund'] as const

type KeptOptions = Pick<ResumeOptions, (typeof KEPT)[number]>

/** What the order does not say. */
export function keptOptions(options: BuyOptions): KeptOptions {
  return Object.fromEntries(KEPT.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))
}

/** The folder of the purchases that the node keeps: of each a note, and the file of its records. */
export class PurchaseNotes {
  readonly #folder: string
  readonly #logger: Logger

  constructor(home: string, logger: Logger) {
    this.#folder = resolve(home, 'purchases')
    this.#logger = logger
  }

  /** Where the records go. */
  file(purchase: string): string {
    return join(this.#folder, `${purchase}.jsonl`)
  }

  /** Opened before anything is paid: a file that cannot be written is known by then. */
  async create(purchase: string): Promise<DataSink> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    return fileSink(this.file(purchase))
  }

  /** The file as the session left it; from its end on where the session has nothing in it yet. */
  open(purchase: string, { sink }: SessionRecord): Promise<DataSink> {
    if (sink !== undefined && this.isOf(purchase, sink)) return resumeFileSink(sink)
    return fileSink(this.file(purchase), { append: true })
  }

  /** Whether a session's mark is one of this purchase. */
  isOf(purchase: string, mark: string): boolean {
    try {
      return (JSON.parse(mark) as { file?: unknown } | null)?.file === this.file(purchase)
    } catch {
      // Another sink's own words.
      return false
    }
  }

  async write({ bought, ...rest }: PurchaseNote): Promise<void> {
    const note = { ...rest, bought: Value.Encode(PurchaseSchema, bought) }
    await writeFileAtomic(this.#note(bought.purchase), `${JSON.stringify(note)}\n`)
  }

  /** Oldest first; one that cannot be read is logged and left where it is. */
  async all(): Promise<PurchaseNote[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const notes: PurchaseNote[] = []
    for (const name of names.filter((file) => file.endsWith('.json'))) {
      try {
        const note = JSON.parse(await readFile(join(this.#folder, name), 'utf8')) as PurchaseNote
        notes.push({ ...note, bought: Value.Decode(PurchaseSchema, note.bought) as Bought })
      } catch (error) {
        this.#logger.warn('purchase cannot be read', { file: name, error: String(error) })
      }
    }
    return notes.sort((a, b) => a.bought.startedAt - b.bought.startedAt)
  }

  /** The records, too. */
  async remove(purchase: string): Promise<void> {
    await rm(this.#note(purchase), { force: true })
    await rm(this.file(purchase), { force: true })
  }

  #note(purchase: string): string {
    return join(this.#folder, `${purchase}.json`)
  }
}

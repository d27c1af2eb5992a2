import { type DataSource, DdmError, type SourceReadOptions, type SourceRecord } from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'

/** Records that the fastest branch may be ahead of the slowest. */
const MAX_AHEAD = 256
/** Positions remembered until every branch has made them durable; an older one is told by the next that is known. */
const MAX_POSITIONS = 65_536

/**
 * One source read once for several products. It is opened when all branches have asked for its records, and read as fast
 * as the slowest takes them; a branch that stops no longer counts. Branches that go on from different positions are read
 * for separately: what one has, the other may lack. A position is durable when it is so in every branch.
 *
 * @example
 * ```ts
 * const [fine, coarse] = teeSource(telemetry({ periodMs: 100 }), 2)
 * ```
 */
export function teeSource(source: DataSource, branches: number): DataSource[] {
  const tee = new Tee(source, branches)
  return Array.from({ length: branches }, () => tee.branch())
}

class Tee {
  readonly #source: DataSource
  readonly #asked: Branch[] = []
  #missing: number

  constructor(source: DataSource, branches: number) {
    this.#source = source
    this.#missing = branches
  }

  branch(): DataSource {
    const { name, finite, durable } = this.#source
    let mine: Branch | undefined
    return {
      name,
      finite,
      records: (options) => {
        if (mine !== undefined) throw new DdmError('internal', `a branch of ${name} is read once`)
        mine = new Branch(options?.from)
        this.#join(mine)
        return mine.records(options)
      },
      ...(durable === undefined ? {} : { durable: (position: string) => mine?.durable(position) })
    }
  }

  #join(branch: Branch): void {
    this.#asked.push(branch)
    if (--this.#missing > 0) return
    const together = Map.groupBy(this.#asked, ({ from }) => from)
    for (const [from, branches] of together) void read(this.#source, from, branches)
  }
}

/** Ends with its branches: an error of the source is an error of each. */
async function read(source: DataSource, from: string | undefined, branches: readonly Branch[]): Promise<void> {
  const stop = new AbortController()
  const open = (): Branch[] => branches.filter(({ left }) => !left)
  const onLeave = (): void => {
    if (open().length === 0) stop.abort(new DdmError('aborted', `nobody reads ${source.name} any more`))
  }
  const positions = new Positions(branches.length, (position) => source.durable?.(position))
  for (const [index, branch] of branches.entries()) {
    branch.onLeave = onLeave
    branch.onDurable = (position) => positions.durable(index, position)
  }
  onLeave()
  try {
    const options: SourceReadOptions = { signal: stop.signal, ...(from === undefined ? {} : { from }) }
    for await (const record of source.records(options)) {
      // One that left while others go on waits for nothing; all that leave at once keep what none has stored unacknowledged.
      for (const [index, { left }] of branches.entries()) if (left) positions.forget(index)
      positions.add(record.position)
      for (const branch of open()) branch.push(record)
      for (const branch of open()) await branch.room()
      if (stop.signal.aborted) break
    }
    for (const branch of branches) branch.end()
  } catch (error) {
    for (const branch of branches) branch.end(error)
  }
}

/** What one product has still to take. */
class Branch {
  readonly from: string | undefined
  readonly #waiting: SourceRecord[] = []
  #ended: { error?: unknown } | undefined
  #changed = Promise.withResolvers<void>()
  left = false
  onLeave: () => void = () => {}
  onDurable: (position: string) => void = () => {}

  constructor(from: string | undefined) {
    this.from = from
  }

  durable(position: string): void {
    this.onDurable(position)
  }

  push(record: SourceRecord): void {
    this.#waiting.push(record)
    this.#change()
  }

  end(error?: unknown): void {
    this.#ended ??= error === undefined ? {} : { error }
    this.#change()
  }

  async room(): Promise<void> {
    while (this.#waiting.length >= MAX_AHEAD && !this.left) await this.#changed.promise
  }

  async *records({ signal }: SourceReadOptions = {}): AsyncGenerator<SourceRecord> {
    const onAbort = (): void => this.#change()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        if (signal?.aborted === true) throw abortedBy(signal)
        const record = this.#waiting.shift()
        if (record !== undefined) {
          this.#change()
          yield record
        } else if (this.#ended === undefined) await this.#changed.promise
        else if ('error' in this.#ended) throw this.#ended.error
        else return
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.left = true
      this.#change()
      this.onLeave()
    }
  }

  #change(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

/** Which positions every branch has made durable. */
class Positions {
  readonly #tell: (position: string) => void
  readonly #numbers = new Map<string, number>()
  readonly #reached: number[]
  #next = 0
  #told = -1

  constructor(branches: number, tell: (position: string) => void) {
    this.#tell = tell
    this.#reached = new Array<number>(branches).fill(-1)
  }

  add(position: string | undefined): void {
    if (position === undefined) return
    this.#numbers.set(position, this.#next++)
    if (this.#numbers.size <= MAX_POSITIONS) return
    const [oldest] = this.#numbers.keys()
    if (oldest !== undefined) this.#numbers.delete(oldest)
  }

  forget(branch: number): void {
    this.#reached[branch] = Number.POSITIVE_INFINITY
  }

  durable(branch: number, position: string): void {
    const number = this.#numbers.get(position)
    if (number === undefined) return
    this.#reached[branch] = number
    const all = Math.min(...this.#reached)
    if (all <= this.#told) return
    let last: string | undefined
    for (const [known, at] of this.#numbers) {
      if (at > all) break
      last = known
      this.#numbers.delete(known)
    }
    this.#told = all
    if (last !== undefined) this.#tell(last)
  }
}

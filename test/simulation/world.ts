import { createHash, type Hash } from 'node:crypto'
import type { Clock } from '../../src/protocols/sdpp/index.ts'
import type { Fault } from './faults.ts'
import { Random } from './random.ts'

interface Event {
  at: number
  sequence: number
  run: () => void
}

/** Wall time at the start of every run. */
export const EPOCH_MS = Date.UTC(2026, 0, 1)

const STEPS_PER_TURN = 64

/** Thrown by an oracle: the promise of the protocol does not hold. */
export class Violation extends Error {}

/**
 * Virtual time and everything that happens in it: one event after the other, each with all that the production code does
 * about it before the next. Nothing else in a run has a clock or chance.
 */
export class World {
  readonly random: Random
  readonly faults: Partial<Record<Fault, number>> = {}
  readonly #trace: Hash = createHash('sha256')
  readonly #events: Event[] = []
  now = 0
  steps = 0
  #sequence = 0
  violation: Violation | undefined
  /** The cheat of the run has told its first lie. */
  hasCheated = false
  /** Whose turn it is. */
  current: Process | undefined
  /** Called after every step. */
  check: () => void = () => {}

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  /** Calls back after so many virtual ms; returns the function that cancels it. */
  after(milliseconds: number, run: () => void): () => void {
    const event = { at: this.now + Math.max(0, Math.ceil(milliseconds)), sequence: this.#sequence++, run }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#events[middle] as Event
      if (other.at < event.at || (other.at === event.at && other.sequence < event.sequence)) high = middle
      else low = middle + 1
    }
    this.#events.splice(low, 0, event)
    return () => {
      const index = this.#events.indexOf(event)
      if (index >= 0) this.#events.splice(index, 1)
    }
  }

  fault(kind: Fault): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1
    this.note(`fault ${kind}`)
  }

  cheated(): void {
    this.hasCheated = true
  }

  /** Becomes part of the run's hash: two runs of a seed that differ anywhere differ here. */
  note(text: string): void {
    if (process.env.SIM_NOTES !== undefined) process.stderr.write(`${this.now} ${text}\n`)
    this.#trace.update(`${this.now} ${text}\n`)
  }

  get trace(): string {
    return this.#trace.copy().digest('hex')
  }

  /** The first one counts; thrown inside production code it would be taken for an error of the other side. */
  violated(what: string): void {
    this.violation ??= new Violation(`at ${this.now} ms, step ${this.steps}: ${what}`)
  }

  /** Runs until nothing is left to happen, the time is over, or `done` says so. */
  run(until: number, done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      let over = false
      let stepped = false
      const step = (): void => {
        if (over) return
        if (stepped) this.check()
        const event = this.violation === undefined && !done() ? this.#events.at(-1) : undefined
        if (event === undefined || event.at > until) {
          over = true
          resolve()
          return
        }
        this.#events.pop()
        this.now = event.at
        this.steps++
        stepped = true
        event.run()
      }
      // All promises that can settle do between two immediates; a turn of the event loop for each would cost more than the step.
      const many = (): void => {
        for (let index = 0; index < STEPS_PER_TURN; index++) setImmediate(step)
        setImmediate(() => {
          if (!over) many()
        })
      }
      many()
    })
  }
}

/** All promises that can settle have settled. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** What lives and dies together: nothing of a process that was killed has any effect. */
export class Process {
  readonly name: string
  readonly world: World
  alive = true
  readonly #dying = new Set<() => void>()

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
  }

  readonly clock: Clock = {
    now: () => this.world.now,
    after: (milliseconds, callback) =>
      this.world.after(milliseconds, () => {
        this.world.current = this
        if (this.alive) callback()
      }),
    wallTime: () => EPOCH_MS + this.world.now
  }

  readonly bytes = (length: number): Buffer => Buffer.from(this.world.random.bytes(length))

  onKill(dying: () => void): void {
    this.#dying.add(dying)
  }

  kill(): void {
    if (!this.alive) return
    this.alive = false
    this.world.note(`${this.name} is killed`)
    for (const dying of this.#dying) dying()
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(milliseconds, resolve))
  }
}

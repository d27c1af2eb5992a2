import { randomUUID } from 'node:crypto'
import { DdmError } from '../interface/index.ts'
import type { DdmNode, FollowEvent, Following, FollowOptions, FollowOutcome } from '../node/index.ts'
import { type Problem, problemOf } from './problem.ts'

/** Those that are still listed when they have ended, or were never taken; their sessions stay in the ledger. */
const MAX_LISTED = 200

/** A product that is bought from several sellers, as the API shows it. */
export interface Followed {
  readonly following: string
  readonly startedAt: number
  status: Following['status']
  outcome?: FollowOutcome
  problem?: Problem
}

interface Entry extends Omit<Followed, 'status'> {
  readonly running: Following
  tell: ((event: FollowEvent) => void) | undefined
  taken: boolean
}

/** Products followed for callers of the API: each takes its records over one connection. */
export class Followings {
  readonly #node: Pick<DdmNode, 'follow'>
  readonly #entries = new Map<string, Entry>()

  constructor(node: Pick<DdmNode, 'follow'>) {
    this.#node = node
  }

  list(): Followed[] {
    return [...this.#entries.values()].map(shown)
  }

  get(following: string): Followed {
    return shown(this.#entry(following))
  }

  /** Nothing is bought before the records are taken. */
  start(listings: readonly string[], options: FollowOptions): Followed {
    const following = randomUUID()
    const onEvent = (event: FollowEvent): void => entry.tell?.(event)
    const running = this.#node.follow(listings, { ...options, onEvent })
    const entry: Entry = { following, startedAt: Date.now(), running, tell: undefined, taken: false }
    this.#entries.set(following, entry)
    this.#forgetOldest()
    running.done.then(
      (outcome) => {
        entry.outcome = outcome
      },
      (error: unknown) => {
        entry.problem = problemOf(error)
      }
    )
    return shown(entry)
  }

  /** For the one caller that takes its records. */
  take(following: string, onEvent: (event: FollowEvent) => void): Following {
    const entry = this.#entry(following)
    if (entry.taken) throw new DdmError('usage', `the records of ${following} go to another connection`)
    entry.taken = true
    entry.tell = onEvent
    return entry.running
  }

  stop(following: string): void {
    this.#entry(following).running.stop()
  }

  #forgetOldest(): void {
    const idle = [...this.#entries.values()].filter(
      ({ taken, outcome, problem }) => !taken || outcome !== undefined || problem !== undefined
    )
    for (const { following } of idle.slice(0, Math.max(0, idle.length - MAX_LISTED))) this.#entries.delete(following)
  }

  #entry(following: string): Entry {
    const entry = this.#entries.get(following)
    if (entry !== undefined) return entry
    throw new DdmError('notFound', `no product is followed as ${following}; GET /v1/followings lists them`)
  }
}

function shown({ following, startedAt, running, outcome, problem }: Entry): Followed {
  return {
    following,
    startedAt,
    status: running.status,
    ...(outcome === undefined ? {} : { outcome }),
    ...(problem === undefined ? {} : { problem })
  }
}

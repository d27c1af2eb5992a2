import { randomUUID } from 'node:crypto'
import { DdmError } from '../interface/index.ts'
import type { DdmNode, FollowEvent, Following, FollowOptions, FollowOutcome } from '../node/index.ts'
import { Entries } from './entries.ts'
import { type Problem, problemOf } from './problem.ts'

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
  readonly #entries = new Entries<Entry>(
    (following) => `no product is followed as ${following}; GET /v1/followings lists them`
  )

  constructor(node: Pick<DdmNode, 'follow'>) {
    this.#node = node
  }

  list(): Followed[] {
    return this.#entries.all().map(shown)
  }

  get(following: string): Followed {
    return shown(this.#entries.get(following))
  }

  /** Nothing is bought before the records are taken. */
  start(listings: readonly string[], options: FollowOptions): Followed {
    const following = randomUUID()
    const onEvent = (event: FollowEvent): void => entry.tell?.(event)
    const running = this.#node.follow(listings, { ...options, onEvent })
    const entry: Entry = { following, startedAt: Date.now(), running, tell: undefined, taken: false }
    this.#entries.set(following, entry)
    for (const name of this.#entries.tooMany(isOver)) this.#entries.delete(name)
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
    const entry = this.#entries.get(following)
    if (entry.taken) throw new DdmError('usage', `the records of ${following} go to another connection`)
    entry.taken = true
    entry.tell = onEvent
    return entry.running
  }

  stop(following: string): void {
    this.#entries.get(following).running.stop()
  }
}

/** One that was never taken may as well be. */
function isOver({ taken, outcome, problem }: Entry): boolean {
  return !taken || outcome !== undefined || problem !== undefined
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

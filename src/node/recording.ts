import { setTimeout as sleep } from 'node:timers/promises'
import { createRecorder, eventMedium, memoMedium, NO_MEDIUM, planRecords, type Recorder } from '../evidence/index.ts'
import {
  DdmError,
  type EventLedger,
  type Logger,
  type MemoLedger,
  RECORDED_KINDS,
  type RecordPolicy,
  type RecordStore,
  type RecordsMedium,
  type SessionRecord,
  type SessionStore,
  type SignedStatement
} from '../interface/index.ts'
import { sha256 } from '../statements/index.ts'
import type { NodeConfig } from './config.ts'

export interface RecordingInit {
  config: Pick<NodeConfig, 'records' | 'recordsMedium'>
  store: RecordStore
  /** undefined where the network has none. */
  memos: MemoLedger | undefined
  events: EventLedger | undefined
  logger: Logger
}

/** Sessions that were touched longer ago were noted by an earlier run. */
const LOOK_BACK_MS = 2 * 86_400_000

/** A command that ends right after a purchase waits so long for what it signed to be recorded. */
const STOP_TIMEOUT_MS = 5_000
const POLL_MS = 50

const ENDED: readonly string[] = ['closed', 'receipted', 'refused', 'disputed', 'abandoned']

/** Has the digests of what is signed recorded on a ledger, as the settings say. */
export class Recording {
  readonly #recorder: Recorder
  readonly #medium: RecordsMedium
  readonly #policy: RecordPolicy
  readonly #store: RecordStore
  readonly #noting = new Set<Promise<void>>()
  #running = false
  readonly #logger: Logger

  constructor({ config, store, memos, events, logger }: RecordingInit) {
    this.#medium = mediumOf(config.recordsMedium, store, memos, events)
    this.#recorder = createRecorder({ policy: config.records }, { medium: this.#medium, store, logger })
    this.#policy = config.records
    this.#store = store
    this.#logger = logger
  }

  /** The store, with each statement that goes into it noted. */
  watch(sessions: SessionStore): SessionStore {
    if (this.#medium.name === 'none') return sessions
    return {
      ...sessions,
      put: async (session, commit, options) => {
        await sessions.put(session, commit, options)
        this.#note(session.id, session.state, commit?.statements ?? [])
      },
      keep: async (id, role, statements, options) => {
        await sessions.keep(id, role, statements, options)
        this.#note(id, undefined, statements)
      }
    }
  }

  /** What an earlier run signed and did not note any more is noted first. */
  async start(sessions: SessionStore): Promise<void> {
    if (this.#medium.name === 'none') return
    const since = Date.now() - LOOK_BACK_MS
    for (const session of await sessions.list()) {
      if (session.updatedAt < since) continue
      this.#note(session.id, session.state, await sessions.statements(session.id, session.role))
    }
    this.#recorder.start()
    this.#running = true
  }

  /** What is due is recorded first, if the ledger answers soon; the rest at the next start. */
  async stop(): Promise<void> {
    const until = performance.now() + STOP_TIMEOUT_MS
    while (this.#running && performance.now() < until) {
      await Promise.all(this.#noting)
      const { now } = planRecords(this.#policy, await this.#store.pending(), Date.now())
      if (now.length === 0) break
      await sleep(POLL_MS)
    }
    this.#running = false
    await this.#recorder.stop()
  }

  #note(session: string, state: SessionRecord['state'] | undefined, signed: readonly SignedStatement[]): void {
    const statements = signed.flatMap(({ kind, payload }) => {
      const recorded = RECORDED_KINDS.find((one) => one === kind)
      return recorded === undefined ? [] : { kind: recorded, digest: sha256(payload) }
    })
    const ended = state !== undefined && ENDED.includes(state)
    const noting = this.#recorder.note({ session, statements, ended }).catch((error: unknown) => {
      this.#logger.error('digests were not noted', { session, error: String(error) })
    })
    this.#noting.add(noting)
    void noting.then(() => this.#noting.delete(noting))
  }
}

function mediumOf(
  name: NodeConfig['recordsMedium'],
  store: RecordStore,
  memos: MemoLedger | undefined,
  events: EventLedger | undefined
): RecordsMedium {
  if (name === 'none') return NO_MEDIUM
  if (name === 'iota' && memos !== undefined) return memoMedium({ ledger: memos, store })
  if (name === 'evm' && events !== undefined) return eventMedium({ ledger: events, store })
  throw new DdmError(
    'config',
    `recordsMedium is ${name}, and the network profile names ${name === 'iota' ? 'no IOTA network' : 'no contract for records'}`
  )
}

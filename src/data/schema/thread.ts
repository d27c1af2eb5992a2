import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type BadRecord, DdmError } from '../../interface/index.ts'
import type { RecordRules, SchemaAnswer, SchemaRequest } from './protocol.ts'

/** Loading the validator takes 0.2 s; a machine that needs this long has other troubles. */
const START_TIMEOUT_MS = 30_000
/** However busy the machine is: longest wait for one answer. */
const LONGEST_WAIT_MS = 30_000
const LOOK_EVERY_MS = 100
/** More than any honest batch needs; a schema that wants more ends its thread, not the process. */
const LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 }

/** What was wrong with a request; `fatal` when the thread had to be ended for it. */
export class ThreadFailure extends Error {
  readonly fatal: boolean

  constructor(reason: string, fatal: boolean) {
    super(reason)
    this.fatal = fatal
  }
}

export interface Client {
  readonly id: number
  readonly rules: RecordRules
  readonly timeoutMs: number
}

/**
 * One thread for all validators of a process. Requests go to it one at a time, so that it is known which one hangs; a
 * thread that was ended is replaced, and the schemas of the others are compiled again when they are needed.
 */
export class SchemaThread {
  #worker: Running | undefined
  #last: Promise<unknown> = Promise.resolve()
  #clients = 0
  #ids = 0

  /** Compiles; resolves with the client's ID. */
  async open(rules: RecordRules, timeoutMs: number): Promise<Client> {
    const client: Client = { id: ++this.#ids, rules, timeoutMs }
    this.#clients++
    try {
      await this.#inTurn(() => this.#opened(client))
    } catch (error) {
      await this.close(client)
      throw error
    }
    return client
  }

  check(
    client: Client,
    { count, bytes, each }: Pick<Extract<SchemaRequest, { type: 'check' }>, 'count' | 'bytes' | 'each'>,
    signal?: AbortSignal
  ): Promise<BadRecord[]> {
    return this.#inTurn(async () => {
      signal?.throwIfAborted()
      const worker = await this.#opened(client)
      return worker.ask({ type: 'check', id: client.id, count, bytes, each }, client.timeoutMs)
    })
  }

  /** The thread ends with its last client. */
  async close(client: Client): Promise<void> {
    this.#clients--
    await this.#inTurn(async () => {
      const worker = this.#worker
      if (this.#clients === 0) {
        this.#worker = undefined
        await worker?.end()
      } else if (worker?.alive === true && worker.opened.delete(client.id)) {
        await worker.ask({ type: 'close', id: client.id }, client.timeoutMs)
      }
    })
  }

  async #opened(client: Client): Promise<Running> {
    if (this.#worker?.alive !== true) this.#worker = await start()
    const worker = this.#worker
    if (!worker.opened.has(client.id)) {
      await worker.ask({ type: 'open', id: client.id, rules: client.rules }, client.timeoutMs)
      worker.opened.add(client.id)
    }
    return worker
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(act)
    this.#last = turn.catch(() => {})
    return turn
  }
}

async function start(): Promise<Running> {
  const running = new Running()
  await running.ready
  return running
}

/** A thread that runs, and the one request that it has. */
class Running {
  readonly opened = new Set<number>()
  readonly ready: Promise<void>
  readonly #worker: Worker
  #waiting: PromiseWithResolvers<SchemaAnswer> | undefined
  #alive = true

  constructor() {
    const file = import.meta.url.endsWith('.ts') ? './schema-worker.ts' : './schema-worker.js'
    // No environment: what runs here was written by strangers.
    this.#worker = new Worker(new URL(file, import.meta.url), { name: 'schemas', env: {}, resourceLimits: LIMITS })
    this.#worker.on('message', (answer: SchemaAnswer) => this.#waiting?.resolve(answer))
    this.#worker.on('error', (error) => this.#lost(error.message))
    this.#worker.on('exit', () => this.#lost('it ended'))
    // A request keeps the process alive by its timer; an idle thread does not.
    this.#worker.unref()
    this.ready = this.#answer(START_TIMEOUT_MS).then(
      () => {},
      (error: unknown) => {
        throw new DdmError('internal', `the thread that checks records did not start: ${(error as Error).message}`)
      }
    )
  }

  get alive(): boolean {
    return this.#alive
  }

  async ask(request: SchemaRequest, timeoutMs: number): Promise<BadRecord[]> {
    try {
      this.#worker.postMessage(request, request.type === 'check' ? [request.bytes.buffer as ArrayBuffer] : [])
    } catch (error) {
      throw new ThreadFailure((error as Error).message, false)
    }
    const given = await this.#answer(timeoutMs)
    if (given.type === 'refused') throw new ThreadFailure(given.reason, false)
    return given.type === 'done' ? given.bad : []
  }

  async end(): Promise<void> {
    this.#alive = false
    await this.#worker.terminate()
  }

  async #answer(timeoutMs: number): Promise<SchemaAnswer> {
    const waiting = Promise.withResolvers<SchemaAnswer>()
    this.#waiting = waiting
    const abort = new AbortController()
    void this.#watch(timeoutMs, abort.signal).then(() => {
      if (abort.signal.aborted) return
      this.#lost(`it took longer than ${timeoutMs} ms`)
      void this.end()
    })
    try {
      return await waiting.promise
    } finally {
      abort.abort()
    }
  }

  /**
   * Resolves when the time is over: from `timeoutMs` on, what the thread computes counts, not how long it waits for its
   * turn, so that a busy machine does not condemn an honest schema.
   */
  async #watch(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const until = performance.now() + Math.max(timeoutMs, LONGEST_WAIT_MS)
    const wait = (milliseconds: number): Promise<void> => sleep(milliseconds, undefined, { signal }).catch(() => {})
    await wait(timeoutMs)
    let used: number | undefined
    let since: number | undefined
    const look = (): void => {
      this.#worker.cpuUsage().then(
        ({ user, system }) => {
          used = (user + system) / 1000
          since ??= used
        },
        // It has ended.
        () => {}
      )
    }
    while (!signal.aborted && performance.now() < until) {
      look()
      await wait(Math.min(timeoutMs, LOOK_EVERY_MS))
      if (used !== undefined && since !== undefined && used - since >= timeoutMs) return
    }
  }

  #lost(reason: string): void {
    this.#alive = false
    this.#waiting?.reject(new ThreadFailure(reason, true))
  }
}

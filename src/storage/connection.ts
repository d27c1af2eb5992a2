import { basename } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type AbortOptions, DdmError, type Logger, type SqlValue } from '../interface/index.ts'
import { toError } from './failure.ts'
import type { DatabaseInit, Failure, FromWorker, Request, Row, Step, ToWorker } from './protocol.ts'

export interface ConnectionInit extends DatabaseInit {
  logger?: Logger | undefined
}

/** A database that lives in its own thread. */
export interface Connection {
  /** All steps or none, durable when it resolves. Rows of the last step that returns any. */
  write: (steps: Step[], options?: AbortOptions) => Promise<Row[]>
  /** Sees every write that was queued before it. */
  read: (sql: string, params: SqlValue[], options?: AbortOptions) => Promise<Row[]>
  close: () => Promise<void>
}

interface Pending {
  resolve: (rows: Row[]) => void
  reject: (error: DdmError) => void
}

const NO_ROWS: Row[] = []

/** Starts the worker; resolves when the file is open and migrated. */
export async function connect(init: ConnectionInit): Promise<Connection> {
  const connection = new WorkerConnection(init)
  await connection.ready
  return connection
}

class WorkerConnection implements Connection {
  readonly ready: Promise<void>
  private readonly name: string
  private readonly worker: Worker
  private readonly logger: Logger | undefined
  private readonly opened = Promise.withResolvers<void>()
  private readonly exited = Promise.withResolvers<void>()
  private queue: Request[] = []
  /** Unanswered, oldest first; `answered` of them are done and dropped now and then. */
  private pending: Pending[] = []
  private answered = 0
  private scheduled = false
  private closing: Promise<void> | undefined
  /** Why nothing more can be asked. */
  private ended: DdmError | undefined

  constructor({ logger, ...init }: ConnectionInit) {
    this.name = basename(init.path)
    this.logger = logger
    this.ready = this.opened.promise
    const file = import.meta.url.endsWith('.ts') ? './database-worker.ts' : './database-worker.js'
    this.worker = new Worker(new URL(file, import.meta.url), { workerData: init, name: this.name })
    this.worker.on('message', (message: FromWorker) => this.receive(message))
    this.worker.on('error', (cause) => this.end(this.stopped(cause)))
    this.worker.on('exit', () => {
      this.end(this.stopped())
      this.exited.resolve()
    })
  }

  write(steps: Step[], options?: AbortOptions): Promise<Row[]> {
    for (const [, params] of steps) if (params !== undefined) detach(params)
    return this.request({ write: true, steps }, options)
  }

  read(sql: string, params: SqlValue[], options?: AbortOptions): Promise<Row[]> {
    return this.request({ write: false, steps: [[sql, params]] }, options)
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private async shutDown(): Promise<void> {
    this.flush()
    if (this.ended === undefined) this.send({ close: true })
    await this.exited.promise
  }

  private request(request: Request, options: AbortOptions | undefined): Promise<Row[]> {
    const signal = options?.signal
    if (signal?.aborted === true) return Promise.reject(aborted(signal))
    if (this.ended !== undefined) return Promise.reject(this.ended)
    if (this.closing !== undefined) return Promise.reject(new DdmError('internal', `${this.name} is closed`))
    const answer = new Promise<Row[]>((resolve, reject) => {
      this.pending.push({ resolve, reject })
    })
    this.queue.push(request)
    if (!this.scheduled) {
      this.scheduled = true
      queueMicrotask(() => this.flush())
    }
    return signal === undefined ? answer : orAborted(answer, signal)
  }

  private flush(): void {
    this.scheduled = false
    if (this.queue.length === 0 || this.ended !== undefined) return
    const requests = this.queue
    this.queue = []
    this.send({ requests })
  }

  private send(message: ToWorker): void {
    this.worker.postMessage(message)
  }

  private receive(message: FromWorker): void {
    if ('results' in message) {
      for (const result of message.results) {
        const waiting = this.pending[this.answered++]
        if (result === undefined) waiting?.resolve(NO_ROWS)
        else if ('rows' in result) waiting?.resolve(result.rows)
        else waiting?.reject(this.refused(result.failure))
      }
      if (this.answered === this.pending.length) this.pending = []
      else if (this.answered < 4096) return
      else this.pending = this.pending.slice(this.answered)
      this.answered = 0
    } else if ('failure' in message) {
      this.end(toError(message.failure))
    } else if ('ready' in message) {
      this.opened.resolve()
    } else {
      this.end(new DdmError('internal', `${this.name} is closed`))
    }
  }

  private refused(failure: Failure): DdmError {
    // May quote a stranger's search words, so not above debug.
    this.logger?.debug('storage request failed', { database: this.name, error: failure.message })
    return toError(failure)
  }

  private stopped(cause?: unknown): DdmError {
    return new DdmError('internal', `the storage thread of ${this.name} stopped unexpectedly`, { cause })
  }

  /** First reason wins; everything unanswered fails with it. */
  private end(reason: DdmError): void {
    if (this.ended !== undefined) return
    this.ended = reason
    if (this.closing === undefined) {
      this.logger?.error('storage ended', { database: this.name, error: reason.message })
    }
    this.opened.reject(reason)
    for (const waiting of this.pending.slice(this.answered)) waiting.reject(reason)
    this.pending = []
    this.answered = 0
    this.queue = []
  }
}

/** A message copies the whole buffer behind a view: a 32-byte root cut from a 64 KiB frame must not carry the frame along. */
function detach(params: SqlValue[]): void {
  for (const [index, value] of params.entries()) {
    if (value instanceof Uint8Array && value.byteLength !== value.buffer.byteLength) {
      params[index] = new Uint8Array(value)
    }
  }
}

function aborted(signal: AbortSignal): DdmError {
  return new DdmError('aborted', 'the wait for storage was aborted', { cause: signal.reason })
}

/** The write itself is not undone: only the wait for it ends. */
function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(aborted(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    void answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

import type { ErrorCode, SqlValue } from '../interface/index.ts'

/** One SQL statement with its parameters; without parameters the text may hold several statements. */
export type Step = [sql: string, params?: SqlValue[]]

export type Row = Record<string, SqlValue>

/** All steps happen or none of them; the result is the rows of the last step that returns any. */
export interface Request {
  write: boolean
  steps: Step[]
}

/** Main thread to worker. The worker answers requests in the order in which they were sent. */
export type ToWorker = { requests: Request[] } | { close: true }

/** An error that can cross the thread boundary. */
export interface Failure {
  code: ErrorCode
  message: string
  /** SQLite's result code, when the database said no. */
  sqlite?: number
}

export type Result = undefined | { rows: Row[] } | { failure: Failure }

/** Worker to main thread: `results` answer the oldest unanswered requests. */
export type FromWorker = { ready: true } | { results: Result[] } | { failure: Failure } | { closed: true }

/** What the worker opens; given as `workerData`. */
export interface DatabaseInit {
  path: string
  /** FULL survives power loss with every acknowledged write; NORMAL may lose the last ones. */
  synchronous: 'FULL' | 'NORMAL'
  /** SQL of each schema version in order. Never edit one that was released; append. */
  migrations: readonly string[]
  /** Only reads; the file must exist and be at the current schema version. */
  readOnly?: boolean
  /** Upper limit of the file in pages: writes beyond fail as on a full disk. */
  maxPages?: number
}

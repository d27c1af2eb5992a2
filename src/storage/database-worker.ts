import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { SqlValue } from '../interface/index.ts'
import { openDatabase } from './database.ts'
import { isFatal, toFailure } from './failure.ts'
import type { DatabaseInit, Failure, FromWorker, Request, Result, Row, ToWorker } from './protocol.ts'

/** Prepared statements kept; the oldest goes first. The stores use about 40, the rest is room for search queries. */
const MAX_STATEMENTS = 200

/** Most requests in one transaction: bounds how long the first of them waits for the last. */
const MAX_GROUP = 4_096

interface Prepared {
  statement: StatementSync
  reads: boolean
}

/** The thread that owns one database file. Whatever was queued while the last commit ran goes into the next one. */
class DatabaseWorker {
  private readonly db: DatabaseSync
  private readonly path: string
  private readonly prepared = new Map<string, Prepared>()

  constructor(init: DatabaseInit) {
    this.path = init.path
    this.db = openDatabase(init)
  }

  /** Runs a group of requests in one transaction; nothing is answered before it is durable. */
  run(requests: Request[]): Result[] {
    const writes = requests.some((request) => request.write)
    try {
      if (writes) this.exec('BEGIN IMMEDIATE')
      const results = requests.map((request) => this.answer(request, writes))
      if (writes) this.exec('COMMIT')
      return results
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      const failure = toFailure(error, this.path)
      return requests.map(() => ({ failure }))
    }
  }

  close(): void {
    this.db.close()
  }

  /** @param writes - whether it runs in a transaction with others */
  private answer(request: Request, writes: boolean): Result {
    // A single statement is undone by SQLite itself when it fails; several need a savepoint.
    const savepoint = request.write && (request.steps.length > 1 || request.steps[0]?.[1] === undefined)
    try {
      if (savepoint) this.exec('SAVEPOINT request')
      const rows = this.steps(request)
      if (savepoint) this.exec('RELEASE request')
      return rows === undefined ? undefined : { rows }
    } catch (error) {
      // SQLite ends the whole transaction by itself on a full disk, an I/O error or for want of memory, also in a read: then
      // the group has failed, and what follows must not be written on its own.
      if (writes && !this.db.isTransaction) throw error
      const failure = toFailure(error, this.path)
      if (isFatal(failure)) throw error
      if (savepoint) {
        this.exec('ROLLBACK TO request')
        this.exec('RELEASE request')
      }
      return { failure }
    }
  }

  private steps(request: Request): Row[] | undefined {
    let rows: Row[] | undefined
    for (const [sql, params] of request.steps) {
      if (params === undefined) {
        this.db.exec(sql)
        continue
      }
      const { statement, reads } = this.prepare(sql)
      if (reads) rows = (statement.all(...params) as Row[]).map(shrink)
      else statement.run(...params)
    }
    return rows
  }

  private exec(sql: string): void {
    this.prepare(sql).statement.run()
  }

  private prepare(sql: string): Prepared {
    let entry = this.prepared.get(sql)
    if (entry === undefined) {
      const statement = this.db.prepare(sql)
      statement.setReadBigInts(true)
      entry = { statement, reads: statement.columns().length > 0 }
      this.prepared.set(sql, entry)
      if (this.prepared.size > MAX_STATEMENTS) this.prepared.delete(this.prepared.keys().next().value as string)
    }
    return entry
  }
}

/** Integers are numbers while that is exact, else bigints; null prototypes do not survive the thread boundary anyway. */
function shrink(row: Row): Row {
  for (const key in row) {
    const value = row[key]
    if (typeof value !== 'bigint') continue
    const small = Number(value)
    if (Number.isSafeInteger(small)) row[key] = small
  }
  return row
}

/** Buffers of the rows change their owner instead of being copied. */
function buffersOf(results: Result[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const result of results) {
    if (result === undefined || !('rows' in result)) continue
    for (const row of result.rows) {
      for (const value of Object.values<SqlValue>(row)) {
        if (value instanceof Uint8Array && value.byteLength >= 1024) buffers.add(value.buffer as ArrayBuffer)
      }
    }
  }
  return [...buffers]
}

function serve(port: NonNullable<typeof parentPort>, init: DatabaseInit): void {
  const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  let worker: DatabaseWorker
  try {
    worker = new DatabaseWorker(init)
  } catch (error) {
    post({ failure: toFailure(error, init.path) })
    port.close()
    return
  }

  const stop = (last: FromWorker): void => {
    worker.close()
    post(last)
    port.close()
  }

  const answer = (requests: Request[]): Failure | undefined => {
    const results = worker.run(requests)
    post({ results }, buffersOf(results))
    for (const result of results) {
      if (result !== undefined && 'failure' in result && isFatal(result.failure)) return result.failure
    }
    return undefined
  }

  port.on('message', (first: ToWorker) => {
    let message: ToWorker | undefined = first
    const requests: Request[] = []
    while (message !== undefined && 'requests' in message) {
      for (const request of message.requests) requests.push(request)
      message = requests.length < MAX_GROUP ? receiveMessageOnPort(port)?.message : undefined
    }
    const fatal = requests.length > 0 ? answer(requests) : undefined
    if (fatal !== undefined) stop({ failure: fatal })
    else if (message !== undefined) stop({ closed: true })
  })
  post({ ready: true })
}

if (parentPort !== null) serve(parentPort, workerData as DatabaseInit)

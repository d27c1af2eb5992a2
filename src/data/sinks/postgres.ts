import { type AbortOptions, type DataRecord, type DataSink, DdmError } from '../../interface/index.ts'
import { orAborted, throwIfAborted } from '../abort.ts'
import {
  openPostgres,
  type PostgresAddress,
  type PostgresConnection,
  parsePostgresAddress
} from '../brokers/postgres.ts'
import { isLost, persistently } from '../brokers/reconnect.ts'
import { asJson } from './json-line.ts'

/** Records in one transaction; a batch of a session is seldom larger. */
const MAX_BATCH = 1_000

/** What the server does not take as jsonb though it is JSON: null characters, lone surrogates, huge numbers, deep nesting. */
const BAD_VALUE = /^(22|54)/

/**
 * Inserts records into a PostgreSQL table, `postgres://user:password@host/database?table=readings`, which is made when it
 * is missing: `"offset" bigint PRIMARY KEY, record jsonb, received_at timestamptz`. Bytes that are not JSON become
 * `{"base64":…}`.
 *
 * A batch is one transaction, and the offset is its key: a purchase that was cut and goes on writes every record once.
 *
 * @example
 * ```ts
 * const sink = await postgresSink('postgres://ann@db.example/market?table=wind')
 * ```
 *
 * @throws DdmError `usage`; `unreachable` when the server does not answer, `notFound` without such a database, `config` when
 * it does not let us in or the table is another one
 */
export async function postgresSink(spec: string): Promise<DataSink> {
  const to = parsePostgresAddress(spec, [])
  const name = `${to.address.name}?table=${to.table.name}`
  const stop = new AbortController()
  let connection = await openPostgres(to, { signal: stop.signal })
  try {
    await prepare(to, connection)
  } catch (error) {
    await connection.end()
    throw error
  }
  let next = 0n
  // Batches are queued: a transaction has the connection to itself.
  let last: Promise<void> = Promise.resolve()
  let closing: Promise<void> | undefined

  const insert = async (batch: DataRecord[], options: AbortOptions | undefined): Promise<void> => {
    const signal = AbortSignal.any(options?.signal === undefined ? [stop.signal] : [stop.signal, options.signal])
    // Closing the connection is the way to stop what waits for it.
    const cut = (): void => void connection.end()
    signal.addEventListener('abort', cut, { once: true })
    try {
      await insertBatch(to, connection, batch)
    } catch (error) {
      if (!isLost(error)) throw error
      // What was committed before the answer was lost is not inserted again.
      await persistently(async () => {
        await connection.end()
        connection = await openPostgres(to, { signal: stop.signal })
        throwIfAborted({ signal })
        await insertBatch(to, connection, batch)
      }, signal)
    } finally {
      signal.removeEventListener('abort', cut)
    }
    next = (batch.at(-1)?.offset ?? next) + 1n
  }
  const flush = async (options?: AbortOptions): Promise<void> => {
    throwIfAborted(options)
    await orAborted(last, options)
  }

  const close = async (options?: AbortOptions): Promise<void> => {
    try {
      await orAborted(last, options)
    } finally {
      stop.abort()
      await connection.end()
    }
  }

  return {
    name,
    write: async (records, options) => {
      if (closing !== undefined) throw new DdmError('internal', `${name} is closed`)
      throwIfAborted(options)
      last = last.then(async () => {
        for (let at = 0; at < records.length; at += MAX_BATCH) {
          throwIfAborted(options)
          await insert(records.slice(at, at + MAX_BATCH), options)
        }
      })
      await orAborted(last, options)
    },
    flush,
    mark: async (options) => {
      await flush(options)
      return JSON.stringify({ to: name, next: String(next) })
    },
    close: (options) => {
      closing ??= close(options)
      return closing
    }
  }
}

function insertion({ table }: PostgresAddress): string {
  return `INSERT INTO ${table.sql} ("offset", record)
    SELECT o, r::jsonb FROM unnest($1::bigint[], $2::text[]) AS new(o, r) ON CONFLICT ("offset") DO NOTHING`
}

/** Makes the table, and finds out before anything is paid whether it takes records. */
async function prepare(to: PostgresAddress, { query }: PostgresConnection): Promise<void> {
  const { table, address } = to
  const { rows } = await query('SELECT to_regclass($1) IS NOT NULL', [table.sql])
  if (rows[0]?.[0] !== 't') {
    await query(`CREATE TABLE IF NOT EXISTS ${table.sql}
      ("offset" bigint PRIMARY KEY, record jsonb NOT NULL, received_at timestamptz NOT NULL DEFAULT now())`)
  }
  try {
    await query(insertion(to), [[], []])
  } catch (error) {
    if (isLost(error)) throw error
    const needed = '"offset" bigint PRIMARY KEY and record jsonb'
    const text = `${address.name}: table "${table.name}" does not take records, for which it needs ${needed}: `
    throw new DdmError('config', text + (error as Error).message, { cause: error })
  }
}

async function insertBatch(to: PostgresAddress, connection: PostgresConnection, batch: DataRecord[]): Promise<void> {
  const offsets = batch.map(({ offset }) => String(offset))
  const texts = batch.map(({ bytes }) => Buffer.from(asJson(bytes)).toString())
  const done = await transaction(to, connection, offsets, texts)
  if (done) return
  // One of them is not for jsonb: each by itself then, and that one as its bytes.
  for (const [index, { bytes }] of batch.entries()) {
    const offset = [offsets[index] ?? '']
    if (await transaction(to, connection, offset, [texts[index] ?? ''])) continue
    const base64 = JSON.stringify({ base64: Buffer.from(bytes).toString('base64') })
    await transaction(to, connection, offset, [base64])
  }
}

/** False when the server does not take one of the values. */
async function transaction(
  to: PostgresAddress,
  { query, client }: PostgresConnection,
  offsets: string[],
  texts: string[]
): Promise<boolean> {
  try {
    await query('BEGIN')
    const { rowCount } = await query(insertion(to), [offsets, texts])
    if (rowCount !== offsets.length) await checkSame(to, query, offsets, texts)
    await query('COMMIT')
    return true
  } catch (error) {
    // The caller closes the connection, and the server rolls back what was open on it.
    if (isLost(error)) throw error
    await client.query('ROLLBACK').catch(() => {})
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
    if (typeof code === 'string' && BAD_VALUE.test(code)) return false
    throw error
  }
}

/** Offsets that are there already hold these records, or the table holds another product. */
async function checkSame(
  { address, table }: PostgresAddress,
  query: PostgresConnection['query'],
  offsets: string[],
  texts: string[]
): Promise<void> {
  const { rows } = await query(
    `SELECT min(o) FROM unnest($1::bigint[], $2::text[]) AS new(o, r) JOIN ${table.sql} AS old ON old."offset" = o
      WHERE old.record::jsonb IS DISTINCT FROM r::jsonb`,
    [offsets, texts]
  )
  const other = rows[0]?.[0] ?? null
  if (other === null) return
  const text = `${address.name}: table "${table.name}" holds another record at offset ${other}; give each product its own table`
  throw new DdmError('config', text)
}

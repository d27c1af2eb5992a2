import { setTimeout as delay } from 'node:timers/promises'
import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { requiredOption } from '../brokers/address.ts'
import { unreachable } from '../brokers/failures.ts'
import { PAGE_BYTES, PageSize } from '../brokers/page-size.ts'
import {
  openPostgres,
  type PostgresAddress,
  type PostgresConnection,
  parsePostgresAddress,
  quoted
} from '../brokers/postgres.ts'
import { reconnecting } from '../brokers/reconnect.ts'
import { rowToJson } from './postgres-json.ts'
import { type ProblemOptions, problems } from './problems.ts'

const POLL_MS = 1_000

/** With notifications: only to find out that one was missed. */
const POLL_NOTIFIED_MS = 60_000

/** As text a row is at most twice as long as its record, but for commas and quotes: a longer one is not asked for. */
const MAX_ROW_BYTES = 2 * MAX_RECORD_BYTES + 8_192

/** Rows that wait for a transaction that is older than theirs. */
const POLL_UNSETTLED_MS = 50

/**
 * The rows of a PostgreSQL table in the order of a column,
 * `postgres://user:password@host/database?table=readings&cursor=id`, as JSON objects. The position is the value in that
 * column. New rows are found every `poll=1s`, or when `notify=CHANNEL` is notified.
 *
 * The column must be unique and never null, and later rows must have larger values. A row is read when no transaction that
 * is older than it is still open, so that ids that are committed out of order are not passed over.
 *
 * @example
 * ```ts
 * const source = postgresSource('postgres://ann@db.example/market?table=readings&cursor=id&notify=readings')
 * ```
 *
 * @throws DdmError `usage` at once; when read, `unreachable` when the server does not answer at the start, `notFound`
 * without such a database, table or column, `config` when the server does not let us in or the column is not fit
 */
export function postgresSource(spec: string, options: ProblemOptions = {}): DataSource {
  const to = parsePostgresAddress(spec, ['cursor', 'notify', 'poll'])
  const { address, table } = to
  const cursor = requiredOption(address, 'cursor', 'the column that orders the rows, like its id')
  const notify = address.get('notify')
  const query: Query = {
    cursor,
    listen: notify === undefined ? undefined : `LISTEN ${quoted(address, notify)}`,
    pollMs: pollTime(to, notify === undefined ? POLL_MS : POLL_NOTIFIED_MS),
    ...statements(table.sql, quoted(address, cursor))
  }
  const problem = problems(options)
  // Another cursor has other positions.
  const name = `${address.name}?table=${table.name}&cursor=${cursor}`
  return {
    name,
    finite: false,
    records: ({ signal, from } = {}) => {
      let last = from
      const read = async function* (opened: () => void): AsyncGenerator<SourceRecord> {
        for await (const { bytes, size, position } of rows(to, query, () => last, opened, {
          ...(signal && { signal })
        })) {
          last = position
          if (bytes !== undefined && size <= MAX_RECORD_BYTES) yield { bytes, position }
          else {
            const text = `${name}: the row with ${cursor} ${position} has ${size} bytes; a record has at most ${MAX_RECORD_BYTES}`
            problem(new DdmError('badRecord', text, { details: { bytes: size, limit: MAX_RECORD_BYTES } }))
          }
        }
      }
      return reconnecting(read, signal, options)
    }
  }
}

interface Query {
  cursor: string
  listen: string | undefined
  pollMs: number
  first: string
  next: string
}

function pollTime({ address }: PostgresAddress, usual: number): number {
  const text = address.get('poll')
  if (text === undefined) return usual
  const [, count, unit] = /^([0-9]{1,6})(ms|s|m)$/.exec(text) ?? []
  const ms = Number(count) * (unit === 'ms' ? 1 : unit === 's' ? 1_000 : 60_000)
  if (ms >= 1) return ms
  throw new DdmError('usage', `${address.name}: poll "${text}" is no time like 500ms, 1s or 5m`)
}

/** What comes before the columns of the table. */
const ABOUT_ROW = 4

/**
 * Four columns before those of the table: whether no transaction is open that began before the row's own ended; its
 * position; its length as text; and how many rows the page could have. What is more than a page in bytes is left for the
 * next one, and a row that cannot be a record comes without its values: the server counts, because memory here must not.
 */
function statements(table: string, column: string): Pick<Query, 'first' | 'next'> {
  const page = (where: string): string => `
    SELECT p.settled, p.place, p.size, p.found, r.* FROM (
      SELECT q.*, count(*) OVER () AS found, sum(q.size) OVER (ORDER BY q.place) AS total FROM (
        SELECT age(ddm_row.xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid) AS settled, ddm_row.${column} AS place,
          octet_length(ddm_row::text) AS size, ddm_row AS whole
        FROM ${table} AS ddm_row ${where} ORDER BY ddm_row.${column} LIMIT $1
      ) AS q
    ) AS p LEFT JOIN LATERAL (SELECT (p.whole).*) AS r ON p.size <= ${MAX_ROW_BYTES}
    WHERE p.total - p.size < ${PAGE_BYTES} ORDER BY p.place`
  return { first: page(''), next: page(`WHERE ddm_row.${column} > $2`) }
}

interface Row {
  /** None of a row that is too large to be asked for. */
  bytes: Uint8Array | undefined
  /** Of the record, or of what would be one. */
  size: number
  position: string
}

/** The rows of one connection. */
async function* rows(
  to: PostgresAddress,
  { cursor, listen, pollMs, first, next }: Query,
  last: () => string | undefined,
  opened: () => void,
  options: AbortOptions
): AsyncGenerator<Row> {
  const connection = await openPostgres(to, options)
  try {
    const news = new News(connection, to)
    await checkCursor(to, connection, cursor)
    if (listen !== undefined) await connection.query(listen)
    opened()
    const page = new PageSize()
    for (;;) {
      news.forget()
      const after = last()
      const { rows: found, fields } = await (after === undefined
        ? connection.query(first, [page.items])
        : connection.query(next, [page.items, after]))
      const columns = fields.slice(ABOUT_ROW)
      const open = found.findIndex(([settled]) => settled !== 't')
      for (const [, position, length, , ...values] of open === -1 ? found : found.slice(0, open)) {
        const bytes = Number(length) > MAX_ROW_BYTES ? undefined : rowToJson(columns, values)
        const size = bytes?.byteLength ?? Number(length)
        page.add(size)
        yield { bytes, size, position: position ?? '' }
      }
      const there = Number(found[0]?.[3] ?? 0)
      if (open !== -1) await news.within(POLL_UNSETTLED_MS, options)
      else if (found.length === there && there < page.items) await news.within(pollMs, options)
      page.turn()
    }
  } finally {
    await connection.end()
  }
}

/** Wakes a reader that waits for rows. */
class News {
  #arrived = false
  #lost: Error | undefined
  #wake = new AbortController()

  constructor({ client }: PostgresConnection, { address }: PostgresAddress) {
    client.on('notification', () => {
      this.#arrived = true
      this.#wake.abort()
    })
    client.once('end', () => {
      this.#lost = unreachable(address.name, new Error('the connection was cut'))
      this.#wake.abort()
    })
  }

  /** What arrived before the question is answered by it. */
  forget(): void {
    this.#arrived = false
    this.#wake = new AbortController()
  }

  async within(ms: number, { signal }: AbortOptions): Promise<void> {
    const stop = AbortSignal.any(signal === undefined ? [this.#wake.signal] : [this.#wake.signal, signal])
    if (!this.#arrived && this.#lost === undefined) await delay(ms, undefined, { signal: stop }).catch(() => {})
    if (this.#lost !== undefined) throw this.#lost
  }
}

/** A type can order rows when it has a `<` of a B-tree; the column must also be unique and NOT NULL. */
const CURSOR_COLUMN = `
  SELECT a.attnotnull,
    format_type(a.atttypid, a.atttypmod),
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid
      AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
    EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod WHERE m.amname = 'btree'
      AND o.opcdefault AND o.opcintype IN (a.atttypid, (SELECT t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid)))
      OR EXISTS (SELECT FROM pg_type t WHERE t.oid = a.atttypid AND (t.typtype = 'e' OR t.typname = 'varchar'))
  FROM pg_attribute a
  WHERE a.attrelid = to_regclass($1) AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped`

async function checkCursor(
  { address, table }: PostgresAddress,
  { query }: PostgresConnection,
  cursor: string
): Promise<void> {
  const { rows: tables } = await query('SELECT to_regclass($1) IS NOT NULL', [table.sql])
  if (tables[0]?.[0] !== 't') {
    throw new DdmError('notFound', `${address.name}: there is no table "${table.name}" in this database`)
  }
  const { rows: columns } = await query(CURSOR_COLUMN, [table.sql, cursor])
  const where = `${address.name}: table "${table.name}"`
  const [column] = columns
  if (column === undefined) throw new DdmError('notFound', `${where} has no column "${cursor}"`)
  const [notNull, type, unique, ordered] = column
  const unfit = (why: string): DdmError => new DdmError('config', `${where}: the cursor "${cursor}" ${why}`)
  if (ordered !== 't') throw unfit(`has the type ${type}, which has no order; use an id or a time`)
  if (notNull !== 't') throw unfit('may be null, and such rows would be passed over; make it NOT NULL')
  if (unique !== 't') {
    throw unfit('is not unique, and rows with the same value could be passed over; CREATE UNIQUE INDEX, or use the id')
  }
}

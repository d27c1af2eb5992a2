import type { Client, QueryArrayResult } from 'pg'
import { type AbortOptions, DdmError } from '../../interface/index.ts'
import { abortedBy, orAborted, throwIfAborted } from '../abort.ts'
import { type Address, parseAddress, requiredOption } from './address.ts'
import { isTlsError, tlsFailure, unreachable } from './failures.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** What one statement may take: a query without an index over a large table. */
const QUERY_TIMEOUT_MS = 60_000

const END_TIMEOUT_MS = 1_000

/** One message of the server: a row with the largest record, whose text may be twice as long. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024

/** All messages that answer one query: a page of rows, and its last one. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** Longer names are cut by the server, and would then mean another table. @source PostgreSQL, NAMEDATALEN */
const MAX_NAME_BYTES = 63

/** Texts of times and numbers that do not depend on how the server is set. */
const SETTINGS = '-c DateStyle=ISO -c TimeZone=UTC -c IntervalStyle=iso_8601 -c extra_float_digits=1'

/** TLS as libpq names it: `require` is encrypted, `verify-full` also checks who the server is. */
const SSL_MODES: Readonly<Record<string, false | { rejectUnauthorized: boolean }>> = {
  disable: false,
  require: { rejectUnauthorized: false },
  'verify-full': { rejectUnauthorized: true }
}

export interface PostgresAddress {
  readonly address: Address
  readonly database: string
  /** As the user wrote it, and quoted for SQL. */
  readonly table: { readonly name: string; readonly sql: string }
}

/** @throws DdmError `usage` */
export function parsePostgresAddress(spec: string, options: readonly string[]): PostgresAddress {
  const address = parseAddress(spec, {
    ports: { postgres: 5432, postgresql: 5432 },
    options: ['table', 'sslmode', ...options],
    example: 'postgres://user:password@host:5432/database?table=readings'
  })
  const database = address.path
  if (database === '') {
    throw new DdmError('usage', `${address.name}: add the name of the database, like postgres://host/database`)
  }
  const mode = address.get('sslmode')
  if (mode !== undefined && !(mode in SSL_MODES)) {
    throw new DdmError('usage', `${address.name}: sslmode "${mode}" is not one of ${Object.keys(SSL_MODES).join(', ')}`)
  }
  const name = requiredOption(address, 'table', 'the table, with its schema if it is not public')
  const sql = name
    .split('.')
    .map((part) => quoted(address, part))
    .join('.')
  return { address, database, table: { name, sql } }
}

/** An identifier for SQL: whatever it holds, it is a name and nothing else. */
export function quoted({ name }: Address, identifier: string): string {
  const bytes = Buffer.byteLength(identifier)
  if (bytes === 0 || bytes > MAX_NAME_BYTES || identifier.includes('\0')) {
    throw new DdmError('usage', `${name}: "${identifier}" is no name: it has 1 to ${MAX_NAME_BYTES} bytes`)
  }
  return `"${identifier.replaceAll('"', '""')}"`
}

export interface PostgresConnection {
  readonly client: Client
  /** Every value of a row as the text that the server sends; null where there is none. */
  query: (text: string, values?: readonly unknown[]) => Promise<QueryArrayResult<Array<string | null>>>
  end: () => Promise<void>
}

/**
 * Opens one connection, which is not opened again when it is lost.
 *
 * @throws DdmError `unreachable`; `config` when the server does not let us in; `notFound` without such a database
 */
export async function openPostgres(to: PostgresAddress, options: AbortOptions = {}): Promise<PostgresConnection> {
  const { signal } = options
  const { address, database } = to
  const { Client } = (await import('pg')).default
  throwIfAborted(options)
  const ssl = SSL_MODES[address.get('sslmode') ?? 'disable']
  const client = new Client({
    host: address.host,
    port: address.port,
    database,
    ...(address.user === undefined ? {} : { user: address.user }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(ssl === undefined ? {} : { ssl }),
    application_name: 'ddm',
    options: SETTINGS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true
  })
  // Without a listener a connection that is lost between two queries would end the process.
  client.on('error', () => {})
  const excess = limitAnswers(client, address.name)
  const end = async (): Promise<void> => {
    // The library waits for the server to hang up, too.
    const timer = setTimeout(() => client.connection.stream.destroy(), END_TIMEOUT_MS)
    await client.end().catch(() => {})
    clearTimeout(timer)
  }
  // Closing the connection is the way to stop what waits for it.
  const stop = (): void => void end()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    // The library leaves this open when it is told to end meanwhile.
    await orAborted(client.connect(), options)
    excess.watch()
  } catch (error) {
    signal?.removeEventListener('abort', stop)
    await end()
    throw signal?.aborted === true ? abortedBy(signal) : (excess.error ?? postgresFailure(to, error))
  }
  return {
    client,
    query: async (text, values = []) => {
      try {
        throwIfAborted(options)
        excess.begin()
        return await client.query<Array<string | null>>({
          text,
          values: [...values],
          rowMode: 'array',
          types: { getTypeParser: () => (value: string) => value }
        })
      } catch (error) {
        throw signal?.aborted === true ? abortedBy(signal) : (excess.error ?? postgresFailure(to, error))
      }
    },
    end: () => {
      signal?.removeEventListener('abort', stop)
      return end()
    }
  }
}

interface Excess {
  error?: DdmError
  /** An answer begins. */
  begin: () => void
  /** Looks at the connection as it is now: TLS replaces it. */
  watch: () => void
}

/** The library would collect a message of any length that a server states, and any number of them. */
function limitAnswers({ connection }: Client, name: string): Excess {
  let message = 0
  let answer = 0
  let watched: unknown
  const look = ({ byteLength }: Buffer): void => {
    message += byteLength
    answer += byteLength
    if ((message <= MAX_MESSAGE_BYTES && answer <= MAX_ANSWER_BYTES) || excess.error !== undefined) return
    const limit = message > MAX_MESSAGE_BYTES ? MAX_MESSAGE_BYTES : MAX_ANSWER_BYTES
    const what = limit === MAX_MESSAGE_BYTES ? 'message' : 'answer'
    const text = `${name}: the server sends ${what === 'answer' ? 'an' : 'a'} ${what} of more than ${limit} bytes; is it a PostgreSQL server?`
    excess.error = new DdmError('config', text, { details: { limit } })
    connection.stream.destroy()
  }
  const excess: Excess = {
    begin: () => {
      answer = 0
    },
    watch: () => {
      if (watched === connection.stream) return
      watched = connection.stream
      connection.stream.on('data', look)
    }
  }
  connection.on('message', () => {
    message = 0
  })
  excess.watch()
  return excess
}

/** What the server said, by its SQLSTATE. @source PostgreSQL, Appendix A */
export function postgresFailure({ address, database, table }: PostgresAddress, error: unknown): Error {
  if (error instanceof DdmError) return error
  const { name, user } = address
  const { code = '', message } = error as { code?: string; message: string }
  const say = (kind: 'config' | 'notFound', text: string): DdmError =>
    new DdmError(kind, `${name}: ${text}`, { cause: error })
  switch (code) {
    case '28P01':
    case '28000': {
      const who = user === undefined ? 'without a user name' : `as user "${user}"`
      return say('config', `the server does not let us in ${who}: wrong user name or password, or not allowed`)
    }
    case '3D000':
      return say('notFound', `there is no database "${database}" on this server`)
    case '42P01':
    case '3F000':
      return say('notFound', `there is no table "${table.name}" in this database`)
    case '42703':
      return say('notFound', `table "${table.name}": ${message}`)
    case '42501':
      return say('config', `the user may not do this with table "${table.name}": ${message}`)
  }
  if (isTlsError(error)) return tlsFailure(name, error)
  if (/SSL|TLS/.test(message)) return say('config', `${message}; see the option sslmode`)
  if (/password must be|SASL/.test(message)) return say('config', 'the server asks for a password, and there is none')
  return isTransient(code) ? unreachable(name, error) : say('config', message)
}

/** The server is starting, stopping or full; a transaction lost a race; and everything that is not of the server. */
function isTransient(code: string): boolean {
  return !/^[0-9A-Z]{5}$/.test(code) || /^(08|53|57P|40)/.test(code) || code.startsWith('EPIPE')
}

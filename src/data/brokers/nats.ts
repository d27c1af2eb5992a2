import type { Socket } from 'node:net'
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type AbortOptions, DdmError, MAX_RECORD_BYTES } from '../../interface/index.ts'
import { orAborted, throwIfAborted } from '../abort.ts'
import { type Address, parseAddress } from './address.ts'
import { isTlsError, tlsFailure, unreachable } from './failures.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** An answer of a server that is there takes milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000

const END_TIMEOUT_MS = 1_000

/** One message: the largest record, its headers, and what is not a record but may be skipped. Servers take 1 MiB by default. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024

/** Names of streams and consumers are parts of subjects. @source NATS ADR-6 */
const NAME = /^[^\s.*>/\\]+$/

/** A part of a subject between its dots: no white space. @source NATS ADR-6 */
const TOKEN = /^[^\s.]+$/

export interface NatsAddress {
  readonly address: Address
  readonly stream: string
}

/** @throws DdmError `usage` */
export function parseNatsAddress(spec: string, options: readonly string[]): NatsAddress {
  const address = parseAddress(spec, {
    ports: { nats: 4222 },
    options,
    example: 'nats://user:password@host:4222/STREAM?subject=sensors.wind'
  })
  const stream = address.path
  if (stream === '') throw new DdmError('usage', `${address.name}: add the name of the stream, like nats://host/STREAM`)
  if (!NAME.test(stream)) {
    throw new DdmError('usage', `${address.name}: "${stream}" is no name of a stream: it has no . * > / and no spaces`)
  }
  return { address, stream }
}

/** @throws DdmError `usage` when it is no subject */
export function checkSubject({ name }: Address, subject: string, { wildcards }: { wildcards: boolean }): string {
  const tokens = subject.split('.')
  const isWild = (token: string): boolean => token === '*' || token === '>'
  const fault = tokens.some((token) => !TOKEN.test(token))
    ? 'has an empty part or a space'
    : tokens.slice(0, -1).includes('>')
      ? 'has a > before its end'
      : !wildcards && tokens.some(isWild)
        ? 'has wildcards; records go to one subject'
        : undefined
  if (fault === undefined) return subject
  throw new DdmError('usage', `${name}: the subject "${subject}" ${fault}`)
}

export interface NatsOpened {
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  readonly stream: StreamInfo
  /** Waits for an answer no longer than the connection lasts: the library would wait for its timeout. */
  readonly ask: <T>(question: Promise<T>) => Promise<T>
  /** Resolves with the reason when the connection has ended. */
  readonly lost: () => Promise<Error>
  /** Closes the connection when the server has what was sent, like acknowledgements; soon also when it takes nothing. */
  readonly end: () => Promise<void>
}

/**
 * Opens one connection, which is not opened again when it is lost, and finds the stream.
 *
 * @throws DdmError `unreachable`; `config` when the server does not let us in or has no JetStream; `notFound`
 */
export async function openNats(to: NatsAddress, options: AbortOptions = {}): Promise<NatsOpened> {
  throwIfAborted(options)
  const { user, password, host, port } = to.address
  const [{ connect }, { jetstreamManager }] = await Promise.all([
    import('@nats-io/transport-node'),
    import('@nats-io/jetstream')
  ])
  const connecting = connect({
    servers: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    // A user without a password is a token, as in the addresses of NATS itself.
    ...(user === undefined ? {} : password === undefined ? { token: user } : { user, pass: password }),
    name: 'ddm',
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS
  })
  const connection = await orAborted(connecting, options).catch((error: unknown) => {
    connecting.then((late) => late.close()).catch(() => {})
    throw natsFailure(to, error)
  })
  const excess = limitMessages(to, connection)
  const lost = async (): Promise<Error> => {
    const error = await connection.closed()
    return excess.error ?? unreachable(to.address.name, error ?? new Error('the connection was cut'))
  }
  const ask = async <T>(question: Promise<T>): Promise<T> => {
    const fails = lost().then((error) => Promise.reject(error))
    try {
      return await orAborted(Promise.race([question, fails]), options)
    } catch (error) {
      throw excess.error ?? error
    }
  }
  try {
    const manager = await ask(jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS }))
    const stream = await ask(manager.streams.info(to.stream))
    return { connection, manager, ask, stream, lost, end: () => end(connection) }
  } catch (error) {
    await connection.close()
    throw natsFailure(to, error)
  }
}

/** The parts of the library that are not in its types. */
interface Inner {
  protocol: { transport: { socket: Socket } }
}

/** The library would collect a message of any length that a server states. */
function limitMessages({ address }: NatsAddress, connection: NatsConnection): { error?: DdmError } {
  const excess: { error?: DdmError } = {}
  const { socket } = (connection as unknown as Inner).protocol.transport
  let bytes = 0
  let messages = 0
  socket.on('data', ({ byteLength }: Buffer) => {
    const { inMsgs } = connection.stats()
    bytes = inMsgs === messages ? bytes + byteLength : byteLength
    messages = inMsgs
    if (bytes <= MAX_MESSAGE_BYTES || excess.error !== undefined) return
    const text = `${address.name}: the server sends a message of more than ${MAX_MESSAGE_BYTES} bytes; a record has at most ${MAX_RECORD_BYTES}`
    excess.error = new DdmError('badRecord', text, { details: { limit: MAX_MESSAGE_BYTES } })
    socket.destroy()
  })
  return excess
}

/** The library waits for the server's answer to its good-bye, also when the connection is lost meanwhile: for ever. */
async function end(connection: NatsConnection): Promise<void> {
  const timer = setTimeout(() => void connection.close(), END_TIMEOUT_MS)
  await Promise.race([connection.drain().catch(() => {}), connection.closed()])
  clearTimeout(timer)
}

/** What went wrong, by what the library calls it. */
export function natsFailure({ address: { name, user }, stream }: NatsAddress, error: unknown): Error {
  if (error instanceof DdmError) return error
  const { name: kind, message } = error as Error
  const config = (text: string): DdmError => new DdmError('config', `${name}: ${text}`, { cause: error })
  switch (kind) {
    case 'AuthorizationError':
    case 'UserAuthenticationExpiredError': {
      const who = user === undefined ? 'without a user name' : 'with this user name and password, or token'
      return config(`the server does not let us in ${who}`)
    }
    case 'PermissionViolationError':
      return config(`the server does not allow it: ${message}`)
    case 'JetStreamNotEnabled':
      return config('this server has no JetStream; start it with -js')
    case 'StreamNotFoundError':
      return new DdmError('notFound', `${name}: there is no stream "${stream}" on this server`, { cause: error })
    case 'JetStreamApiError':
      return config(message)
    case 'ConnectionError':
    case 'ClosedConnectionError':
    case 'DrainingConnectionError':
    case 'TimeoutError':
    case 'NoRespondersError':
    case 'RequestError':
    case 'JetStreamError':
    case 'JetStreamStatusError':
      return isTlsError(error) ? tlsFailure(name, error) : unreachable(name, (error as Error).cause ?? error)
    default:
      return typeof (error as { code?: unknown }).code === 'string' ? unreachable(name, error) : (error as Error)
  }
}

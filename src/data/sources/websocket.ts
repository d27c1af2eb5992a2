import { once } from 'node:events'
import type { WebSocket } from 'ws'
import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import { isTlsError, tlsFailure, unreachable } from '../brokers/failures.ts'
import { reconnecting } from '../brokers/reconnect.ts'
import { type HttpAddress, parseHttpAddress, statusError } from '../http.ts'
import type { SourceOptions } from './parse-source.ts'
import { problems } from './problems.ts'

const HANDSHAKE_MS = 10_000

/** A connection that does not answer within two of these is gone. */
const PING_MS = 20_000

/** Of the library, for a message over `maxPayload`, and for one that states a length beyond 2⁵³. */
const TOO_LARGE = ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH']

/**
 * The messages of a WebSocket, text or binary, each one record as it came. What is sent while the connection is lost is
 * not seen.
 *
 * @example
 * ```ts
 * const source = webSocket('wss://stream.example/air', { headers: { Authorization: 'Bearer …' } })
 * ```
 *
 * @throws DdmError `usage` at once; when read, `unreachable` without a first connection, `config` or `notFound` when the
 * server refuses it
 */
export function webSocket(url: string, options: SourceOptions = {}): DataSource {
  const to = parseHttpAddress(url, ['wss', 'ws'], options.headers)
  const problem = problems(options)
  return {
    name: to.name,
    finite: false,
    records: ({ signal } = {}) => {
      const abort = signal === undefined ? {} : { signal }
      return reconnecting((opened) => connect(to, opened, problem, abort), signal, options)
    }
  }
}

async function* connect(
  to: HttpAddress,
  opened: () => void,
  problem: (error: DdmError) => void,
  abort: AbortOptions
): AsyncGenerator<SourceRecord> {
  const { WebSocket: Socket, createWebSocketStream } = await import('ws')
  throwIfAborted(abort)
  const socket = new Socket(to.url, {
    headers: Object.fromEntries(to.headers),
    maxPayload: MAX_RECORD_BYTES,
    handshakeTimeout: HANDSHAKE_MS,
    // What is compressed may become any size.
    perMessageDeflate: false
  })
  const { signal } = abort
  const stop = (): void => socket.terminate()
  signal?.addEventListener('abort', stop, { once: true })
  // It holds the socket back while nobody reads.
  const messages = createWebSocketStream(socket, { readableObjectMode: true })
  messages.on('error', () => {})
  try {
    await openedOrRefused(socket, to)
    opened()
    const stopPings = watch(socket)
    try {
      for await (const message of messages as AsyncIterable<Buffer | string>) {
        yield { bytes: typeof message === 'string' ? Buffer.from(message) : message }
      }
    } finally {
      stopPings()
    }
    throw unreachable(to.name, new Error('the server has closed the connection'))
  } catch (error) {
    if (signal?.aborted === true) throw abortedBy(signal)
    if (TOO_LARGE.includes(String((error as { code?: unknown }).code))) {
      const text = `${to.name}: a message has more than the ${MAX_RECORD_BYTES} bytes of a record`
      problem(new DdmError('badRecord', text))
      throw unreachable(to.name, new Error('a message was too large'))
    }
    throw failure(to, error)
  } finally {
    signal?.removeEventListener('abort', stop)
    messages.destroy()
    socket.terminate()
  }
}

async function openedOrRefused(socket: WebSocket, { name }: HttpAddress): Promise<void> {
  const refused = new Promise<never>((_resolve, reject) => {
    socket.once('unexpected-response', (request, { statusCode = 0, headers }) => {
      request.destroy()
      reject(statusError(name, statusCode, headers['retry-after']))
    })
  })
  await Promise.race([once(socket, 'open'), refused])
}

/** Ends a connection whose other side is silent even when asked. */
function watch(socket: WebSocket): () => void {
  let answered = true
  socket.on('pong', () => {
    answered = true
  })
  const timer = setInterval(() => {
    // A reader that is slow keeps answers from being read.
    if (!answered && !socket.isPaused) return socket.terminate()
    answered = false
    socket.ping()
  }, PING_MS)
  return () => clearInterval(timer)
}

function failure({ name }: HttpAddress, error: unknown): unknown {
  if (error instanceof DdmError) return error
  return isTlsError(error) ? tlsFailure(name, error) : unreachable(name, error)
}

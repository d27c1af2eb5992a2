import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { throwIfAborted } from '../abort.ts'
import { unreachable } from '../brokers/failures.ts'
import { reconnecting } from '../brokers/reconnect.ts'
import { checkStatus, type HttpAddress, httpFailure, parseHttpAddress, request } from '../http.ts'
import type { SourceOptions } from './parse-source.ts'
import { problems } from './problems.ts'

/** A blank line ends an event. */
const EVENT_END = /\r\n\r\n|\n\n|\r\r/

/** Characters that the parser gets at once: fewer than an event may have. */
const MAX_PIECE = 64 * 1024

/** Longest pause that a server may ask for between connections. */
const MAX_RETRY_MS = 3_600_000

/**
 * Server-Sent Events: the data of each event is one record. The position is the ID of an event; a server that gives none
 * starts anew with each connection. A server that answers 204 has no more: the source ends.
 *
 * @example
 * ```ts
 * const source = sse('https://stream.example/air')
 * ```
 *
 * @throws DdmError `usage` at once; when read, `unreachable` without a first answer, `config` or `notFound` for an answer
 * that will not change by itself
 * @source HTML Living Standard §9.2
 */
export function sse(url: string, options: SourceOptions = {}): DataSource {
  const to = parseHttpAddress(url, ['https', 'http'], options.headers)
  const problem = problems(options)
  return {
    name: to.name,
    finite: false,
    records: ({ signal, from } = {}) => {
      const state: State = { lastId: from, retryMs: 0 }
      const abort = signal === undefined ? {} : { signal }
      return reconnecting((opened) => connect(to, state, opened, problem, abort), signal, options)
    }
  }
}

interface State {
  lastId: string | undefined
  retryMs: number
}

async function* connect(
  to: HttpAddress,
  state: State,
  opened: () => void,
  problem: (error: DdmError) => void,
  abort: AbortOptions
): AsyncGenerator<SourceRecord> {
  throwIfAborted(abort)
  // Its own, because leaving must also end a connection that is waited for.
  const stop = new AbortController()
  const signal = abort.signal === undefined ? stop.signal : AbortSignal.any([abort.signal, stop.signal])
  try {
    const headers = {
      accept: 'text/event-stream',
      'cache-control': 'no-store',
      ...(state.lastId === undefined ? {} : { 'last-event-id': state.lastId })
    }
    const response = await request(to, { headers, signal })
    opened()
    checkStatus(to.name, response)
    if (response.status === 204) return
    const type = response.headers.get('content-type') ?? 'nothing'
    if (!/^text\/event-stream\b/i.test(type)) {
      throw new DdmError('config', `${to.name} gives ${type.slice(0, 80)}, not text/event-stream; for JSON use poll:`)
    }
    for await (const record of events(to, response, state, problem)) yield record
    throw unreachable(to.name, new Error('the server has ended the stream'))
  } catch (error) {
    const failure = httpFailure(to.name, error, abort.signal)
    if (!(failure instanceof DdmError) || failure.code !== 'unreachable' || state.retryMs === 0) throw failure
    const retryAfterMs = Math.max(state.retryMs, Number(failure.details.retryAfterMs ?? 0))
    throw new DdmError('unreachable', failure.message, { cause: error, details: { ...failure.details, retryAfterMs } })
  } finally {
    stop.abort()
  }
}

async function* events(
  { name }: HttpAddress,
  { body }: Response,
  state: State,
  problem: (error: DdmError) => void
): AsyncGenerator<SourceRecord> {
  const { createParser } = await import('eventsource-parser')
  const ready: Array<SourceRecord | undefined> = []
  let tooLarge = false
  const parser = createParser({
    maxBufferSize: MAX_RECORD_BYTES,
    onEvent: ({ data, id }) => {
      const bytes = Buffer.from(data)
      if (bytes.byteLength > MAX_RECORD_BYTES) ready.push(undefined)
      else ready.push(id === undefined ? { bytes } : { bytes, position: id })
    },
    onRetry: (ms) => {
      state.retryMs = Math.min(ms, MAX_RETRY_MS)
    },
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') tooLarge = true
    }
  })
  /** True while the rest of an event that is too large goes by. */
  let skipping = false
  let tail = ''
  const feed = (piece: string): void => {
    let text = piece
    for (;;) {
      if (skipping) {
        const seen = tail + text
        const end = EVENT_END.exec(seen)
        tail = seen.slice(-3)
        if (end === null) return
        skipping = false
        text = seen.slice(end.index + end[0].length)
      }
      parser.feed(text)
      if (!tooLarge) break
      // The parser has dropped all that it had. Only an event that began before this piece is so large.
      parser.reset()
      ready.push(undefined)
      tooLarge = false
      skipping = true
    }
    tail = (tail + text).slice(-3)
  }
  const decoder = new TextDecoder()
  for await (const chunk of body ?? []) {
    const text = decoder.decode(chunk, { stream: true })
    for (let at = 0; at < text.length; at += MAX_PIECE) feed(text.slice(at, at + MAX_PIECE))
    for (const record of ready.splice(0)) {
      if (record === undefined) {
        problem(new DdmError('badRecord', `${name}: an event has more than the ${MAX_RECORD_BYTES} bytes of a record`))
        continue
      }
      yield record
      state.lastId = record.position ?? state.lastId
    }
  }
}

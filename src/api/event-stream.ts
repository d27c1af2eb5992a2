import type { ServerResponse } from 'node:http'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { ServerEvent } from './operation.ts'
import { problemOf } from './problem.ts'
import { RecordsSchema } from './schemas/purchase.ts'

/** Proxies and readers take a connection on which nothing comes for dead. */
const ALIVE_MS = 15_000

/**
 * Writes server-sent events no faster than they are read.
 * @source WHATWG HTML, server-sent events
 */
export async function writeEvents(
  response: ServerResponse,
  events: AsyncIterable<ServerEvent>,
  schemas: Record<string, TSchema>,
  signal: AbortSignal
): Promise<void> {
  response.writeHead(200, {
    ...response.getHeaders(),
    'content-type': 'text/event-stream',
    'cache-control': 'no-store'
  })
  response.flushHeaders()
  const alive = setInterval(() => response.write(':\n\n'), ALIVE_MS)
  try {
    for await (const { event, data } of events) {
      const schema = schemas[event]
      if (schema === undefined) throw new TypeError(`event ${event} has no schema`)
      // Records are on the wire as they come: to look at each of them again would cost more than to send them.
      const encoded = schema === RecordsSchema ? data : Value.Encode(schema, data)
      if (!response.write(`event: ${event}\ndata: ${JSON.stringify(encoded)}\n\n`)) await drained(response, signal)
      if (signal.aborted) break
    }
  } catch (error) {
    if (!signal.aborted) response.write(`event: problem\ndata: ${JSON.stringify(problemOf(error))}\n\n`)
    throw error
  } finally {
    clearInterval(alive)
    response.end()
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    response.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

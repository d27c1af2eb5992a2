import { createParser } from 'eventsource-parser'
import { ApiProblem, ask, type RequestOptions } from './http.ts'

export interface ServerSentEvent {
  event: string
  data: unknown
}

/**
 * Server-sent events over fetch: EventSource cannot send the token.
 * @source WHATWG HTML, server-sent events
 */
export async function* events(path: string, options: RequestOptions): AsyncGenerator<ServerSentEvent> {
  const { body } = await ask('GET', path, options)
  if (body === null) return
  const arrived: ServerSentEvent[] = []
  const parser = createParser({
    onEvent: ({ event = 'message', data }) => arrived.push({ event, data: JSON.parse(data) as unknown })
  })
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      parser.feed(value)
      for (const one of arrived.splice(0)) {
        if (one.event === 'problem') throw problemOf(one.data)
        yield one
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function problemOf(data: unknown): ApiProblem {
  const { code = 'internal', detail = 'the node failed' } = data as { code?: string; detail?: string }
  return new ApiProblem(code, detail)
}

const RETRY_MS = 2000

/** Looks on until told to stop, over as many connections as it takes; `onEvent` returns true when it has seen enough. */
export async function follow(
  path: string,
  onEvent: (event: ServerSentEvent) => boolean | undefined,
  { query, signal }: { query?: RequestOptions['query']; signal: AbortSignal }
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of events(path, { ...(query === undefined ? {} : { query }), signal })) {
        if (onEvent(event) === true) return
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiProblem && error.code !== 'offline') throw error
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

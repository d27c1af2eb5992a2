import { createParser } from 'eventsource-parser'
import type { StaticDecode, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { type AbortOptions, DdmError } from '../../interface/index.ts'
import type { EventOperation, Operation } from '../operation.ts'
import { errorOf } from '../problem.ts'
import { RecordsSchema } from '../schemas/purchase.ts'

type Part<S, Name extends string> = S extends TSchema ? { [N in Name]: StaticDecode<S> } : { [N in Name]?: undefined }

/** The parts of a call that its operation describes. */
export type CallInput<P, Q, B> = Part<P, 'params'> & Part<Q, 'query'> & Part<B, 'body'>

/** One event as it came, read by the schema of its kind. */
export interface ClientEvent {
  event: string
  data: unknown
}

/** Calls the API of a node on this machine, or wherever its URL points. */
export class HttpClient {
  readonly url: string
  readonly #token: string

  constructor(url: string, token: string) {
    this.url = url
    this.#token = token
  }

  async call<
    P extends TSchema | undefined,
    Q extends TSchema | undefined,
    B extends TSchema | undefined,
    R extends TSchema
  >(operation: Operation<P, Q, B, R>, input: CallInput<P, Q, B>, options: AbortOptions = {}): Promise<StaticDecode<R>> {
    const { params, query, body } = input as { params?: unknown; query?: unknown; body?: unknown }
    const response = await this.#fetch(operation.method, this.#target(operation, params, query), {
      ...(operation.body === undefined ? {} : { body: JSON.stringify(encode(operation.body, body)) }),
      ...options
    })
    return Value.Decode(operation.result, await response.json()) as StaticDecode<R>
  }

  /** Reads no faster than the events are taken. */
  async *events<P extends TSchema | undefined, Q extends TSchema | undefined>(
    operation: EventOperation<P, Q>,
    input: CallInput<P, Q, undefined>,
    options: AbortOptions = {}
  ): AsyncGenerator<ClientEvent> {
    const { params, query } = input as { params?: unknown; query?: unknown }
    const response = await this.#fetch('GET', this.#target(operation, params, query), options)
    const waiting: Array<{ event: string; text: string }> = []
    const parser = createParser({ onEvent: ({ event = 'message', data }) => waiting.push({ event, text: data }) })
    const decoder = new TextDecoder()
    try {
      for await (const chunk of response.body ?? []) {
        parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
        for (const { event, text } of waiting.splice(0)) {
          const schema = operation.events[event]
          const data: unknown = JSON.parse(text)
          if (event === 'problem' && schema === undefined) throw errorOf(data, 'the node failed')
          yield { event, data: schema === undefined || schema === RecordsSchema ? data : Value.Decode(schema, data) }
        }
      }
    } catch (error) {
      throw error instanceof DdmError ? error : lost(this.url, error, options)
    }
  }

  #target(
    operation: { path: string; params: TSchema | undefined; query: TSchema | undefined },
    params: unknown,
    query: unknown
  ): URL {
    const parts = (operation.params === undefined ? {} : encode(operation.params, params)) as Record<string, string>
    const path = operation.path.replace(/:([a-z]+)/g, (_, name: string) => encodeURIComponent(parts[name] ?? ''))
    const target = new URL(path, this.url)
    const asked = (operation.query === undefined ? {} : encode(operation.query, query ?? {})) as object
    for (const [name, value] of Object.entries(asked)) {
      if (value !== undefined) target.searchParams.set(name, String(value))
    }
    return target
  }

  async #fetch(method: string, target: URL, { body, signal }: { body?: string } & AbortOptions): Promise<Response> {
    let response: Response
    try {
      response = await fetch(target, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' })
        },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal })
      })
    } catch (error) {
      throw lost(this.url, error, { ...(signal === undefined ? {} : { signal }) })
    }
    if (response.ok) return response
    const problem: unknown = await response.json().catch(() => undefined)
    throw errorOf(problem, `the node answered ${response.status} to ${method} ${target.pathname}`)
  }
}

/** What cannot be said is the caller's mistake: it is told here, before the node is asked. */
function encode(schema: TSchema, value: unknown): unknown {
  try {
    return Value.Encode(schema, value)
  } catch (error) {
    const { errors = [] } =
      (error as { cause?: { errors?: Array<{ instancePath: string; message: string }> } }).cause ?? {}
    const [first] = errors
    if (first === undefined) throw error
    const { instancePath, message } = first
    const at = instancePath.slice(1).replaceAll('/', '.')
    const given = instancePath
      .split('/')
      .slice(1)
      .reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], value)
    throw new DdmError('usage', `${at === '' ? 'what is asked' : `${at} ${String(given)}`}: ${message}`, {
      cause: error
    })
  }
}

function lost(url: string, error: unknown, { signal }: AbortOptions): DdmError {
  if (signal?.aborted === true) {
    const { reason } = signal
    return reason instanceof DdmError ? reason : new DdmError('aborted', 'stopped', { cause: reason })
  }
  const { cause } = error as { cause?: { code?: string } }
  const why = cause?.code ?? (error instanceof Error ? error.message : String(error))
  return new DdmError('unreachable', `the node at ${url} does not answer (${why}); start it with: ddm start`, {
    cause: error
  })
}

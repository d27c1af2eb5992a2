import type { StaticDecode, TSchema } from 'typebox'
import type { DdmNode } from '../node/index.ts'
import type { Followings } from './followings.ts'
import type { Products } from './products.ts'
import type { Purchases } from './purchases.ts'

/** What operations work on. */
export interface ApiHost {
  readonly node: DdmNode
  readonly products: Products
  readonly purchases: Purchases
  readonly followings: Followings
  readonly version: string
  /** JSON Schema of a listing document. */
  readonly listingSchema: object
  readonly openApi: () => object
  /** Unix ms. */
  readonly startedAt: number
  /** Text of `/metrics`. */
  readonly metrics: (options: { signal: AbortSignal }) => Promise<{ contentType: string; text: string }>
}

type Decoded<S> = S extends TSchema ? StaticDecode<S> : undefined

export interface Input<P = unknown, Q = unknown, B = unknown> {
  params: P
  query: Q
  body: B
}

export interface Described {
  /** Name in OpenAPI, camel case. */
  id: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `:name` for parts that `params` describes. */
  path: `/${string}`
  summary: string
  /** The command lines that do the same; absent where only programs need it. */
  command?: string | readonly string[]
}

export function commandsOf({ command = [] }: Pick<Described, 'command'>): readonly string[] {
  return typeof command === 'string' ? [command] : command
}

/** One thing that the API can do: routes, OpenAPI, client and documentation are made from it. */
export interface Operation<
  P extends TSchema | undefined = TSchema | undefined,
  Q extends TSchema | undefined = TSchema | undefined,
  B extends TSchema | undefined = TSchema | undefined,
  R extends TSchema = TSchema
> extends Described {
  params: P
  query: Q
  body: B
  result: R
  run: (
    host: ApiHost,
    input: Input<Decoded<P>, Decoded<Q>, Decoded<B>>,
    options: { signal: AbortSignal }
  ) => Promise<StaticDecode<R>>
}

/** One server-sent event; `data` is on the wire what its schema encodes. */
export interface ServerEvent {
  event: string
  data: unknown
}

/** An operation whose answer is a stream of server-sent events. */
export interface EventOperation<
  P extends TSchema | undefined = TSchema | undefined,
  Q extends TSchema | undefined = TSchema | undefined
> extends Described {
  params: P
  query: Q
  /** Schema of the data of each kind of event. */
  events: Record<string, TSchema>
  run: (
    host: ApiHost,
    input: Input<Decoded<P>, Decoded<Q>>,
    options: { signal: AbortSignal }
  ) => AsyncIterable<ServerEvent>
}

/** What is neither JSON nor events: a file. */
export interface RawAnswer {
  contentType: string
  /** Offered to the browser as the name of a download. */
  filename?: string
  body: string | AsyncIterable<string>
}

export interface RawOperation<
  P extends TSchema | undefined = TSchema | undefined,
  Q extends TSchema | undefined = TSchema | undefined
> extends Described {
  params: P
  query: Q
  /** Media types that it may answer with. */
  raw: readonly string[]
  run: (host: ApiHost, input: Input<Decoded<P>, Decoded<Q>>, options: { signal: AbortSignal }) => Promise<RawAnswer>
}

/** Any of them, for who only looks at the description. */
export type AnyOperation = Described & {
  params: TSchema | undefined
  query: TSchema | undefined
  body: TSchema | undefined
  result: TSchema
  run: (host: ApiHost, input: never, options: { signal: AbortSignal }) => Promise<unknown>
}

export type AnyEventOperation = Described & {
  params: TSchema | undefined
  query: TSchema | undefined
  events: Record<string, TSchema>
  run: (host: ApiHost, input: never, options: { signal: AbortSignal }) => AsyncIterable<ServerEvent>
}

export type AnyRawOperation = Described & {
  params: TSchema | undefined
  query: TSchema | undefined
  raw: readonly string[]
  run: (host: ApiHost, input: never, options: { signal: AbortSignal }) => Promise<RawAnswer>
}

type Parts<P, Q, B> = { params?: P; query?: Q; body?: B }

export function operation<
  R extends TSchema,
  P extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined
>(described: Omit<Operation<P, Q, B, R>, 'params' | 'query' | 'body'> & Parts<P, Q, B>): Operation<P, Q, B, R> {
  const { params, query, body } = described
  return { ...described, params: params as P, query: query as Q, body: body as B }
}

export function eventOperation<P extends TSchema | undefined = undefined, Q extends TSchema | undefined = undefined>(
  described: Omit<EventOperation<P, Q>, 'params' | 'query'> & Parts<P, Q, undefined>
): EventOperation<P, Q> {
  const { params, query } = described
  return { ...described, params: params as P, query: query as Q }
}

export function rawOperation<P extends TSchema | undefined = undefined, Q extends TSchema | undefined = undefined>(
  described: Omit<RawOperation<P, Q>, 'params' | 'query'> & Parts<P, Q, undefined>
): RawOperation<P, Q> {
  const { params, query } = described
  return { ...described, params: params as P, query: query as Q }
}

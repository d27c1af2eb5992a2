import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { DdmError, type Logger } from '../interface/index.ts'
import { ensureToken, removeAddress, writeAddress } from './address-file.ts'
import { checker } from './check.ts'
import { writeEvents } from './event-stream.ts'
import { createGuard } from './guard.ts'
import type { AnyEventOperation, AnyOperation, AnyRawOperation, ApiHost } from './operation.ts'
import { EVENT_OPERATIONS, OPERATIONS, RAW_OPERATIONS } from './operations/index.ts'
import { getHealth } from './operations/node.ts'
import { type Problem, problemOf } from './problem.ts'

/** Records that are pushed come in batches; nothing else is large. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

export interface ApiServerInit {
  host: ApiHost
  /** Where to listen: `127.0.0.1:0` takes a free port. */
  listen: { address: string; port: number }
  /** Further names under which requests may come, like `node.lan:8420`. */
  hosts: readonly string[]
  logger: Logger
  /** Folder with the page's files; without it there is no page. */
  page: string | undefined
}

export interface ApiServer {
  /** `http://127.0.0.1:8420` */
  readonly url: string
  readonly token: string
  /** @param finish - what is done while `/health` says `stopping`, and everything else 503 */
  stop: (finish?: () => Promise<void>) => Promise<void>
}

/**
 * Nothing that a stranger wrote is run: scripts come from this server alone, and nobody else may frame or read the page.
 * @source Content Security Policy Level 3
 */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin'
}

/**
 * Serves the control API of a node, and the page, over HTTP on loopback.
 *
 * @throws DdmError `portInUse`, `config`
 */
export async function serveApi({ host, listen, hosts, logger, page }: ApiServerInit): Promise<ApiServer> {
  const { home } = host.node
  const token = await ensureToken(home)
  const stopping = new AbortController()
  const app = Fastify({ logger: false, bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true, trustProxy: false })
  let guard = createGuard({ hosts: [], token })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS)
    const { url: route } = request.routeOptions
    const refusal = guard({ route, headers: request.headers })
    if (refusal !== undefined) {
      const { status, detail } = refusal
      await send(reply, { type: 'urn:ddm:error:refused', title: 'refused', status, code: 'refused', detail })
    } else if (stopping.signal.aborted && route !== getHealth.path) {
      await send(reply, { ...problemOf(stopping.signal.reason), status: 503 })
    }
  })
  app.setErrorHandler(async (error, request, reply) => {
    const problem = problemOf(requestError(error))
    if (problem.code === 'internal') {
      logger.error('request failed', { method: request.method, path: request.routeOptions.url, error: String(error) })
    }
    await send(reply, problem)
  })
  for (const operation of OPERATIONS) addOperation(app, operation, host, stopping.signal)
  for (const operation of EVENT_OPERATIONS) addEvents(app, operation, { host, stopping: stopping.signal, logger })
  for (const operation of RAW_OPERATIONS) addRaw(app, operation, host, stopping.signal)
  if (page !== undefined) {
    const { default: files } = await import('@fastify/static')
    await app.register(files, { root: page, cacheControl: false })
  }
  app.setNotFoundHandler(async (request, reply) => {
    await send(
      reply,
      problemOf(new DdmError('notFound', `there is no ${request.method} ${request.url.split('?', 1)[0]}`))
    )
  })
  const url = await open(app, listen)
  const { port } = new URL(url)
  const own = ['localhost', '127.0.0.1', '[::1]', listen.address].map((name) => `${name}:${port}`)
  guard = createGuard({ hosts: [...own, ...hosts].map((name) => name.toLowerCase()), token })
  await writeAddress(home, { url, pid: process.pid })
  return {
    url,
    token,
    stop: async (finish) => {
      stopping.abort(new DdmError('aborted', 'the node is stopping'))
      try {
        await removeAddress(home)
        await finish?.()
      } finally {
        await app.close()
      }
    }
  }
}

async function open(app: FastifyInstance, { address, port }: ApiServerInit['listen']): Promise<string> {
  try {
    return await app.listen({ host: address, port })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const at = `${address}:${port}`
    if (code === 'EADDRINUSE') {
      throw new DdmError(
        'portInUse',
        `the API cannot listen on ${at}: another program does; set "api" to another address`,
        {
          cause: error
        }
      )
    }
    throw new DdmError('config', `the API cannot listen on ${at} (${code}); set "api" to an address of this machine`, {
      cause: error
    })
  }
}

async function send(reply: FastifyReply, problem: Problem): Promise<void> {
  await reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** What fastify itself finds wrong with a request is the caller's fault. */
function requestError(error: unknown): unknown {
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  const isCallers = statusCode !== undefined && statusCode >= 400 && statusCode < 500
  return error instanceof DdmError || !isCallers ? error : new DdmError('usage', message ?? 'bad request')
}

/** Aborted when the caller is gone or the node stops. */
function signalOf(reply: FastifyReply, stopping: AbortSignal): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new DdmError('aborted', 'the caller is gone'))
  })
  return AbortSignal.any([gone.signal, stopping])
}

function addOperation(app: FastifyInstance, operation: AnyOperation, host: ApiHost, stopping: AbortSignal): void {
  const read = reader(operation)
  app.route({
    method: operation.method,
    url: operation.path,
    handler: async (request, reply) => {
      const result = await operation.run(host, read(request) as never, { signal: signalOf(reply, stopping) })
      return reply.type('application/json').send(JSON.stringify(Value.Encode(operation.result, result)))
    }
  })
}

function addEvents(
  app: FastifyInstance,
  operation: AnyEventOperation,
  { host, stopping, logger }: { host: ApiHost; stopping: AbortSignal; logger: Logger }
): void {
  const read = reader(operation)
  app.route({
    method: operation.method,
    url: operation.path,
    handler: async (request, reply) => {
      const signal = signalOf(reply, stopping)
      const events = operation.run(host, read(request) as never, { signal })
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value)
      }
      await writeEvents(reply.raw, events, operation.events, signal).catch((error: unknown) => {
        if (!signal.aborted) logger.error('events ended', { operation: operation.id, error: String(error) })
      })
    }
  })
}

function addRaw(app: FastifyInstance, operation: AnyRawOperation, host: ApiHost, stopping: AbortSignal): void {
  const read = reader(operation)
  app.route({
    method: operation.method,
    url: operation.path,
    handler: async (request, reply) => {
      const answer = await operation.run(host, read(request) as never, { signal: signalOf(reply, stopping) })
      const { contentType, filename, body } = answer
      reply.type(contentType)
      if (filename !== undefined) reply.header('content-disposition', `attachment; filename="${filename}"`)
      if (typeof body === 'string') return reply.send(body)
      const { Readable } = await import('node:stream')
      return reply.send(Readable.from(body, { objectMode: false }))
    }
  })
}

interface Read {
  params: TSchema | undefined
  query: TSchema | undefined
  body?: TSchema | undefined
}

/** Checks and reads the parts of a request that an operation describes. */
function reader({ params, query, body }: Read): (request: FastifyRequest) => unknown {
  const readParams = part('the path', 'query', params)
  const readQuery = part('the query', 'query', query)
  const readBody = part('the body', 'body', body)
  return (request) => ({
    params: readParams(request.params),
    query: readQuery(request.query),
    body: readBody(request.body)
  })
}

function part(where: string, as: 'query' | 'body', schema: TSchema | undefined): (value: unknown) => unknown {
  if (schema === undefined) return () => undefined
  const check = checker(schema, as)
  return (value) => {
    const given = typeof value === 'object' && value !== null ? { ...value } : value
    const fault = check(given)
    if (fault !== undefined) throw new DdmError('usage', `${where}${fault.at}: ${fault.what}`)
    return Value.Decode(schema, given)
  }
}

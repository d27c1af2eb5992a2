import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isValidIotaAddress } from '@iota/iota-sdk/utils'
import { DdmError, type Logger } from '../interface/index.ts'
import { normal } from './coin.ts'
import { INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, RpcError } from './errors.ts'
import { failureText } from './failure.ts'
import { Ledger } from './ledger.ts'
import { callMethod, type Methods, rpcMethods } from './rpc.ts'

const MAX_BODY_BYTES = 1 << 20
/** What the faucet gives at once: 20 IOTA. */
const FAUCET_AMOUNT = 20_000_000_000n
const HOST = '127.0.0.1'
/** Calls in one request. */
const MAX_BATCH = 50
/** Characters of an error. */
const MAX_MESSAGE = 1_000

export interface ServerInit {
  port: number
  file?: string | undefined
  finalityMs: number
  lagMs: number
  epochMs: number
  logger: Logger
}

export interface RunningServer {
  url: string
  ledger: Ledger
  close: () => Promise<void>
}

class BodyTooLarge extends Error {}

/** JSON-RPC on `/`, the faucet on `/gas`, a transaction for people on `/transaction/DIGEST`. */
export async function serve({ port, logger, ...init }: ServerInit): Promise<RunningServer> {
  const ledger = await Ledger.open(init)
  const service: Service = { ledger, methods: rpcMethods(ledger), logger }
  const server = createServer((request, response) => {
    answer(request, service)
      .then(({ status, value }) => ({ status, body: JSON.stringify(value) }))
      .catch((error: unknown) => {
        const tooLarge = error instanceof BodyTooLarge
        if (!tooLarge && !request.destroyed) logger.error('the ledger failed at a request', { error: String(error) })
        return { status: tooLarge ? 413 : 500, body: undefined }
      })
      .then(({ status, body }) => {
        if (body === undefined) response.writeHead(status, { connection: 'close' }).end()
        else response.writeHead(status, { 'content-type': 'application/json' }).end(body)
      })
      .catch((error: unknown) => logger.debug('nobody takes the answer', { error: String(error) }))
  })
  try {
    await listen(server, port)
  } catch (error) {
    await ledger.close()
    throw error
  }
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    ledger,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await ledger.close()
    }
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const busy = cause.code === 'EADDRINUSE'
      const text = busy ? `port ${port} is in use; choose another with --port` : `cannot listen on port ${port}`
      reject(new DdmError(busy ? 'portInUse' : 'config', text, { cause }))
    })
    server.listen(port, HOST, resolve)
  })
}

interface Service {
  ledger: Ledger
  methods: Methods
  logger: Logger
}

interface Answer {
  status: number
  value: unknown
}

async function answer(request: IncomingMessage, service: Service): Promise<Answer> {
  const [pathname = '/'] = (request.url ?? '/').split('?')
  if (request.method === 'GET') return lookUp(pathname, service.ledger)
  if (request.method !== 'POST') return { status: 405, value: { error: 'POST' } }
  const body = await bodyOf(request)
  if (pathname === '/gas') return faucet(body, service.ledger)
  if (pathname !== '/') return { status: 404, value: { error: 'not found' } }
  if (body === undefined) return { status: 200, value: failed(null, new RpcError(PARSE_ERROR, 'Parse error')) }
  if (!Array.isArray(body)) return { status: 200, value: await call(body, service) }
  const refused = body.length === 0 || body.length > MAX_BATCH
  if (refused) return { status: 200, value: failed(null, new RpcError(INVALID_REQUEST, 'Invalid request')) }
  return { status: 200, value: await Promise.all(body.map((one) => call(one, service))) }
}

async function call(message: unknown, { methods, logger }: Service): Promise<unknown> {
  const { id = null, method, params } = (message ?? {}) as { id?: unknown; method?: unknown; params?: unknown }
  // Whatever else a stranger writes there is not sent back.
  const known = typeof id === 'string' || typeof id === 'number' ? id : null
  if (known !== id || typeof method !== 'string') {
    return failed(known, new RpcError(INVALID_REQUEST, 'Invalid request'))
  }
  try {
    return { jsonrpc: '2.0', id: known, result: await callMethod(methods, method, params) }
  } catch (error) {
    if (!(error instanceof RpcError)) logger.warn('the ledger failed at a call', { method, error: String(error) })
    return failed(known, error)
  }
}

function failed(id: string | number | null, error: unknown) {
  const code = error instanceof RpcError ? error.code : INTERNAL_ERROR
  const message = error instanceof RpcError ? error.message.slice(0, MAX_MESSAGE) : 'Internal error'
  const data = error instanceof RpcError && error.data !== undefined ? { data: error.data } : {}
  return { jsonrpc: '2.0', id, error: { code, message, ...data } }
}

/** As `requestIotaFromFaucetV0` of the SDK asks and reads. */
async function faucet(body: unknown, ledger: Ledger): Promise<Answer> {
  const recipient = (body as { FixedAmountRequest?: { recipient?: unknown } } | null)?.FixedAmountRequest?.recipient
  const owner = typeof recipient === 'string' ? normal(recipient.slice(0, 100)) : ''
  if (!isValidIotaAddress(owner)) return { status: 400, value: { transferredGasObjects: [], error: 'no address' } }
  const { id, balance, previous } = await ledger.mint(owner, FAUCET_AMOUNT)
  const given = { amount: Number(balance), id, transferTxDigest: previous }
  return { status: 201, value: { transferredGasObjects: [given], error: null } }
}

function lookUp(pathname: string, ledger: Ledger): Answer {
  const digest = /^\/transaction\/([1-9A-HJ-NP-Za-km-z]{32,50})$/.exec(pathname)?.[1]
  const record = digest === undefined ? undefined : ledger.record(digest)
  if (record === undefined) return { status: 404, value: { error: 'not found' } }
  const { transaction, outcome, at } = record
  return {
    status: 200,
    value: {
      digest: transaction.digest,
      sender: transaction.sender,
      status: outcome.failure === undefined ? 'success' : failureText(outcome.failure),
      at: new Date(at).toISOString(),
      transfers: outcome.created.map(({ owner, balance }) => ({ to: owner, nanos: `${balance}` }))
    }
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MAX_BODY_BYTES) throw new BodyTooLarge()
    parts.push(part)
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch {
    return undefined
  }
}

import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isValidIotaAddress } from '@iota/iota-sdk/utils'
import { DdmError, type Logger } from '../interface/index.ts'
import { normal } from './coin.ts'
import { RpcError } from './errors.ts'
import { Ledger } from './ledger.ts'
import { callMethod, rpcMethods } from './rpc.ts'
import { digestOf } from './transaction.ts'

const MAX_BODY_BYTES = 1 << 20
/** What the faucet gives at once: 20 IOTA. */
const FAUCET_AMOUNT = 20_000_000_000n
const HOST = '127.0.0.1'

export interface ServerInit {
  port: number
  file?: string | undefined
  finalityMs: number
  lagMs: number
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
  const methods = rpcMethods(ledger)
  const server = createServer((request, response) => {
    answer(request, ledger, methods).then(
      ({ status, value }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
      },
      (error: unknown) => {
        const tooLarge = error instanceof BodyTooLarge
        if (!tooLarge) logger.error('the ledger failed at a request', { error: String(error) })
        response.writeHead(tooLarge ? 413 : 500, { connection: 'close' }).end()
      }
    )
  })
  await listen(server, port)
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

type Answer = { status: number; value: unknown }

async function answer(
  request: IncomingMessage,
  ledger: Ledger,
  methods: ReturnType<typeof rpcMethods>
): Promise<Answer> {
  const { pathname } = new URL(request.url ?? '/', `http://${HOST}`)
  if (request.method === 'GET') return lookUp(pathname, ledger)
  if (request.method !== 'POST') return { status: 405, value: { error: 'POST' } }
  const body = await bodyOf(request)
  if (pathname === '/gas') return faucet(body, ledger)
  if (pathname !== '/') return { status: 404, value: { error: 'not found' } }
  if (Array.isArray(body)) return { status: 200, value: await Promise.all(body.map((one) => call(one, methods))) }
  return { status: 200, value: await call(body, methods) }
}

async function call(message: unknown, methods: ReturnType<typeof rpcMethods>): Promise<unknown> {
  const { id = null, method, params } = (message ?? {}) as { id?: unknown; method?: unknown; params?: unknown }
  try {
    return { jsonrpc: '2.0', id, result: await callMethod(methods, method, params) }
  } catch (error) {
    // A stranger's bytes end in an answer, whatever they were.
    const code = error instanceof RpcError ? error.code : -32_603
    const text = error instanceof Error ? error.message.slice(0, 500) : 'error'
    return { jsonrpc: '2.0', id, error: { code, message: text } }
  }
}

/** As `requestIotaFromFaucetV0` of the SDK asks and reads. */
async function faucet(body: unknown, ledger: Ledger): Promise<Answer> {
  const recipient = (body as { FixedAmountRequest?: { recipient?: unknown } } | null)?.FixedAmountRequest?.recipient
  const owner = typeof recipient === 'string' ? normal(recipient) : ''
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
      digest: digestOf(transaction.bytes),
      sender: transaction.sender,
      status: outcome.failure ?? 'success',
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

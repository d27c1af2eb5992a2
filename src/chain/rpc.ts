import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  HttpRequestError,
  http,
  ResponseBodyTooLargeError,
  RpcRequestError,
  TimeoutError,
  type Transport,
  webSocket
} from 'viem'
import type { AbortOptions, Hex, Logger } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { aborted, errorText, findCause, shortText, throwIfAborted } from './errors.ts'

/** viem stops at 10 MiB; a page of `eth_getLogs` may be larger, and a larger one still is asked for in halves. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024
const RETRIES = 2
const RETRY_DELAY_MS = 150
const DEFAULT_TIMEOUT_MS = 10_000

/** What a URL must prove before anything it says is believed. */
export interface ExpectedChain {
  id: number
  /** undefined while a profile is being made. */
  genesisHash?: Hex
}

export interface RpcInit {
  urls: string[]
  expected?: ExpectedChain
  logger: Logger
  /** Milliseconds per request. @default 10000 */
  timeout?: number
}

/** JSON-RPC over one or several URLs of the same chain. */
export interface Rpc {
  /** Answers of the node, its errors included, come from the first URL that answers; viem's error classes pass through. */
  request: <T>(method: string, params: unknown[], options?: AbortOptions) => Promise<T>
  /** Has the chain checked again before the next request. */
  recheck: () => void
  /**
   * Calls back at each new head as long as the URL in use is a websocket and stays open; undefined for HTTP URLs.
   * Resolves with the function that unsubscribes.
   */
  subscribeHeads: (onHead: () => void, onClosed: () => void) => Promise<(() => void) | undefined>
  close: () => Promise<void>
}

interface Endpoint {
  readonly url: string
  readonly transport: ReturnType<Transport>
  /** A URL that failed proves again that it serves the expected chain: a restarted node may be another chain. */
  checked: Promise<void> | undefined
}

/** A URL as messages may show it: providers put API keys into user info, query and long path segments. */
export function shownUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname.replace(/[^/]{20,}/g, '…')}`
}

/** Whether a URL failed, as opposed to a node that answered with an error. */
function isConnectionError(error: unknown, url: string): boolean {
  if (findCause(error, ResponseBodyTooLargeError) !== undefined) return false
  if (findCause(error, RpcRequestError) !== undefined) return /rate.?limit|too many requests/i.test(errorText(error))
  const http = findCause(error, HttpRequestError)
  // 413 is an answer about this request; any other HTTP failure is about the server.
  if (http !== undefined) return http.status !== 413
  // A websocket fails with whatever event it had at hand.
  return isWebSocket(url) || findCause(error, TimeoutError) !== undefined
}

export function createRpc(init: RpcInit): Rpc {
  const { logger, expected } = init
  const timeout = init.timeout ?? DEFAULT_TIMEOUT_MS
  const endpoints = init.urls.map(
    (url): Endpoint => ({ url, transport: openTransport(url, timeout), checked: undefined })
  )
  const closing = new AbortController()
  let preferred = 0

  async function ask<T>(endpoint: Endpoint, method: string, params: unknown[], options?: AbortOptions): Promise<T> {
    // An options object without a signal would be passed on as one.
    const given = options?.signal === undefined ? undefined : { signal: options.signal }
    return (await endpoint.transport.request({ method, params }, given)) as T
  }

  /** Shared by all requests that wait for it, so no single one's signal ends it. */
  async function check(endpoint: Endpoint): Promise<void> {
    if (expected === undefined) return
    const { signal } = closing
    const id = Number(await ask<Hex>(endpoint, 'eth_chainId', [], { signal }))
    if (id !== expected.id) {
      throw mismatch(endpoint.url, 'chain ID', String(id), String(expected.id))
    }
    if (expected.genesisHash === undefined) return
    const genesis = await ask<{ hash: Hex } | null>(endpoint, 'eth_getBlockByNumber', ['0x0', false], { signal })
    const hash = genesis?.hash?.toLowerCase() ?? 'none'
    if (hash !== expected.genesisHash) throw mismatch(endpoint.url, 'genesis hash', hash, expected.genesisHash)
  }

  async function attempt<T>(endpoint: Endpoint, method: string, params: unknown[], options?: AbortOptions): Promise<T> {
    endpoint.checked ??= check(endpoint)
    const checked = endpoint.checked
    try {
      await abortable(checked, options?.signal)
      return await ask<T>(endpoint, method, params, options)
    } catch (error) {
      if (error instanceof DdmError || isConnectionError(error, endpoint.url)) {
        if (endpoint.checked === checked) endpoint.checked = undefined
        await dropSocket(endpoint)
      }
      throw error
    }
  }

  /** Retried here and not by viem, so that each try after a failure checks the chain first. */
  async function persist<T>(endpoint: Endpoint, method: string, params: unknown[], options?: AbortOptions): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await attempt<T>(endpoint, method, params, options)
      } catch (error) {
        const again = !(error instanceof DdmError) && isConnectionError(error, endpoint.url)
        if (tries === RETRIES || !again || options?.signal?.aborted === true || closing.signal.aborted) throw error
        await sleep(RETRY_DELAY_MS * 2 ** tries, undefined, options)
      }
    }
  }

  async function request<T>(method: string, params: unknown[], options?: AbortOptions): Promise<T> {
    throwIfAborted(method, options)
    const failures: Array<{ url: string; error: unknown }> = []
    for (let i = 0; i < endpoints.length; i++) {
      const at = (preferred + i) % endpoints.length
      const endpoint = endpoints[at] as Endpoint
      try {
        const result = await persist<T>(endpoint, method, params, options)
        preferred = at
        return result
      } catch (error) {
        if (options?.signal?.aborted === true) throw aborted(method, error)
        if (!(error instanceof DdmError) && !isConnectionError(error, endpoint.url)) throw error
        failures.push({ url: endpoint.url, error })
        if (endpoints.length > 1) {
          logger.warn('an RPC URL failed, trying the next one', { url: shownUrl(endpoint.url), method })
        }
      }
    }
    throw combined(failures)
  }

  return {
    request,
    recheck: () => {
      for (const endpoint of endpoints) endpoint.checked = undefined
    },
    subscribeHeads: async (onHead, onClosed) => {
      const endpoint = endpoints[preferred] as Endpoint
      if (!isWebSocket(endpoint.url)) return undefined
      const { subscribe } = endpoint.transport.value as unknown as {
        subscribe: (args: {
          params: ['newHeads']
          onData: () => void
          onError: () => void
        }) => Promise<{ unsubscribe: () => Promise<unknown> }>
      }
      const { unsubscribe } = await subscribe({ params: ['newHeads'], onData: onHead, onError: onClosed })
      return () => void unsubscribe().catch(() => {})
    },
    close: async () => {
      closing.abort()
      await Promise.all(endpoints.map(dropSocket))
    }
  }
}

/** Ends the wait, not the work. */
async function abortable(work: Promise<void>, signal?: AbortSignal): Promise<void> {
  if (signal === undefined) return await work
  signal.throwIfAborted()
  const stop = new AbortController()
  try {
    const stopped = once(signal, 'abort', { signal: stop.signal }).then(() => signal.throwIfAborted())
    await Promise.race([work, stopped])
  } finally {
    stop.abort()
  }
}

function isWebSocket(url: string): boolean {
  return /^wss?:/i.test(url)
}

function openTransport(url: string, timeout: number): ReturnType<Transport> {
  const options = { retryCount: 0, timeout }
  // viem's own reconnecting gives up after some attempts; here the next request opens a new socket.
  const transport: Transport = isWebSocket(url)
    ? webSocket(url, { ...options, reconnect: false })
    : http(url, { ...options, maxResponseBodySize: MAX_RESPONSE_BYTES })
  return transport({})
}

/** viem keeps sockets in a cache by URL, dead ones too. */
async function dropSocket(endpoint: Endpoint): Promise<void> {
  if (!isWebSocket(endpoint.url)) return
  const value = endpoint.transport.value as unknown as { getRpcClient: () => Promise<{ close: () => void }> }
  try {
    const client = await value.getRpcClient()
    client.close()
  } catch {
    // there was none, and none could be opened
  }
}

function mismatch(url: string, what: string, actual: string, wanted: string): DdmError {
  return new DdmError(
    'networkMismatch',
    `${shownUrl(url)} serves another chain: its ${what} is ${actual}, the network profile says ${wanted}. ` +
      'Join the network again with its current profile, or correct chain.rpcUrls',
    { details: { url: shownUrl(url), actual, expected: wanted } }
  )
}

/** A wrong chain is worse news than a silent one, so it is what the user hears. */
function combined(failures: Array<{ url: string; error: unknown }>): DdmError {
  const wrong = failures.find(({ error }) => error instanceof DdmError)
  if (wrong !== undefined) return wrong.error as DdmError
  const each = failures.map(({ url, error }) => `${shownUrl(url)} (${cause(error)})`).join(', ')
  return new DdmError(
    'unreachable',
    `the chain does not answer at ${each}. Start its node (\`ddm chain\` starts a local one), or correct chain.rpcUrls in the network profile`,
    { cause: failures[0]?.error, details: { urls: failures.map(({ url }) => shownUrl(url)).join(' ') } }
  )
}

function cause(error: unknown): string {
  const code = /\bE[A-Z]{4,}\b/.exec(errorText(error))?.[0]
  if (findCause(error, TimeoutError) !== undefined) return 'timeout'
  const status = findCause(error, HttpRequestError)?.status
  return code ?? (status === undefined ? shortText(error) : `HTTP ${status}`)
}

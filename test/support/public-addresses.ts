import net from 'node:net'

/**
 * Loaded with `--import` before a program: 44.0.0.x is 127.0.0.x to its sockets, and what it connects to sees it come from
 * PUBLIC_HOST. libp2p treats addresses of the Internet differently from private ones, and a test has none; on Linux every
 * 127.x.x.x is there without being root. Whoever listens on another address than PUBLIC_HOST is behind a wall: it believes to
 * be there, and nobody reaches it.
 */

const { PUBLIC_HOST = '' } = process.env

const toLoopback = (host: string): string => host.replace(/^44\./, '127.')
const toPublic = (host: string): string => (host === '127.0.0.1' ? host : host.replace(/^127\./, '44.'))

interface Target {
  host?: string
  localAddress?: string
}

function redirect(target: unknown): void {
  const options = target as Target
  if (typeof options !== 'object' || options === null || options.host?.startsWith('44.') !== true) return
  options.host = toLoopback(options.host)
  options.localAddress = toLoopback(PUBLIC_HOST)
}

/** Methods of node:net, with any of their signatures. */
type Methods = Record<string, (this: unknown, ...args: unknown[]) => unknown>
const socket = net.Socket.prototype as unknown as Methods
const server = net.Server.prototype as unknown as Methods

const { connect, _getpeername, _getsockname } = socket
socket.connect = function (...args) {
  // net.connect passes its arguments on as one array.
  const [first] = args
  redirect(Array.isArray(first) ? first[0] : first)
  return connect?.apply(this, args)
}

const { listen, address } = server
server.listen = function (...args) {
  const options = args[0] as Target | null
  if (typeof options === 'object' && options?.host?.startsWith('44.')) options.host = toLoopback(PUBLIC_HOST)
  return listen?.apply(this, args)
}
server.address = function () {
  return seen(address?.call(this))
}

// What remoteAddress and localAddress read; those cannot be replaced themselves.
socket._getpeername = function () {
  return seen(_getpeername?.call(this))
}
socket._getsockname = function () {
  return seen(_getsockname?.call(this))
}

function seen(found: unknown): unknown {
  const { address: host } = (found ?? {}) as { address?: string }
  return host === undefined ? found : { ...(found as object), address: toPublic(host) }
}

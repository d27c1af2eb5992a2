import net from 'node:net'

/**
 * Loaded with `--import` before a program: 44.0.0.x is 127.0.0.x to its sockets, and what it connects to sees it come from
 * PUBLIC_HOST. libp2p treats addresses of the Internet differently from private ones, and a test has none; on Linux every
 * 127.x.x.x is there without being root. PUBLIC_TOLD is what the program believes to listen on, when somebody is in between.
 */

const { PUBLIC_HOST = '', PUBLIC_TOLD } = process.env

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

// biome-ignore lint/suspicious/noExplicitAny: overloads of node:net that take the options first
type Any = any

const { connect } = net.Socket.prototype
net.Socket.prototype.connect = function (this: net.Socket, ...args: Any[]) {
  // net.connect passes its arguments on as one array.
  const [first] = args as [unknown]
  redirect(Array.isArray(first) ? first[0] : first)
  return (connect as Any).apply(this, args)
} as Any

const { listen, address } = net.Server.prototype
net.Server.prototype.listen = function (this: net.Server, ...args: Any[]) {
  const options = args[0] as Target | null
  if (typeof options === 'object' && options?.host !== undefined) options.host = toLoopback(options.host)
  return (listen as Any).apply(this, args)
} as Any
net.Server.prototype.address = function (this: net.Server) {
  const found = address.call(this)
  if (found === null || typeof found === 'string' || found.address === '127.0.0.1') return found
  return { ...found, address: PUBLIC_TOLD ?? toPublic(found.address) }
}

// What remoteAddress and localAddress read; those cannot be replaced themselves.
const prototype = net.Socket.prototype as Any
for (const name of ['_getpeername', '_getsockname']) {
  const get = prototype[name] as () => { address?: string }
  prototype[name] = function (this: net.Socket) {
    const found = get.call(this)
    return found.address === undefined ? found : { ...found, address: toPublic(found.address) }
  }
}

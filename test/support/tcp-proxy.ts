import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface TcpProxy {
  readonly port: number
  /** Ends all connections; new ones are taken. */
  cut: () => void
  /** Passes nothing on any more, as a server that hangs: connections stay open, and new ones are taken. */
  freeze: () => void
  /** After freeze: connections are passed on again; those that hung are gone. */
  thaw: () => void
  /** Bytes that the server has sent so far. */
  relayed: () => number
}

/**
 * A connection to a server that a test can cut.
 *
 * @param answer - what is answered to the first bytes instead of passing them on, when it gives something
 */
export async function tcpProxy(
  t: Pick<TestContext, 'after'>,
  target: number,
  answer?: (first: Buffer) => Buffer | undefined
): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let bytes = 0
  let frozen = false
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    return socket
  }
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const freeze = (): void => {
    frozen = true
    for (const socket of sockets) socket.unpipe().pause()
  }
  const thaw = (): void => {
    frozen = false
    cut()
  }
  const relay = (client: Socket, first?: Buffer): void => {
    const upstream = keep(createConnection({ port: target, host: '127.0.0.1' }))
    if (first !== undefined) upstream.write(first)
    client.pipe(upstream).pipe(client)
    upstream.on('data', (chunk) => {
      bytes += chunk.length
    })
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.destroy())
  }
  const server = createServer((client) => {
    keep(client)
    if (frozen) return
    if (answer === undefined) return relay(client)
    client.once('data', (first: Buffer) => {
      const instead = answer(first)
      if (instead === undefined) relay(client, first)
      else client.end(instead)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    cut()
  })
  return { port: (server.address() as { port: number }).port, cut, freeze, thaw, relayed: () => bytes }
}

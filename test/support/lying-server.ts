import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

const PIECE = Buffer.alloc(64 * 1024, 0x20)

export interface LyingServer {
  readonly port: number
  /** Bytes that have left. */
  sent: () => number
}

/** A server of any protocol that a test speaks by hand; the connections that are open end with the test. */
export async function lyingServer(
  t: Pick<TestContext, 'after'>,
  greet: (socket: Socket) => void
): Promise<LyingServer> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    greet(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as { port: number }).port,
    sent: () => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0)
  }
}

/** Sends the same bytes as long as the other side takes them. */
export function sendForEver(socket: Socket, piece: Buffer = PIECE): void {
  if (socket.destroyed) return
  if (socket.write(piece)) setImmediate(sendForEver, socket, piece)
  else socket.once('drain', () => sendForEver(socket, piece))
}

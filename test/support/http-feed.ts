import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface HttpServer {
  readonly port: number
  readonly url: string
  /** Requests so far. */
  readonly requests: Array<{ method: string | undefined; headers: IncomingMessage['headers']; body: string }>
  /** Bytes that have left. */
  sent: () => number
  /** Ends all connections; new ones are taken. */
  cut: () => void
  close: () => Promise<void>
  /** After close: again on the same port. */
  open: () => Promise<void>
}

/** A real server on this machine, which a test can cut, close and open again. */
export async function httpServer(
  t: Pick<TestContext, 'after'>,
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void
): Promise<HttpServer> {
  const sockets = new Set<Socket>()
  let gone = 0
  const requests: HttpServer['requests'] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('error', () => {})
    response.on('error', () => {})
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      requests.push({ method: request.method, headers: request.headers, body })
      answer(request, response, body)
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => {
      gone += socket.bytesWritten
      sockets.delete(socket)
    })
  })
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  let port = 0
  const open = async (): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as { port: number }).port
  }
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    cut()
    await once(server, 'close')
  }
  await open()
  t.after(close)
  return {
    port,
    url: `http://127.0.0.1:${port}/feed`,
    requests,
    sent: () => [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, gone),
    cut,
    close,
    open
  }
}

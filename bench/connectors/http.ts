import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createParser } from 'eventsource-parser'
import { WebSocket, WebSocketServer } from 'ws'
import { webhook } from '../../src/data/sinks/webhook.ts'
import { poll } from '../../src/data/sources/poll.ts'
import { sse } from '../../src/data/sources/sse.ts'
import { webSocket } from '../../src/data/sources/websocket.ts'
import { type Connector, readAll, recordText, writeAll } from './case.ts'

const BATCH = 256

/** Over HTTP and WebSockets on loopback: the reference is the client library alone, at the same server. */
export const httpCases: Connector = async function* (closers, records) {
  const texts = Array.from({ length: records }, (_, number) => recordText(number))
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method === 'POST') {
      for await (const _chunk of request);
      response.end('{}')
      return
    }
    if (request.url === '/poll') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(`[${texts.join(',')}]`)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const [id, text] of texts.entries()) {
      if (!response.write(`id: ${id}\ndata: ${text}\n\n`)) await once(response, 'drain')
    }
  }
  const server = createServer((request, response) => void serve(request, response).catch(() => {}))
  const sockets = new WebSocketServer({ server })
  const stream = async (socket: WebSocket): Promise<void> => {
    for (const text of texts) {
      socket.send(text)
      while (socket.bufferedAmount > 1_000_000) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  sockets.on('connection', (socket) => void stream(socket).catch(() => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.after(() => {
    sockets.close()
    server.closeAllConnections()
    server.close()
  })
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const prepare = async (): Promise<void> => {}

  yield {
    name: 'poll source',
    prepare,
    ours: () => readAll(poll(`http://${at}/poll`), records),
    bare: async () => {
      const answer = (await (await fetch(`http://${at}/poll`)).json()) as object[]
      for (const one of answer) JSON.stringify(one)
    }
  }
  yield {
    name: 'sse source',
    prepare,
    ours: () => readAll(sse(`http://${at}/`), records),
    bare: async () => {
      const stop = new AbortController()
      let count = 0
      const parser = createParser({ onEvent: () => (count += 1) })
      const response = await fetch(`http://${at}/`, { signal: stop.signal })
      const decoder = new TextDecoder()
      for await (const chunk of response.body ?? []) {
        parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
        if (count >= records) break
      }
      stop.abort()
    }
  }
  yield {
    name: 'websocket source',
    prepare,
    ours: () => readAll(webSocket(`ws://${at}/`), records),
    bare: () =>
      new Promise((resolve) => {
        let count = 0
        const socket = new WebSocket(`ws://${at}/`)
        socket.on('message', () => {
          count += 1
          if (count < records) return
          socket.terminate()
          resolve()
        })
      })
  }
  yield {
    name: 'webhook sink',
    prepare,
    ours: async () => writeAll(await webhook(`http://${at}/`), records),
    bare: async () => {
      for (let from = 0; from < records; from += BATCH) {
        const body = `[${texts.slice(from, from + BATCH).join(',')}]`
        await (await fetch(`http://${at}/`, { method: 'POST', body })).arrayBuffer()
      }
    }
  }
}

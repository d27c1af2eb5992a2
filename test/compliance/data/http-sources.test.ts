import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { type WebSocket, WebSocketServer } from 'ws'
import { MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { recordsOf } from '../../support/connectors.ts'
import { httpServer } from '../../support/http-feed.ts'
import { freePort } from '../../support/server.ts'
import { dataSourceCompliance, type SourceCompliance, type SourceWorld } from './data-source.ts'

const tooLarge = 'x'.repeat(MAX_RECORD_BYTES + 1)

/** Names of what is not there, or does not let us in. */
async function refusedBy(
  t: TestContext,
  kind: string,
  scheme: string
): ReturnType<NonNullable<SourceCompliance['refused']>> {
  const server = await httpServer(t, (request, response) => {
    const [, status = '500'] = /\/([0-9]+)/.exec(request.url ?? '') ?? []
    response.writeHead(Number(status)).end()
  })
  const at = (path: string): string => `${kind}${scheme}://ann:secret@127.0.0.1:${server.port}/${path}?token=secret`
  const closed = await freePort()
  return [
    { spec: at('401'), code: 'config', message: /401.*check user and password/ },
    { spec: at('403'), code: 'config', message: /403/ },
    { spec: at('404'), code: 'notFound', message: /404/ },
    { spec: at('400'), code: 'config', message: /400/ },
    {
      spec: `${kind}${scheme}://ann:secret@127.0.0.1:${closed}/`,
      code: 'unreachable',
      message: new RegExp(`127\\.0\\.0\\.1:${closed}.*nothing listens there`)
    },
    { spec: `${kind}${scheme}://ann:secret@`, code: 'usage' }
  ]
}

async function startPoll(t: TestContext): Promise<SourceWorld> {
  /** What the next answers are: the last one stays. */
  let answers = ['[]']
  const server = await httpServer(t, (_request, response) => {
    const body = answers.length > 1 ? answers.shift() : answers[0]
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  })
  return {
    spec: `poll:${server.url}`,
    options: { periodMs: 100 },
    send: async (from, to) => {
      const last = answers.at(-1) ?? '[]'
      // A reader that comes later has to find it.
      answers = last === '[]' ? [`[${recordsOf(from, to).join(',')}]`] : [last, `[${recordsOf(from, to).join(',')}]`]
    },
    cut: async () => {
      await server.close()
      await new Promise((resolve) => setTimeout(resolve, 300))
      await server.open()
    },
    oversized: async () => {
      answers = [`"${tooLarge}"`]
      await new Promise((resolve) => setTimeout(resolve, 300))
    },
    malformed: async () => {
      answers = ['{"n":']
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  }
}

dataSourceCompliance('poll', {
  able: ['cut', 'oversized', 'malformed'],
  start: startPoll,
  refused: (t) => refusedBy(t, 'poll:', 'http')
})

async function startSse(t: TestContext): Promise<SourceWorld> {
  const log: string[] = []
  const open = new Set<ServerResponse>()
  let flooding = false
  const fill = (response: ServerResponse): void => {
    while (response.write(`data: "${'x'.repeat(60_000)}"\n\n`));
    response.once('drain', () => fill(response))
  }
  const server = await httpServer(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    response.flushHeaders()
    response.write('retry: 50\n\n: hello\n\n')
    if (flooding) return fill(response)
    const last = request.headers['last-event-id']
    response.write(log.slice(last === undefined ? 0 : Number(last) + 1).join(''))
    open.add(response)
    response.once('close', () => open.delete(response))
  })
  const send = (event: string): void => {
    log.push(event)
    for (const response of open) response.write(event)
  }
  return {
    spec: `sse:${server.url}`,
    send: async (from, to) => {
      for (const text of recordsOf(from, to)) send(`id: ${log.length}\ndata: ${text}\n\n`)
    },
    cut: server.cut,
    oversized: async () => {
      send(`id: ${log.length}\ndata: ${tooLarge}\ndata: the same event\n\n`)
      send(`id: ${log.length}\r\ndata: ${tooLarge}\r\n\r\n`)
    },
    flood: async () => {
      flooding = true
      return server.sent
    }
  }
}

dataSourceCompliance('sse', {
  able: ['cut', 'oversized', 'flood'],
  start: startSse,
  resumes: true,
  refused: (t) => refusedBy(t, 'sse:', 'http')
})

async function startWebSocket(t: TestContext): Promise<SourceWorld> {
  /** What came before the first reader. */
  const early: string[] = []
  const open = new Set<WebSocket>()
  let flooding = false
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  const sent = new Set<WebSocket>()
  sockets.on('connection', (socket) => {
    open.add(socket)
    sent.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => open.delete(socket))
    const fill = (): void => {
      socket.send('x'.repeat(60_000), (error) => {
        if (!error) fill()
      })
    }
    if (flooding) return fill()
    for (const message of early) socket.send(message)
  })
  await once(sockets, 'listening')
  const { port } = sockets.address() as { port: number }
  let delivered = 0
  return {
    spec: `ws://127.0.0.1:${port}/feed`,
    send: async (from, to) => {
      const texts = recordsOf(from, to)
      if (delivered++ === 0 && open.size === 0) early.push(...texts)
      else {
        while (open.size === 0) await new Promise((resolve) => setTimeout(resolve, 10))
        for (const socket of open) for (const text of texts) socket.send(Math.random() < 0.5 ? text : Buffer.from(text))
      }
    },
    cut: () => {
      early.length = 0
      for (const socket of open) socket.terminate()
      open.clear()
    },
    oversized: async () => {
      while (open.size === 0) await new Promise((resolve) => setTimeout(resolve, 10))
      for (const socket of open) socket.send(tooLarge)
      open.clear()
    },
    flood: async () => {
      flooding = true
      return () => [...sent].reduce((sum, socket) => sum + (socketOf(socket)?.bytesWritten ?? 0), 0)
    }
  }
}

function socketOf(socket: WebSocket): { bytesWritten: number } | undefined {
  return (socket as unknown as { _socket?: { bytesWritten: number } })._socket
}

dataSourceCompliance('websocket', {
  able: ['cut', 'oversized', 'flood'],
  start: startWebSocket,
  refused: (t) => refusedBy(t, '', 'ws')
})

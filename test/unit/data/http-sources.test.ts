import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { parseSource, type SourceOptions } from '../../../src/data/index.ts'
import { webSocket } from '../../../src/data/sources/websocket.ts'
import { MAX_RECORD_BYTES, type SourceRecord } from '../../../src/interface/index.ts'
import { collect, recordsOf } from '../../support/connectors.ts'
import { httpServer } from '../../support/http-feed.ts'
import { lyingServer, sendForEver } from '../../support/lying-server.ts'

async function take(spec: string, count: number, { from, ...options }: SourceOptions & { from?: string } = {}) {
  const source = await parseSource(spec, { periodMs: 100, ...options })
  return collect(source, {
    until: (all) => all.length >= count,
    ...(from === undefined ? {} : { from })
  })
}

/** What comes within a time, or until something is so. */
async function during(time: number | (() => boolean), spec: string, from?: string): Promise<SourceRecord[]> {
  const source = await parseSource(spec, { periodMs: 100 })
  const stop = new AbortController()
  const { signal } = stop
  const isOver = typeof time === 'number' ? undefined : time
  const timer = setInterval(() => isOver?.() === true && stop.abort(), 10)
  const end = setTimeout(() => stop.abort(), typeof time === 'number' ? time : 60_000)
  const records: SourceRecord[] = []
  const reading = (async () => {
    for await (const one of source.records({ signal, ...(from === undefined ? {} : { from }) })) records.push(one)
  })()
  await assert.rejects(reading, { code: 'aborted' })
  clearInterval(timer)
  clearTimeout(end)
  return records
}

/** A server that says what it likes, below HTTP. */
async function rawServer(t: TestContext, answer: (socket: Socket, connection: number) => void): Promise<string> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => answer(socket, connections++))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`
}

test('poll: the same answer again is no record, with ETag, Last-Modified or neither, and over a restart', async (t) => {
  let n = 0
  let tagged = true
  const server = await httpServer(t, (request, response) => {
    const tag = `"${n}"`
    if (tagged && request.headers['if-none-match'] === tag) return response.writeHead(304).end()
    const headers = tagged ? { etag: tag, 'last-modified': 'Sat, 31 Jan 2026 12:00:00 GMT' } : {}
    response.writeHead(200, headers).end(`{"n":${n}}`)
  })
  const [first, ...more] = await during(() => server.requests.length >= 4, server.url)
  assert.ok(first !== undefined)
  const { bytes, position } = first
  assert.deepEqual([Buffer.from(bytes).toString(), more], ['{"n":0}', []])
  assert.ok(server.requests.length >= 3)
  assert.equal(server.requests.at(-1)?.headers['if-none-match'], '"0"')
  assert.equal(server.requests.at(-1)?.headers['if-modified-since'], 'Sat, 31 Jan 2026 12:00:00 GMT')
  assert.ok(position !== undefined)
  tagged = false
  assert.deepEqual(await during(300, server.url, position), [])
  n = 1
  assert.deepEqual((await take(server.url, 1, { from: position })).texts, ['{"n":1}'])
  await assert.rejects(take(server.url, 1, { from: '[]x' }), { code: 'usage' })
})

test('poll: the items of an array are records, whose long numbers stay what they are', async (t) => {
  const server = await httpServer(t, (_request, response) => {
    response.end('[ {"id": 12345678901234567890, "x": 1.50}, 7, "a" ]')
  })
  assert.deepEqual((await take(server.url, 3)).texts, ['{"id":12345678901234567890,"x":1.50}', '7', '"a"'])
})

test('poll: a server that is busy is left alone for as long as it says', async (t) => {
  let busy = 1
  let at = 0
  const server = await httpServer(t, (_request, response) => {
    if (busy-- > 0) {
      at = performance.now()
      response.writeHead(429, { 'retry-after': '1' }).end()
    } else response.end('{}')
  })
  const problems: string[] = []
  await take(server.url, 1, { onProblem: ({ message }) => problems.push(message) })
  assert.ok(performance.now() - at >= 1_000)
  assert.match(problems.join(), /answers 429/)
})

test('poll: user, password and headers are sent, and nowhere shown', async (t) => {
  const server = await httpServer(t, (_request, response) => response.end('{}'))
  const spec = `poll:http://ann:p%40ss@127.0.0.1:${server.port}/air?token=secret`
  const source = await parseSource(spec, { headers: { 'X-Key': 'secret' } })
  assert.equal(source.name, `http://127.0.0.1:${server.port}/air`)
  await collect(source, { until: () => true })
  const { headers } = server.requests[0] ?? {}
  assert.equal(headers?.authorization, `Basic ${Buffer.from('ann:p@ss').toString('base64')}`)
  assert.equal(headers?.['x-key'], 'secret')
  await assert.rejects(parseSource(spec, { headers: { 'a b': 'secret' } }), /a header is not one/)
  for (const deaf of ['telemetry', 'mqtt://127.0.0.1/air', 'csv:air.csv']) {
    const refused = parseSource(deaf, { headers: { 'X-Key': 'secret' } })
    await assert.rejects(refused, /^DdmError: headers are sent by sources of poll, .*; "(telemetry|mqtt|csv)" has none/)
  }
})

test('poll and sse: a redirect is followed nowhere: no other host is asked or shown the headers', async (t) => {
  const inside = await httpServer(t, (_request, response) => response.end('{"secret":1}'))
  const { port } = new URL(inside.url)
  for (const status of [301, 302, 303, 307, 308]) {
    for (const location of [inside.url, `http://2130706433:${port}/`, `http://[::ffff:127.0.0.1]:${port}/`]) {
      const outside = await httpServer(t, (_request, response) => response.writeHead(status, { location }).end())
      const options = { headers: { 'x-api-key': 'secret' } }
      await assert.rejects(take(outside.url, 1, options), { code: 'config', message: /moved; give its new address/ })
      await assert.rejects(take(`sse:${outside.url}`, 1, options), { code: 'config' })
    }
  }
  assert.deepEqual(inside.requests, [])
})

test('poll: an answer without an end, or that is cut short of its length, is no record', async (t) => {
  const endless = await rawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    const fill = (): void => {
      while (socket.writable && socket.write(chunk));
    }
    socket.on('drain', fill)
    fill()
  })
  await assert.rejects(take(endless, 1), { code: 'badRecord', message: /too large/ })
  const lying = await rawServer(t, (socket, connection) => {
    const body = '{"n":1}'
    const length = connection === 0 ? 1_000 : connection === 1 ? 3 : body.length
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`)
  })
  const problems: string[] = []
  const { texts } = await take(lying, 1, { onError: 'skip', onProblem: ({ code }) => problems.push(code) })
  assert.deepEqual(texts, ['{"n":1}'])
  assert.ok(problems.length >= 1)
  assert.ok(problems.every((code) => code === 'unreachable'))
})

test('sse: fields, comments, line ends and cut characters are what the standard says', async (t) => {
  const server = await httpServer(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const bytes = Buffer.from(
      '\uFEFF: comment\n\ndata: {"a":\ndata: "é"}\n\nevent: other\r\nid: 7\r\ndata: 2\r\n\r\ndata: 3\n\nid: 8\n\n'
    )
    for (const byte of bytes) response.write(Buffer.from([byte]))
  })
  const { texts, position } = await take(`sse:${server.url}`, 3)
  assert.deepEqual(texts, ['{"a":\n"é"}', '2', '3'])
  assert.equal(position, '7')
})

test('sse: a server that has no more ends the source; what is no stream is named', async (t) => {
  let status = 200
  const server = await httpServer(t, (_request, response) => {
    response.writeHead(status, { 'content-type': status === 200 ? 'text/event-stream' : 'application/json' })
    response.end('id: 1\ndata: 1\n\n')
    status = 204
  })
  const source = await parseSource(`sse:${server.url}`)
  assert.deepEqual((await collect(source, { until: () => false })).texts, ['1'])
  assert.equal(server.requests[1]?.headers['last-event-id'], '1')
  const other = await httpServer(t, (_request, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end()
  )
  await assert.rejects(take(`sse:${other.url}`, 1), {
    code: 'config',
    message: /gives text\/html, not text\/event-stream/
  })
})

test('sse: a server that flaps is asked again after the pause that it names', async (t) => {
  const at: number[] = []
  const server = await httpServer(t, (_request, response) => {
    at.push(performance.now())
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`retry: 400\n\ndata: ${at.length}\n\n`)
  })
  assert.deepEqual((await take(`sse:${server.url}`, 3)).texts, ['1', '2', '3'])
  assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 395)
})

test('sse: large events come whole, one byte more is refused and what follows is read', async (t) => {
  const largest = 'x'.repeat(MAX_RECORD_BYTES)
  const server = await httpServer(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${largest.slice(0, -20)}\n\ndata: ${largest}y\n\ndata: ${largest}\r\ndata: y\r\n\r\n`)
    response.write('data: 1\n\n')
  })
  let skipped = 0
  const { texts } = await take(`sse:${server.url}`, 2, {
    onError: 'skip',
    onSkip: () => {
      skipped += 1
    }
  })
  assert.deepEqual([texts[0]?.length, texts[1], skipped], [MAX_RECORD_BYTES - 20, '1', 2])
})

const EVENT_LINE = Buffer.from(`data: ${'x'.repeat(1_000)}\n`)

for (const [what, head, again] of [
  ['a line without end', '\r\ndata: ', undefined],
  ['lines without end', '\r\n', EVENT_LINE],
  ['a length of 8 PB', `Content-Length: ${2n ** 53n - 1n}\r\n\r\ndata: `, undefined],
  ['a chunk of 4 EB', 'Transfer-Encoding: chunked\r\n\r\n3fffffffffffffff\r\ndata: ', undefined]
] as const) {
  test(`sse: an event with ${what} is refused without being kept`, async (t) => {
    const lying = await lyingServer(t, (socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n${head}`)
        sendForEver(socket, again)
      })
    })
    await assert.rejects(take(`sse:http://127.0.0.1:${lying.port}/`, 1), {
      code: 'badRecord',
      message: /an event has more than the 1048512 bytes of a record/
    })
    assert.ok(lying.sent() < 16 * 1024 * 1024, `${lying.sent()} bytes were taken`)
  })
}

test('websocket: headers and password go along; broken text closes it and it is opened again', async (t) => {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(sockets, 'listening')
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  const seen: Array<string | undefined> = []
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => {})
    seen.push(request.headers.authorization)
    for (const text of recordsOf(seen.length * 10, seen.length * 10 + 10)) socket.send(text)
    // Text that is not UTF-8.
    if (seen.length === 1) socket.send(Buffer.from([0xff]), { binary: false })
  })
  const { port } = sockets.address() as { port: number }
  const problems: string[] = []
  const source = await parseSource(`ws://ann:secret@127.0.0.1:${port}/?token=secret`, {
    onProblem: ({ message }) => problems.push(message)
  })
  const { texts } = await collect(source, { until: (all) => all.at(-1) === '{"n":29}' })
  assert.deepEqual(texts.slice(-10), recordsOf(20, 30))
  assert.deepEqual(
    seen,
    Array.from({ length: 2 }, () => `Basic ${Buffer.from('ann:secret').toString('base64')}`)
  )
  assert.equal(problems.length, 1)
  assert.doesNotMatch(problems.join(), /secret/)
})

test('websocket: a reader that stops before there is a connection opens none', async (t) => {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(sockets, 'listening')
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  let opened = 0
  sockets.on('connection', (socket) => {
    opened += 1
    // Else the reader would wait for ever.
    socket.send('1')
  })
  const { port } = sockets.address() as { port: number }
  const source = await parseSource(`ws://127.0.0.1:${port}/`, {})
  const stop = new AbortController()
  const waiting = source.records({ signal: stop.signal })[Symbol.asyncIterator]().next()
  stop.abort()
  await assert.rejects(waiting, { code: 'aborted' })
  assert.equal(opened, 0)
})

test('websocket: a page that is none is named', async (t) => {
  const server = await httpServer(t, (_request, response) => response.end('hello'))
  await assert.rejects(take(`ws://127.0.0.1:${server.port}/`, 1), { code: 'config', message: /answers 200/ })
})

/** A WebSocket frame of a server: its first byte, and a length of 64 bits. */
function frame(first: number, length: bigint, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.from([first, 127, 0, 0, 0, 0, 0, 0, 0, 0])
  head.writeBigUInt64BE(length, 2)
  return Buffer.concat([head, payload])
}

const PART = Buffer.alloc(32_768, 0x20)

for (const [what, first, again] of [
  ['a length of 4 EB', frame(0x81, 2n ** 62n), undefined],
  ['a length of one byte too many', frame(0x82, BigInt(MAX_RECORD_BYTES + 1)), undefined],
  ['parts without end', frame(0x01, BigInt(PART.length), PART), frame(0x00, BigInt(PART.length), PART)]
] as const) {
  test(`websocket: a message with ${what} is refused without being kept`, async (t) => {
    const lying = await lyingServer(t, (socket) => {
      socket.once('data', (request: Buffer) => {
        const [, key = ''] = /sec-websocket-key: *([^\r]+)/i.exec(request.toString('latin1')) ?? []
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
        )
        socket.write(first)
        sendForEver(socket, again)
      })
    })
    const reading = collect(webSocket(`ws://127.0.0.1:${lying.port}/`), { until: () => true })
    await assert.rejects(reading, {
      code: 'badRecord',
      message: /a message has more than the 1048512 bytes of a record/
    })
    assert.ok(lying.sent() < 16 * 1024 * 1024, `${lying.sent()} bytes were taken`)
  })
}

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { natsSink } from '../../../src/data/sinks/nats.ts'
import { natsSource } from '../../../src/data/sources/nats.ts'
import { type DataSink, MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { collect, recordsOf } from '../../support/connectors.ts'
import { lyingServer, sendForEver } from '../../support/lying-server.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { freePort } from '../../support/server.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'

/** Against the real nats-server with JetStream. */

async function client(t: TestContext, port: number, login: { user?: string; pass?: string } = {}) {
  const connection = await connect({
    servers: `127.0.0.1:${port}`,
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
    ...login
  })
  t.after(() => connection.close())
  const manager = await jetstreamManager(connection, { timeout: 30_000 })
  const js = manager.jetstream()
  return {
    manager,
    addStream: async (name = 'S', subjects = ['a.>']): Promise<void> =>
      void (await manager.streams.add({ name, subjects })),
    send: async (from: number, to: number, subject = 'a.b'): Promise<void> => {
      for (const text of recordsOf(from, to)) {
        // What is asked while the connection is lost gets no answer; what came twice is kept once.
        const publish = (): Promise<unknown> => js.publish(subject, text, { msgID: `${subject} ${text}`, timeout: 500 })
        for (let stored = false; !stored; ) {
          stored = await publish().then(
            () => true,
            () => false
          )
        }
      }
    },
    stored: async (): Promise<number> => {
      const count = async (): Promise<number> => (await manager.streams.info('S')).state.messages
      return count().catch(count)
    }
  }
}

const write = (sink: DataSink, from: number, to: number): Promise<void> =>
  sink.write(recordsOf(from, to).map((text, i) => ({ offset: BigInt(from + i), bytes: Buffer.from(text) })))

test('what a stream holds and gets is read in order; a later run goes on after its position', async (t) => {
  const server = await startNatsServer(t)
  if (server === undefined) return
  const { addStream, send } = await client(t, server.port)
  await addStream()
  await send(0, 50)
  await send(0, 5, 'a.other')
  const spec = `nats://127.0.0.1:${server.port}/S?subject=a.b`
  const reading = collect(natsSource(spec), { until: (all) => all.length >= 80 })
  await send(50, 120)
  const { texts, position } = await reading
  assert.deepEqual(texts, recordsOf(0, 80))
  assert.equal(position, '85')
  const { texts: rest } = await collect(natsSource(spec), { until: (all) => all.length >= 40, from: position ?? '' })
  assert.deepEqual(rest, recordsOf(80, 120))
})

test('restarted servers and cut connections lose nothing, repeat nothing and change no order', async (t) => {
  const server = await startNatsServer(t)
  if (server === undefined) return
  const proxy = await tcpProxy(t, server.port)
  const { addStream, send } = await client(t, server.port)
  await addStream()
  let cuts = 0
  const begun = Promise.withResolvers<void>()
  const reading = collect(natsSource(`nats://127.0.0.1:${proxy.port}/S`), {
    until: (all) => {
      begun.resolve()
      if (all.length % 150 === 0) {
        cuts += 1
        proxy.cut()
      }
      return all.length >= 1_000
    }
  })
  await send(0, 500)
  // The first connection must succeed.
  await begun.promise
  await server.kill('SIGTERM')
  await server.start()
  await send(500, 1_000)
  assert.deepEqual((await reading).texts, recordsOf(0, 1_000))
  assert.equal(cuts, 6)
})

for (const [title, happens] of [
  ['whose connection is cut as it leaves', 'cut'],
  ['that leaves a server that hangs', 'freeze']
] as const) {
  test(`a reader ${title} is let go`, async (t) => {
    const server = await startNatsServer(t)
    if (server === undefined) return
    const proxy = await tcpProxy(t, server.port)
    const { addStream, send } = await client(t, server.port)
    await addStream()
    await send(0, 2)
    const { texts } = await collect(natsSource(`nats://127.0.0.1:${proxy.port}/S`), {
      until: () => {
        proxy[happens]()
        return true
      }
    })
    assert.deepEqual(texts, recordsOf(0, 1))
  })
}

test('a kept consumer is acknowledged when records are durable; what was not comes again', async (t) => {
  const server = await startNatsServer(t)
  if (server === undefined) return
  const { addStream, send, manager } = await client(t, server.port)
  await addStream()
  await send(0, 100)
  const spec = `nats://127.0.0.1:${server.port}/S?durable=seller-1`
  await collect(natsSource(spec), { until: (all) => all.length >= 15, durableTo: 10 })
  const info = () => manager.consumers.info('S', 'seller-1')
  let now = await info()
  // What the reader said as it left is on its way.
  for (const end = Date.now() + 60_000; now.ack_floor.stream_seq < 10 && Date.now() < end; ) now = await info()
  const { ack_floor, num_ack_pending, num_pending } = now
  assert.equal(ack_floor.stream_seq, 10)
  assert.equal(num_ack_pending + num_pending, 90)
})

test('a slow reader holds the server back instead of filling memory', async (t) => {
  const server = await startNatsServer(t)
  if (server === undefined) return
  const { addStream, manager } = await client(t, server.port)
  await addStream()
  const payload = Buffer.alloc(500_000, 0x20)
  for (let n = 0; n < 120; n++) await manager.jetstream().publish('a.b', payload, { timeout: 30_000 })
  const proxy = await tcpProxy(t, server.port)
  const stop = new AbortController()
  const reader = natsSource(`nats://127.0.0.1:${proxy.port}/S`).records({ signal: stop.signal })[Symbol.asyncIterator]()
  await reader.next()
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.ok(proxy.relayed() < 12_000_000, `${proxy.relayed()} bytes of 60,000,000 were taken unread`)
  for (let n = 1; n < 120; n++) assert.equal((await reader.next()).value?.position, String(n + 1))
  const waiting = reader.next()
  stop.abort()
  await assert.rejects(waiting, { code: 'aborted' })
})

test('the sink stores each record once, over restarts and cuts', async (t) => {
  const server = await startNatsServer(t)
  if (server === undefined) return
  const proxy = await tcpProxy(t, server.port)
  const { addStream, stored } = await client(t, server.port)
  await addStream()
  const sink = await natsSink(`nats://127.0.0.1:${proxy.port}/S?subject=a.out`)
  for (let n = 0; n < 8; n++) {
    await write(sink, n * 100, n * 100 + 100)
    proxy.cut()
  }
  await sink.flush()
  assert.equal(await stored(), 800)
  await server.kill('SIGTERM')
  const writing = write(sink, 800, 1_000)
  await server.start()
  await writing
  await sink.flush()
  await write(sink, 900, 1_000)
  await sink.close()
  await sink.close()
  assert.equal(await stored(), 1_000)
  const { texts } = await collect(natsSource(`nats://127.0.0.1:${server.port}/S`), {
    until: (all) => all.length >= 1_000
  })
  assert.deepEqual(texts, recordsOf(0, 1_000))
})

test('a server that is down, a wrong password, and what is not there are said clearly and without the password', async (t) => {
  const port = await freePort()
  const says = async (spec: string, code: string, message: RegExp): Promise<void> => {
    const check = (error: Error & { code: string }): true => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /geheim|falsch/)
      return true
    }
    await assert.rejects(async () => collect(natsSource(spec.replace('&id=x', '')), { until: () => true }), check)
    await assert.rejects(() => natsSink(spec), check)
  }
  await says(
    `nats://ann:geheim@127.0.0.1:${port}/S?subject=a.b`,
    'unreachable',
    /does not answer: nothing listens there/
  )
  await says('nats://ann:geheim@host?subject=a', 'usage', /add the name of the stream/)
  await says('nats://host/a.b?subject=a', 'usage', /is no name of a stream/)
  await says('nats://host/S?subject=a..b', 'usage', /has an empty part/)
  await says('nats://host/S?subject=a.>.b', 'usage', /has a > before its end/)
  await assert.rejects(natsSink('nats://host/S?subject=a.>'), { code: 'usage', message: /has wildcards/ })
  await assert.rejects(natsSink('nats://host/S'), { code: 'usage', message: /add \?subject=/ })
  const server = await startNatsServer(t, { users: { ann: 'geheim' }, port })
  if (server === undefined) return
  await says(`nats://ann:falsch@127.0.0.1:${port}/S?subject=a.b`, 'config', /does not let us in with this user name/)
  await says(`nats://127.0.0.1:${port}/S?subject=a.b`, 'config', /does not let us in without a user name/)
  await says(`nats://ann:geheim@127.0.0.1:${port}/S?subject=a.b`, 'notFound', /there is no stream "S"/)
  const { addStream, send } = await client(t, port, { user: 'ann', pass: 'geheim' })
  await addStream()
  await send(0, 1)
  const login = `nats://ann:geheim@127.0.0.1:${port}/S`
  await assert.rejects(natsSink(`${login}?subject=other`), {
    code: 'config',
    message: /does not take "other"; it takes a\.>/
  })
  const ahead = collect(natsSource(login), { until: () => true, from: '7' })
  await assert.rejects(ahead, { code: 'config', message: /ends at 1, and 7 was read before: it was made anew/ })
  const plain = await startNatsServer(t, { jetstream: false })
  await says(`nats://127.0.0.1:${plain?.port}/S?subject=a`, 'config', /has no JetStream; start it with -js/)
})

test('a server that states a length of 900 MB is left long before it has sent it', async (t) => {
  const lying = await lyingServer(t, (socket) => {
    socket.write('INFO {"server_id":"x","version":"2.11.0","headers":true,"max_payload":1048576,"proto":1}\r\n')
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (const line of text.split('\r\n')) {
        const [verb, , reply] = line.split(' ')
        if (verb === 'PING') socket.write('PONG\r\n')
        if (verb !== 'PUB' && verb !== 'HPUB') continue
        socket.write(`MSG ${reply} 1 900000000\r\n`)
        sendForEver(socket)
      }
    })
  })
  const spec = `nats://127.0.0.1:${lying.port}/S?subject=a`
  const said = { code: 'badRecord', message: /sends a message of more than 8388608 bytes; a record has at most/ }
  await assert.rejects(collect(natsSource(spec), { until: () => true }), said)
  await assert.rejects(natsSink(spec), said)
  assert.ok(lying.sent() < 2 * 32 * 1024 * 1024, `${lying.sent()} bytes were taken`)
})

test('a message over the limit of a record is left out or ends the source, by its number', async (t) => {
  const server = await startNatsServer(t)
  if (server === undefined) return
  const { addStream, send, manager } = await client(t, server.port)
  await addStream()
  await manager.jetstream().publish('a.b', Buffer.alloc(MAX_RECORD_BYTES + 1))
  await send(0, 5)
  const spec = `nats://127.0.0.1:${server.port}/S`
  await assert.rejects(collect(natsSource(spec), { until: () => true }), {
    code: 'badRecord',
    message: /message 1 has 1048513 bytes; a record has at most 1048512/
  })
  const { texts } = await collect(natsSource(spec, { onError: 'skip' }), { until: (all) => all.length >= 5 })
  assert.deepEqual(texts, recordsOf(0, 5))
})

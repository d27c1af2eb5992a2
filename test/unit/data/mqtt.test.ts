import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import mqtt from 'mqtt'
import { mqttSink } from '../../../src/data/sinks/mqtt.ts'
import { mqttSource } from '../../../src/data/sources/mqtt.ts'
import { collect, recordsOf } from '../../support/connectors.ts'
import { keepSession, startMosquitto } from '../../support/mosquitto.ts'
import { freePort } from '../../support/server.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'

/** Against the real mosquitto. */

async function publisher(t: TestContext, port: number) {
  const client = await mqtt.connectAsync({ port, host: '127.0.0.1', clientId: `publisher-${port}`, clean: false })
  client.on('error', () => {})
  t.after(() => client.end(true))
  return {
    /** Resolves when the broker has them. */
    send: async (topic: string, from: number, to: number): Promise<void> => {
      await Promise.all(recordsOf(from, to).map((text) => client.publishAsync(topic, text, { qos: 1 })))
    }
  }
}

for (const version of ['5', '3.1.1']) {
  const level = version === '5' ? 5 : 4

  test(`MQTT ${version}: what is published is read in order, with its topic when asked`, async (t) => {
    const broker = await startMosquitto(t)
    if (broker === undefined) return
    const { send } = await publisher(t, broker.port)
    const spec = `mqtt://127.0.0.1:${broker.port}/a/+/#?version=${version}`
    for (const client of ['reader', 'wrapper']) await keepSession(broker.port, client, 'a/+/#', level)
    await send('a/b/c', 0, 3_000)
    const { texts } = await collect(mqttSource(`${spec}&client=reader`), { until: (all) => all.length >= 3_000 })
    assert.deepEqual(texts, recordsOf(0, 3_000))
    const wrapped = await collect(mqttSource(`${spec}&wrap=topic&client=wrapper`), {
      until: (all) => all.length >= 3_000
    })
    assert.equal(wrapped.texts[7], '{"topic":"a/b/c","payload":{"n":7}}')
  })

  test(`MQTT ${version}: the broker is told only when a record is durable, so what was not comes again`, async (t) => {
    const broker = await startMosquitto(t)
    if (broker === undefined) return
    const { send } = await publisher(t, broker.port)
    const spec = `mqtt://127.0.0.1:${broker.port}/a?version=${version}&client=reader`
    await keepSession(broker.port, 'reader', 'a', level)
    await send('a', 0, 100)
    const first = await collect(mqttSource(spec), { until: (all) => all.length >= 15, durableTo: 10 })
    assert.deepEqual(first.texts.slice(0, 15), recordsOf(0, 15))
    const second = await collect(mqttSource(spec), { until: (all) => all.length >= 90 })
    assert.deepEqual(second.texts, recordsOf(10, 100))
  })

  test(`MQTT ${version}: nothing is lost when the broker is restarted and when the connection is cut again and again`, async (t) => {
    const broker = await startMosquitto(t)
    if (broker === undefined) return
    const proxy = await tcpProxy(t, broker.port)
    const spec = `mqtt://127.0.0.1:${proxy.port}/a?version=${version}&client=reader`
    await keepSession(broker.port, 'reader', 'a', level)
    const { send } = await publisher(t, broker.port)
    const seen = new Set<string>()
    let cuts = 0
    const begun = Promise.withResolvers<void>()
    const reading = collect(mqttSource(spec), {
      until: (all) => {
        begun.resolve()
        seen.add(all.at(-1) ?? '')
        if (all.length % 100 === 0 && cuts < 5) {
          cuts += 1
          proxy.cut()
        }
        return seen.size >= 1_000
      }
    })
    await send('a', 0, 500)
    // The first connection must succeed.
    await begun.promise
    await broker.kill('SIGTERM')
    await broker.start()
    await send('a', 500, 1_000)
    await reading
    assert.deepEqual([...seen].sort(), recordsOf(0, 1_000).sort())
    assert.equal(cuts, 5)
  })

  test(`MQTT ${version}: the sink waits for the broker, over restarts and cuts`, async (t) => {
    const broker = await startMosquitto(t)
    if (broker === undefined) return
    const proxy = await tcpProxy(t, broker.port)
    const spec = `mqtt://127.0.0.1:${broker.port}/out?client=reader`
    await keepSession(broker.port, 'reader', 'out', 5)
    const sink = await mqttSink(`mqtt://127.0.0.1:${proxy.port}/out?version=${version}`)
    const write = (from: number, to: number) =>
      sink.write(recordsOf(from, to).map((text, i) => ({ offset: BigInt(from + i), bytes: Buffer.from(text) })))
    await write(0, 300)
    await sink.flush()
    for (let n = 0; n < 5; n++) {
      await write(300 + n * 100, 400 + n * 100)
      proxy.cut()
    }
    await sink.flush()
    await broker.kill('SIGTERM')
    const writing = write(800, 1_000)
    await broker.start()
    await writing
    await sink.flush()
    await sink.close()
    const seen = new Set<string>()
    await collect(mqttSource(spec), { until: (all) => seen.add(all.at(-1) ?? '').size >= 1_000 })
    assert.deepEqual([...seen].sort(), recordsOf(0, 1_000).sort())
  })
}

test('a slow reader holds the broker back instead of filling memory', async (t) => {
  const broker = await startMosquitto(t)
  if (broker === undefined) return
  for (const qos of [1, 0]) {
    const proxy = await tcpProxy(t, broker.port)
    const source = mqttSource(`mqtt://127.0.0.1:${proxy.port}/big?qos=${qos}`)
    const stop = new AbortController()
    const reader = source.records({ signal: stop.signal })[Symbol.asyncIterator]()
    const client = await mqtt.connectAsync({ port: broker.port, host: '127.0.0.1', clean: true })
    const payload = Buffer.alloc(100_000, 0x20)
    const started = reader.next()
    // Until the subscription stands.
    while (!(await isReading(started))) await client.publishAsync('big', '1', { qos: 1 })
    for (let n = 0; n < 1_200; n++) await client.publishAsync('big', payload, { qos: 1 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    // What the inbox may hold, and the buffers of the system on the way.
    assert.ok(proxy.relayed() < 60_000_000, `QoS ${qos}: ${proxy.relayed()} bytes of 120,000,000 were taken unread`)
    let read = 0
    while (read < 20) if ((await reader.next()).value.bytes.length === payload.length) read += 1
    stop.abort()
    await assert.rejects(
      async () => {
        for (;;) await reader.next()
      },
      { code: 'aborted' }
    )
    await client.endAsync(true)
  }
})

async function isReading(started: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    started.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 20))
  ])
}

test('a broker that hangs is left: a sink with records that it does not acknowledge, a source that is stopped', async (t) => {
  const broker = await startMosquitto(t)
  if (broker === undefined) return
  const proxy = await tcpProxy(t, broker.port)
  const { send } = await publisher(t, broker.port)
  await keepSession(broker.port, 'reader', 'a', 5)
  await send('a', 0, 1)
  const sink = await mqttSink(`mqtt://127.0.0.1:${proxy.port}/b`)
  const stop = new AbortController()
  const reader = mqttSource(`mqtt://127.0.0.1:${proxy.port}/a?client=reader`)
    .records({ signal: stop.signal })
    [Symbol.asyncIterator]()
  await reader.next()
  proxy.freeze()
  const waiting = reader.next()
  await sink.write([{ offset: 0n, bytes: Buffer.from('1') }])
  stop.abort()
  await assert.rejects(sink.close({ signal: stop.signal }), { code: 'aborted' })
  await assert.rejects(waiting, { code: 'aborted' })
})

test('a reader that stops before there is a connection opens none', async (t) => {
  let asked = 0
  const proxy = await tcpProxy(t, 1, () => {
    asked += 1
    return Buffer.from([0x20, 0x02, 0x00, 0x05])
  })
  const stop = new AbortController()
  const reader = mqttSource(`mqtt://127.0.0.1:${proxy.port}/a`).records({ signal: stop.signal })[Symbol.asyncIterator]()
  const waiting = reader.next()
  stop.abort()
  await assert.rejects(waiting, { code: 'aborted' })
  assert.equal(asked, 0)
})

test('a source has the same client ID at every start, one that every broker takes', async (t) => {
  const ids: string[] = []
  // CONNECT: 10 <length> 00 04 M Q T T <level> <flags> <keep alive> <properties> <ID>; CONNACK: not authorized.
  const proxy = await tcpProxy(t, 1, (first) => {
    ids.push(/ddm-[0-9a-f]+$/.exec(first.toString('latin1'))?.[0] ?? '')
    return Buffer.from([0x20, 0x02, 0x00, 0x05])
  })
  const read = (topic: string): Promise<void> =>
    assert.rejects(
      collect(mqttSource(`mqtt://127.0.0.1:${proxy.port}/${topic}?version=3.1.1`), { until: () => true }),
      { code: 'config' }
    )
  await read('a')
  await read('a')
  await read('b')
  assert.equal(ids[0]?.length, 23)
  assert.equal(ids[1], ids[0])
  assert.notEqual(ids[2], ids[0])
})

test('a broker from before MQTT 5 is spoken to in 3.1.1, unless version says otherwise', async (t) => {
  const broker = await startMosquitto(t)
  if (broker === undefined) return
  const levels: number[] = []
  // A CONNECT has the protocol level after its name: 10 <length> 00 04 M Q T T <level>.
  const proxy = await tcpProxy(t, broker.port, (first) => {
    const level = first[first.indexOf('MQTT') + 4] ?? 0
    levels.push(level)
    return level === 5 ? Buffer.from([0x20, 0x02, 0x00, 0x01]) : undefined
  })
  const sink = await mqttSink(`mqtt://127.0.0.1:${proxy.port}/a`)
  await sink.write([{ offset: 0n, bytes: Buffer.from('1') }])
  await sink.flush()
  await sink.close()
  assert.deepEqual(levels, [5, 4])
  await assert.rejects(mqttSink(`mqtt://127.0.0.1:${proxy.port}/a?version=5`), { code: 'config', message: /MQTT 5$/ })
})

test('a broker that is down, a wrong password and a forbidden topic are said clearly and without the password', async (t) => {
  const port = await freePort()
  const says = async (spec: string, code: string, message: RegExp): Promise<void> => {
    const check = (error: Error & { code: string }): true => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /geheim|falsch/)
      return true
    }
    await assert.rejects(async () => collect(mqttSource(spec), { until: () => true }), check)
    await assert.rejects(() => mqttSink(spec), check)
  }
  await says(`mqtt://ann:geheim@127.0.0.1:${port}/a`, 'unreachable', /does not answer: nothing listens there/)
  await says(`mqtt://ann:geheim@no-such-host.invalid/a`, 'unreachable', /no such host|cannot be looked up/)
  await says('mqtt://ann:ge/heim@host/a', 'usage', /mqtt:\/\/… is not an address like/)
  await says('mqtt://host/a?qos=2', 'usage', /qos "2" is not one of 0, 1/)
  await says('mqtt://host/a?kos=1', 'usage', /no option "kos"/)
  await says('mqtt://host/a?version=4', 'usage', /neither 5 nor 3\.1\.1/)
  await says('mqtt://host', 'usage', /is empty/)
  await says('mqtt://host/a/#/b', 'usage', /# that is not its whole last level/)
  await says('mqtt://host/a/b+', 'usage', /\+ that is not a whole level/)
  await assert.rejects(mqttSink('mqtt://host/a/#'), { code: 'usage', message: /has wildcards/ })

  const broker = await startMosquitto(t, {
    users: { ann: 'geheim' },
    acl: ['user ann', 'topic readwrite mine/#'],
    port
  })
  if (broker === undefined) return
  for (const version of ['5', '3.1.1']) {
    await says(
      `mqtt://ann:falsch@127.0.0.1:${port}/mine/a?version=${version}`,
      'config',
      /user "ann": wrong user name or/
    )
    await says(`mqtt://127.0.0.1:${port}/mine/a?version=${version}`, 'config', /without a user name/)
  }
  const sink = await mqttSink(`mqtt://ann:geheim@127.0.0.1:${port}/others/a`)
  await sink.write([{ offset: 0n, bytes: Buffer.from('1') }])
  await assert.rejects(sink.flush(), { code: 'config', message: /does not take records on "others\/a"/ })
  await assert.rejects(sink.close(), { code: 'config' })
  assert.equal(sink.name, `mqtt://127.0.0.1:${port}/others/a`)
})

for (const version of ['5', '3.1.1']) {
  test(`MQTT ${version}: a subscription that the broker refuses is said`, async (t) => {
    const broker = await startMosquitto(t, { refuseSubscriptions: true })
    if (broker === undefined) return
    const reading = collect(mqttSource(`mqtt://127.0.0.1:${broker.port}/a/#?version=${version}`), { until: () => true })
    await assert.rejects(reading, { code: 'config', message: /does not let us subscribe to "a\/#"/ })
  })
}

test('a broker that gives the session to another client is not fought over', async (t) => {
  // CONNACK, and DISCONNECT with the reason "session taken over".
  const answer = Buffer.from([0x20, 0x03, 0x00, 0x00, 0x00, 0xe0, 0x02, 0x8e, 0x00])
  const proxy = await tcpProxy(t, 1, () => answer)
  const reading = collect(mqttSource(`mqtt://127.0.0.1:${proxy.port}/a?version=5`), { until: () => true })
  await assert.rejects(reading, { code: 'config', message: /another client uses the ID ddm-.*client=NAME/ })
})

for (const version of ['5', '3.1.1']) {
  test(`MQTT ${version}: a broker that announces a packet of 256 MiB is left before it has sent it`, async (t) => {
    const connack = version === '5' ? [0x20, 0x03, 0x00, 0x00, 0x00] : [0x20, 0x02, 0x00, 0x00]
    const begun = Buffer.concat([
      Buffer.from([...connack, 0x30, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x01, 0x61]),
      Buffer.alloc(3_000_000)
    ])
    const proxy = await tcpProxy(t, 1, () => begun)
    const reading = collect(mqttSource(`mqtt://127.0.0.1:${proxy.port}/a?version=${version}`), { until: () => true })
    await assert.rejects(reading, { code: 'badRecord', message: /a packet of more than 1114048 bytes/ })
  })
}

import type { TestContext } from 'node:test'
import mqtt from 'mqtt'
import { mqttSource } from '../../../src/data/sources/mqtt.ts'
import { MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { collect, recordsOf } from '../../support/connectors.ts'
import { keepSession, startMosquitto } from '../../support/mosquitto.ts'
import { freePort } from '../../support/server.ts'
import { sharedServer } from '../../support/shared-server.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { dataSinkCompliance, type SinkWorld } from './data-sink.ts'
import { dataSourceCompliance, type SourceWorld } from './data-source.ts'

/** Against the real mosquitto. */

const broker = sharedServer((t) => startMosquitto(t))

const LARGE = Buffer.alloc(500_000, 0x20)
const END = '"end"'
let worlds = 0

async function publisher(t: TestContext, port: number) {
  const client = await mqtt.connectAsync({ port, host: '127.0.0.1' })
  t.after(() => client.endAsync(true))
  return (topic: string, payload: string | Buffer) => client.publishAsync(topic, payload, { qos: 1 })
}

async function startSource(t: TestContext, version: 4 | 5): Promise<SourceWorld | undefined> {
  const server = await broker(t)
  if (server === undefined) return undefined
  const { port } = server
  const topic = `source/${++worlds}`
  const client = `reader-${worlds}`
  const proxy = await tcpProxy(t, port)
  const publish = await publisher(t, port)
  // From now on nothing is lost, whoever reads.
  await keepSession(port, client, topic, version)
  return {
    spec: `mqtt://127.0.0.1:${proxy.port}/${topic}?client=${client}&version=${version === 5 ? '5' : '3.1.1'}`,
    send: async (from, to) => void (await Promise.all(recordsOf(from, to).map((text) => publish(topic, text)))),
    cut: proxy.cut,
    oversized: async () => void (await publish(topic, 'x'.repeat(MAX_RECORD_BYTES + 1))),
    flood: async () => {
      for (let n = 0; n < 120; n++) await publish(topic, LARGE)
      return proxy.relayed
    }
  }
}

async function startSink(t: TestContext, version: 4 | 5): Promise<SinkWorld | undefined> {
  const server = await broker(t)
  if (server === undefined) return undefined
  const { port } = server
  const topic = `sink/${++worlds}`
  const proxy = await tcpProxy(t, port)
  const publish = await publisher(t, port)
  await keepSession(port, `reader-${worlds}`, topic, version)
  const reader = mqttSource(`mqtt://127.0.0.1:${port}/${topic}?client=reader-${worlds}`)
  return {
    spec: `mqtt://127.0.0.1:${proxy.port}/${topic}?version=${version === 5 ? '5' : '3.1.1'}`,
    arrived: async () => {
      await publish(topic, END)
      const { texts } = await collect(reader, { until: (all) => all.at(-1) === END })
      return texts.slice(0, -1)
    },
    hold: proxy.freeze,
    release: proxy.thaw,
    cut: proxy.cut
  }
}

async function refused(): Promise<Array<{ spec: string; code: 'unreachable' | 'usage'; message?: RegExp }>> {
  const closed = await freePort()
  return [
    {
      spec: `mqtt://ann:secret@127.0.0.1:${closed}/a`,
      code: 'unreachable',
      message: new RegExp(`127\\.0\\.0\\.1:${closed}.*nothing listens there`)
    },
    { spec: 'mqtt://ann:secret@127.0.0.1', code: 'usage' }
  ]
}

for (const [name, version] of [
  ['MQTT 5', 5],
  ['MQTT 3.1.1', 4]
] as const) {
  dataSourceCompliance(name, {
    able: ['cut', 'oversized', 'flood'],
    resumes: true,
    start: (t) => startSource(t, version),
    refused
  })
  dataSinkCompliance(name, { able: ['hold', 'cut'], start: (t) => startSink(t, version), refused })
}

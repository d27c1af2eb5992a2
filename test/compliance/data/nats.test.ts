import type { TestContext } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { natsSource } from '../../../src/data/sources/nats.ts'
import { MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { collect, recordsOf } from '../../support/connectors.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { freePort } from '../../support/server.ts'
import { sharedServer } from '../../support/shared-server.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { dataSinkCompliance } from './data-sink.ts'
import { dataSourceCompliance } from './data-source.ts'

/** Against the real nats-server with JetStream. */

const server = sharedServer((t) => startNatsServer(t))
let worlds = 0

async function startStream(t: TestContext) {
  const running = await server(t)
  if (running === undefined) return undefined
  const connection = await connect({ servers: `127.0.0.1:${running.port}` })
  t.after(() => connection.close())
  const manager = await jetstreamManager(connection)
  const js = manager.jetstream()
  const name = `S${++worlds}`
  await manager.streams.add({ name, subjects: [name] })
  const proxy = await tcpProxy(t, running.port)
  return {
    proxy,
    direct: `nats://127.0.0.1:${running.port}/${name}`,
    spec: `nats://127.0.0.1:${proxy.port}/${name}?subject=${name}`,
    publish: (payload: string | Uint8Array) => js.publish(name, payload),
    count: async () => (await manager.streams.info(name)).state.messages
  }
}

async function refused(t: TestContext) {
  const running = await server(t)
  if (running === undefined) return []
  const closed = await freePort()
  return [
    {
      spec: `nats://ann:secret@127.0.0.1:${closed}/S?subject=a`,
      code: 'unreachable' as const,
      message: new RegExp(`127\\.0\\.0\\.1:${closed}.*nothing listens there`)
    },
    {
      spec: `nats://ann:secret@127.0.0.1:${running.port}/NONE?subject=a`,
      code: 'notFound' as const,
      message: /there is no stream "NONE"/
    },
    { spec: 'nats://ann:secret@127.0.0.1/', code: 'usage' as const }
  ]
}

dataSourceCompliance('NATS', {
  able: ['cut', 'oversized', 'flood'],
  resumes: true,
  start: async (t) => {
    const stream = await startStream(t)
    if (stream === undefined) return undefined
    const { spec, proxy, publish } = stream
    return {
      spec,
      send: async (from, to) => {
        for (const text of recordsOf(from, to)) await publish(text)
      },
      cut: proxy.cut,
      oversized: async () => void (await publish('x'.repeat(MAX_RECORD_BYTES + 1))),
      flood: async () => {
        for (let n = 0; n < 120; n++) await publish(Buffer.alloc(500_000, 0x20))
        return proxy.relayed
      }
    }
  },
  refused
})

dataSinkCompliance('NATS', {
  able: ['hold', 'cut'],
  start: async (t) => {
    const stream = await startStream(t)
    if (stream === undefined) return undefined
    const { spec, proxy, direct, count } = stream
    return {
      spec,
      arrived: async () => {
        const all = await count()
        return (await collect(natsSource(direct), { until: ({ length }) => length >= all })).texts
      },
      hold: proxy.freeze,
      release: proxy.thaw,
      cut: proxy.cut
    }
  },
  refused
})

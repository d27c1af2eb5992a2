import mqtt from 'mqtt'
import { mqttSink } from '../../src/data/sinks/mqtt.ts'
import { mqttSource } from '../../src/data/sources/mqtt.ts'
import { keepSession, startMosquitto } from '../../test/support/mosquitto.ts'
import { type Connector, readAll, sendAll, writeAll } from './case.ts'

export const mqttCases: Connector = async function* (closers, records) {
  const broker = await startMosquitto(closers)
  if (broker === undefined) return
  const { port } = broker
  const at = `mqtt://127.0.0.1:${port}`
  const publish = async (topic: string, qos: 0 | 1): Promise<void> => {
    const client = await mqtt.connectAsync({ port, host: '127.0.0.1', protocolVersion: 5 })
    await sendAll(records, (text) => client.publishAsync(topic, text, { qos }))
    await client.endAsync()
  }
  for (const qos of [0, 1] as const) {
    yield {
      name: `mqtt sink QoS ${qos}`,
      prepare: async () => {},
      ours: async () => writeAll(await mqttSink(`${at}/out?qos=${qos}`), records),
      bare: () => publish('out', qos)
    }
  }
  yield {
    name: 'mqtt source QoS 1',
    // The messages wait in a session of the reader.
    prepare: async (round) => {
      await keepSession(port, `reader-${round}`, `in/${round}`, 5)
      await publish(`in/${round}`, 1)
    },
    ours: (round) => readAll(mqttSource(`${at}/in/${round}?client=reader-${round}&version=5`), records),
    bare: async (round) => {
      const client = mqtt.connect({
        port,
        host: '127.0.0.1',
        protocolVersion: 5,
        clientId: `reader-${round}`,
        clean: false,
        properties: { sessionExpiryInterval: 3_600, receiveMaximum: 1_024 }
      })
      let count = 0
      await new Promise<void>((resolve) => {
        client.on('message', () => {
          count += 1
          if (count === records) resolve()
        })
      })
      await client.endAsync()
    }
  }
}

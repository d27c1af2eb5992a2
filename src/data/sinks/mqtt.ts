import { randomUUID } from 'node:crypto'
import { type DataSink, DdmError } from '../../interface/index.ts'
import { unreachable } from '../brokers/failures.ts'
import { type MqttAddress, type MqttConnection, openMqtt, parseMqttAddress } from '../brokers/mqtt.ts'
import { persistently } from '../brokers/reconnect.ts'
import { Outbox } from './outbox.ts'

/** Messages that a broker takes ahead of its answers when it does not say. */
const USUAL_RECEIVE_MAXIMUM = 1_000

/** Below this no broker answers: these reason codes end the sink instead of sending the message again. */
const FIRST_ERROR_CODE = 128

/** A packet's header, packet ID and properties. */
const PACKET_OVERHEAD_BYTES = 16

/**
 * Publishes records to an MQTT topic, `mqtt://user:password@host:1883/topic?qos=1`. With QoS 1 `flush` resolves when the
 * broker has acknowledged every record; a record may come twice when the connection is lost.
 *
 * @example
 * ```ts
 * const sink = await mqttSink('mqtt://broker.example/bought/wind')
 * ```
 *
 * @throws DdmError `usage`; `unreachable` when the broker does not answer, `config` when it does not let us in
 */
export async function mqttSink(spec: string): Promise<DataSink> {
  const to = parseMqttAddress(spec, [])
  const { address, topic, qos } = to
  if (/[#+]/.test(topic)) {
    throw new DdmError('usage', `${address.name}: the topic "${topic}" has wildcards; records go to one topic`)
  }
  const stop = new AbortController()
  const clientId = address.get('client') ?? `ddm-${randomUUID()}`
  let connection: MqttConnection | undefined

  const open = (): Promise<MqttConnection> =>
    openMqtt(to, { clientId, clean: true, properties: {}, onLost: () => lost() }, { signal: stop.signal })
  const outbox = new Outbox<Uint8Array>({ send: (payload) => publish(payload) })
  const publish = async (payload: Uint8Array): Promise<void> => {
    const limit = connection?.connack.properties?.maximumPacketSize
    if (limit !== undefined && payload.byteLength + Buffer.byteLength(topic) + PACKET_OVERHEAD_BYTES > limit) {
      const text = `${address.name}: a record of ${payload.byteLength} bytes; the broker takes packets of at most ${limit}`
      throw new DdmError('config', text, { details: { bytes: payload.byteLength, limit } })
    }
    try {
      await connection?.client.publishAsync(topic, Buffer.from(payload), { qos })
    } catch (error) {
      throw fault(to, error as Error)
    }
  }
  const opened = (next: MqttConnection): void => {
    connection = next
    // Closed while it was opened.
    if (stop.signal.aborted) return void next.end()
    const { receiveMaximum = USUAL_RECEIVE_MAXIMUM } = next.connack.properties ?? {}
    outbox.open(Math.min(receiveMaximum, USUAL_RECEIVE_MAXIMUM))
  }
  const lost = (): void => {
    outbox.interrupt()
    persistently(open, stop.signal).then(opened, (error: Error) => outbox.fail(error))
  }
  opened(await open())

  return {
    name: address.name,
    write: (records, options) =>
      outbox.add(
        records.map(({ bytes }) => ({ item: bytes, bytes: bytes.byteLength })),
        options
      ),
    flush: (options) => outbox.empty(options),
    mark: async (options) => {
      await outbox.empty(options)
      return JSON.stringify({ to: address.name })
    },
    close: async (options) => {
      if (stop.signal.aborted) return
      try {
        await outbox.empty(options)
      } finally {
        stop.abort()
        outbox.fail(new DdmError('internal', `${address.name} is closed`))
        await connection?.end()
      }
    }
  }
}

/** Errors without a code of the broker are those of the connection: the message is sent again on the next one. */
function fault({ address, topic }: MqttAddress, error: Error): DdmError {
  const code = Number((error as { code?: unknown }).code)
  if (!(code >= FIRST_ERROR_CODE)) return unreachable(address.name, error)
  const text = `${address.name}: the broker does not take records on "${topic}": ${error.message}`
  return new DdmError('config', text, { cause: error })
}

import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { IPublishPacket } from 'mqtt'
import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'
import { MAX_PACKET_BYTES, type MqttAddress, type MqttConnection, openMqtt, parseMqttAddress } from '../brokers/mqtt.ts'
import { linger, reconnecting } from '../brokers/reconnect.ts'
import { asJson } from '../sinks/json-line.ts'
import { MqttInbox } from './mqtt-inbox.ts'
import { type ProblemOptions, problems } from './problems.ts'

/** Messages that the broker may send ahead of our acknowledgement: as many as the log stores in a few blocks. */
const RECEIVE_MAXIMUM = 1_024

/** How long a broker keeps messages for a seller that is away. */
const SESSION_SECONDS = 7 * 86_400

/** Send retained messages only for a subscription that is new. @source MQTT 5.0 §3.8.3.1 */
const RETAINED_ONCE = 1

/**
 * The messages of an MQTT topic, `mqtt://user:password@host:1883/topic/#?qos=1`; `mqtts` is over TLS. A record is a
 * payload as it came, with `wrap=topic` the JSON object `{"topic":…,"payload":…}`.
 *
 * With QoS 1 the broker keeps a session for us and gets its acknowledgement when the record is durable: at least once.
 * Its client ID is the same at every start on this machine, so two sellers of one topic there need `client=NAME`.
 *
 * @example
 * ```ts
 * const source = mqttSource('mqtt://broker.example/sensors/+/wind?qos=1&wrap=topic')
 * ```
 *
 * @throws DdmError `usage` at once; when read, `unreachable` when the broker does not answer at the start, `config` when
 * it does not let us in or subscribe
 */
export function mqttSource(spec: string, options: ProblemOptions = {}): DataSource {
  const to = parseMqttAddress(spec, ['wrap'])
  const { address } = to
  const wrap = address.get('wrap')
  if (wrap !== undefined && wrap !== 'topic') {
    throw new DdmError('usage', `${address.name}: wrap "${wrap}" is not known; there is wrap=topic`)
  }
  const problem = problems(options)
  const pending = new Acknowledgements()
  const toRecord = (packet: IPublishPacket): SourceRecord | undefined => {
    const payload = packet.payload as Buffer
    const bytes = wrap === undefined ? payload : wrapped(packet.topic, payload)
    if (bytes.byteLength <= MAX_RECORD_BYTES) return { bytes }
    const text = `${address.name}: a message of ${bytes.byteLength} bytes; a record has at most ${MAX_RECORD_BYTES}`
    problem(new DdmError('badRecord', text, { details: { bytes: bytes.byteLength, limit: MAX_RECORD_BYTES } }))
    return undefined
  }
  return {
    name: address.name,
    finite: false,
    records: ({ signal } = {}) =>
      reconnecting((opened) => receive(to, pending, toRecord, opened, { ...(signal && { signal }) }), signal, options),
    durable: (position) => pending.durable(Number(position))
  }
}

function wrapped(topic: string, payload: Buffer): Uint8Array {
  return Buffer.concat([Buffer.from(`{"topic":${JSON.stringify(topic)},"payload":`), asJson(payload), Buffer.from('}')])
}

async function* receive(
  to: MqttAddress,
  pending: Acknowledgements,
  toRecord: (packet: IPublishPacket) => SourceRecord | undefined,
  opened: () => void,
  options: AbortOptions
): AsyncGenerator<SourceRecord> {
  const { signal } = options
  const inbox = new MqttInbox()
  const keeps = to.qos > 0
  let connection: MqttConnection | undefined
  connection = await openMqtt(
    to,
    {
      clientId: to.address.get('client') ?? (keeps ? stableId(to) : `ddm-${randomUUID()}`),
      clean: !keeps,
      properties: {
        receiveMaximum: RECEIVE_MAXIMUM,
        maximumPacketSize: MAX_PACKET_BYTES,
        ...(keeps ? { sessionExpiryInterval: SESSION_SECONDS } : {})
      },
      onMessage: (packet, more) => inbox.put(packet, () => connection?.client, more),
      onLost: (error) => inbox.fail(error)
    },
    options
  )
  const onAbort = (): void => inbox.fail(abortedBy(signal as AbortSignal))
  try {
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted === true) onAbort()
    pending.use(connection)
    // Its answer comes after the messages that wait in the session, so these are read meanwhile.
    subscribe(to, connection).then(opened, (error: Error) => inbox.fail(error))
    for (;;) {
      const packet = await inbox.take()
      const position = pending.add(packet)
      if (position === 'known') continue
      const record = toRecord(packet)
      if (record === undefined) pending.drop(packet)
      else yield position === undefined ? record : { ...record, position: String(position) }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    inbox.fail(new Error('closed'))
    await linger(() => pending.settled)
    await connection.end()
  }
}

async function subscribe({ address, topic, qos }: MqttAddress, { client }: MqttConnection): Promise<void> {
  try {
    await client.subscribeAsync(topic, { qos, rh: RETAINED_ONCE })
  } catch (error) {
    // The connection was lost meanwhile: the inbox knows.
    if (!client.connected) return
    const text = `${address.name}: the broker does not let us subscribe to "${topic}": ${(error as Error).message}`
    throw new DdmError('config', text, { cause: error })
  }
}

/** The same at every start, so that the broker finds its session again. 23 characters: what every broker takes. */
function stableId({ address, topic }: MqttAddress): string {
  const { host, port, user = '' } = address
  const digest = createHash('sha256').update(JSON.stringify([hostname(), host, port, user, topic]))
  return `ddm-${digest.digest('hex').slice(0, 19)}`
}

interface Unacknowledged {
  packet: IPublishPacket
  position: number
  durable: boolean
}

/** Messages of QoS 1 that the broker keeps until it hears from us, by their ID, in the order in which they came. */
class Acknowledgements {
  readonly #messages = new Map<number, Unacknowledged>()
  #connection: MqttConnection | undefined
  #last = 0

  use(connection: MqttConnection): void {
    this.#connection = connection
    // The broker has forgotten the session, and gives its message IDs out anew.
    if (!connection.connack.sessionPresent) this.#messages.clear()
  }

  /** Its position; none when the broker expects no answer, `known` when it came before the connection was lost. */
  add(packet: IPublishPacket): number | 'known' | undefined {
    const { qos, dup, messageId } = packet
    if (qos === 0 || messageId === undefined) return undefined
    const known = this.#messages.get(messageId)
    if (known !== undefined && dup && known.packet.topic === packet.topic && isSame(known.packet, packet)) {
      this.#acknowledge()
      return 'known'
    }
    this.#messages.delete(messageId)
    const position = ++this.#last
    this.#messages.set(messageId, { packet, position, durable: false })
    return position
  }

  /** A message that becomes no record must not come again. */
  drop({ messageId }: IPublishPacket): void {
    const message = this.#messages.get(messageId ?? 0)
    if (message !== undefined) message.durable = true
    this.#acknowledge()
  }

  durable(position: number): void {
    for (const message of this.#messages.values()) {
      if (message.position > position) break
      message.durable = true
    }
    this.#acknowledge()
  }

  /** True when nothing can be acknowledged any more. */
  get settled(): boolean {
    return !this.#connected || this.#messages.size === 0
  }

  get #connected(): boolean {
    return this.#connection?.client.connected === true
  }

  /** In the order in which they came. Without a connection the broker sends them again, and is told then. */
  #acknowledge(): void {
    for (const [messageId, { durable }] of this.#messages) {
      if (!durable || !this.#connected) return
      this.#messages.delete(messageId)
      this.#connection?.acknowledge(messageId)
    }
  }
}

function isSame(one: IPublishPacket, other: IPublishPacket): boolean {
  return Buffer.from(one.payload).equals(Buffer.from(other.payload))
}

import type { IClientOptions, IConnackPacket, IPublishPacket, MqttClient } from 'mqtt'
import { type AbortOptions, DdmError, MAX_RECORD_BYTES } from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import { type Address, numberOption, parseAddress } from './address.ts'
import { isTlsError, tlsFailure, unreachable } from './failures.ts'

const CONNECT_TIMEOUT_MS = 10_000

const END_TIMEOUT_MS = 1_000

/** Longest silence of a connection in seconds: then it is tried, and half of that later given up. */
const KEEP_ALIVE_SECONDS = 30

/** A topic, properties and a header more than the record. */
export const MAX_PACKET_BYTES = MAX_RECORD_BYTES + 64 * 1024

/** What one read of a socket brings at most: several packets, of which the first counts until it is handled. */
const CHUNK_BYTES = 64 * 1024

/** A topic's length is two bytes on the wire. @source MQTT 5.0 §1.5.4 */
const MAX_TOPIC_BYTES = 65_535

/** MQTT 3.1.1 is 4 on the wire. */
type Level = 4 | 5
const LEVELS: Readonly<Record<string, readonly Level[]>> = { '5': [5], '3.1.1': [4], any: [5, 4] }

/** What a broker answers to a CONNECT that it does not like. @source MQTT 3.1.1 §3.2.2.3, MQTT 5.0 §3.2.2.2 */
const OTHER_VERSION = new Set([1, 132])
const NOT_ALLOWED = new Set([4, 5, 134, 135, 138, 140])
const TRY_LATER = new Set([3, 136, 137, 151, 159])

/** Another client came with the same ID. @source MQTT 5.0 §3.14.2.1 */
const SESSION_TAKEN_OVER = 142

export interface MqttAddress {
  readonly address: Address
  readonly topic: string
  readonly qos: 0 | 1
  /** In the order in which they are tried; only the one that worked, once it did. */
  levels: readonly Level[]
}

/** @throws DdmError `usage` */
export function parseMqttAddress(spec: string, options: readonly string[]): MqttAddress {
  const address = parseAddress(spec, {
    ports: { mqtt: 1883, mqtts: 8883 },
    options: ['qos', 'version', 'client', ...options],
    example: 'mqtt://user:password@host:1883/topic?qos=1'
  })
  const version = address.get('version') ?? 'any'
  const levels = LEVELS[version]
  if (levels === undefined) {
    throw new DdmError('usage', `${address.name}: version "${version}" is neither 5 nor 3.1.1`)
  }
  const topic = address.path
  const fault = topicFault(topic)
  if (fault !== undefined) throw new DdmError('usage', `${address.name}: the topic "${topic}" ${fault}`)
  return { address, topic, qos: numberOption(address, 'qos', [0, 1], 1) as 0 | 1, levels }
}

function topicFault(topic: string): string | undefined {
  if (topic === '') return 'is empty; write it after the host, like mqtt://host/sensors/#'
  if (topic.includes('\0')) return 'has a null character'
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) return `is longer than ${MAX_TOPIC_BYTES} bytes`
  const levels = topic.split('/')
  const last = levels.length - 1
  if (levels.some((level, at) => level.includes('#') && (level !== '#' || at !== last)))
    return 'has a # that is not its whole last level'
  if (levels.some((level) => level.includes('+') && level !== '+')) return 'has a + that is not a whole level'
  return undefined
}

export interface MqttInit {
  clientId: string
  /** Whether the broker begins anew, or keeps what was not acknowledged. */
  clean: boolean
  properties: NonNullable<IClientOptions['properties']>
  /** Takes a message; the next one comes when `more` is called. It is acknowledged by {@link MqttConnection.acknowledge}. */
  onMessage?: (packet: IPublishPacket, more: () => void) => void
  /** The connection is gone: once, after it was open. */
  onLost: (error: DdmError) => void
}

export interface MqttConnection {
  readonly client: MqttClient
  readonly connack: IConnackPacket
  acknowledge: (messageId: number) => void
  end: () => Promise<void>
}

/**
 * Opens one connection; it is not opened again when it is lost.
 *
 * @throws DdmError `unreachable`; `config` when the broker does not let us in
 */
export async function openMqtt(to: MqttAddress, init: MqttInit, options: AbortOptions = {}): Promise<MqttConnection> {
  for (const level of to.levels) {
    const opened = await attempt(to, level, init, options)
    if (opened === undefined) continue
    to.levels = [level]
    return opened
  }
  throw new DdmError('config', `${to.address.name}: the broker speaks neither of MQTT ${versions(to.levels)}`)
}

function versions(levels: readonly Level[]): string {
  return levels.map((level) => (level === 5 ? '5' : '3.1.1')).join(' and ')
}

/** Undefined when the broker does not speak this version. */
async function attempt(
  { address, levels }: MqttAddress,
  level: Level,
  init: MqttInit,
  options: AbortOptions
): Promise<MqttConnection | undefined> {
  const { name, scheme, host, port, user, password } = address
  const { signal } = options
  const { connect } = await import('mqtt')
  throwIfAborted(options)
  const client = connect({
    protocol: scheme as 'mqtt' | 'mqtts',
    host,
    port,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    protocolVersion: level,
    clientId: init.clientId,
    clean: init.clean,
    keepalive: KEEP_ALIVE_SECONDS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...(level === 5 ? { properties: init.properties } : {})
  })
  const excess = limitPackets(client, name)
  // A message may come before this function returns. An error is the library's way not to acknowledge it by itself.
  client.handleMessage = (packet, done) =>
    init.onMessage === undefined ? done() : init.onMessage(packet, () => done(new Error('acknowledged when durable')))
  let taken = false
  client.on('disconnect', ({ reasonCode }) => {
    taken = reasonCode === SESSION_TAKEN_OVER
  })
  const connack = await opening(client, signal).catch((error: unknown) => {
    client.end(true)
    if (signal?.aborted === true) throw abortedBy(signal)
    const code = Number((error as { code?: unknown }).code)
    // Brokers from before MQTT 5 may also just hang up.
    if ((OTHER_VERSION.has(code) || error === HUNG_UP) && level !== levels.at(-1)) return undefined
    throw refusal(address, level, error)
  })
  if (connack === undefined) return undefined
  let failure: unknown = new Error('the connection was cut')
  client.on('error', (error) => {
    failure = error
  })
  const closed = (): void => {
    if (excess.error !== undefined) return init.onLost(excess.error)
    if (!taken) return init.onLost(unreachable(name, failure))
    const text = `${name}: another client uses the ID ${init.clientId}; give each its own: ?client=NAME`
    init.onLost(new DdmError('config', text))
  }
  // The broker's last word is read after the connection's end.
  client.once('close', () => setImmediate(closed))
  return {
    client,
    connack,
    // The library acknowledges either before its user has the message, or not at all.
    // biome-ignore lint/complexity/useLiteralKeys: the library's own modules enter it this way
    acknowledge: (messageId) => client['_sendPacket']({ cmd: 'puback', messageId, reasonCode: 0 }),
    end: () => end(client)
  }
}

/** The library would collect a packet of 256 MiB before it looks at it; MQTT 3.1.1 cannot tell a broker what is too large. */
function limitPackets(client: MqttClient, name: string): { error?: DdmError } {
  const excess: { error?: DdmError } = {}
  let bytes = 0
  client.on('packetreceive', () => {
    bytes = 0
  })
  client.stream.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength
    if (bytes <= MAX_PACKET_BYTES + CHUNK_BYTES || excess.error !== undefined) return
    const text = `${name}: the broker sends a packet of more than ${MAX_PACKET_BYTES} bytes; a record has at most ${MAX_RECORD_BYTES}`
    excess.error = new DdmError('badRecord', text, { details: { limit: MAX_PACKET_BYTES } })
    client.stream.destroy()
  })
  return excess
}

/**
 * Says good-bye; a broker that does not take it is left without. The library says it when everything is acknowledged, and
 * waits for that also when the connection is lost meanwhile: for ever.
 */
async function end(client: MqttClient): Promise<void> {
  const lost = new Promise<void>((resolve) => client.once('close', () => resolve()))
  const timer = setTimeout(() => client.stream.destroy(), END_TIMEOUT_MS)
  await Promise.race([client.endAsync(!client.connected).catch(() => {}), lost])
  clearTimeout(timer)
}

const HUNG_UP = new Error('it hung up')

function opening(client: MqttClient, signal: AbortSignal | undefined): Promise<IConnackPacket> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortedBy(signal as AbortSignal))
    signal?.addEventListener('abort', onAbort, { once: true })
    const settle = (act: () => void): void => {
      signal?.removeEventListener('abort', onAbort)
      act()
    }
    client.once('connect', (connack) => settle(() => resolve(connack)))
    client.on('error', (error) => settle(() => reject(error)))
    client.once('close', () => settle(() => reject(HUNG_UP)))
  })
}

function refusal({ name, user }: Address, level: Level, error: unknown): DdmError {
  const code = Number((error as { code?: unknown }).code)
  if (NOT_ALLOWED.has(code)) {
    const who = user === undefined ? 'without a user name' : `as user "${user}"`
    const text = `${name}: the broker does not let us in ${who}: wrong user name or password, or not allowed`
    return new DdmError('config', text, { cause: error })
  }
  if (OTHER_VERSION.has(code))
    return new DdmError('config', `${name}: the broker does not speak MQTT ${versions([level])}`, { cause: error })
  if (isTlsError(error)) return tlsFailure(name, error)
  if (code > 0 && !TRY_LATER.has(code))
    return new DdmError('config', `${name}: ${(error as Error).message}`, { cause: error })
  return unreachable(name, error)
}

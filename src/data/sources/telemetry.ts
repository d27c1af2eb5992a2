import { readFileSync } from 'node:fs'
import { cpus, freemem, loadavg, platform, totalmem } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { AbortOptions, DataSource, SourceRecord } from '../../interface/index.ts'
import { abortedBy } from '../abort.ts'

/** Where reading the network counters starts processes, they are read at most this often, in ms. */
const SLOW_NETWORK_MS = 1_000

export interface TelemetryOptions {
  /**
   * Time between records, in ms.
   *
   * @default 100
   */
  periodMs?: number
}

/** One record of the telemetry source. No host name, address or interface name is in it. */
export interface TelemetryRecord {
  /** ISO 8601, UTC. */
  time: string
  /** Busy share of all CPUs since the record before, 0 to 100. */
  cpuPercent: number
  /** Bytes. */
  memoryUsed: number
  memoryTotal: number
  /** Load averages over 1, 5 and 15 minutes. */
  load1: number
  load5: number
  load15: number
  /** Bytes per second over all interfaces but loopback. */
  rxBytesPerSecond: number
  txBytesPerSecond: number
}

/** JSON Schema of {@link TelemetryRecord}, for the listing. */
export const TELEMETRY_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  properties: {
    time: { type: 'string', format: 'date-time' },
    cpuPercent: { type: 'number', minimum: 0, maximum: 100 },
    memoryUsed: { type: 'integer', minimum: 0 },
    memoryTotal: { type: 'integer', minimum: 0 },
    load1: { type: 'number', minimum: 0 },
    load5: { type: 'number', minimum: 0 },
    load15: { type: 'number', minimum: 0 },
    rxBytesPerSecond: { type: 'number', minimum: 0 },
    txBytesPerSecond: { type: 'number', minimum: 0 }
  },
  required: [
    'time',
    'cpuPercent',
    'memoryUsed',
    'memoryTotal',
    'load1',
    'load5',
    'load15',
    'rxBytesPerSecond',
    'txBytesPerSecond'
  ]
} as const

/** Counters that only grow; a record shows how fast. */
interface Counters {
  at: number
  cpuBusy: number
  cpuTotal: number
  rx: number
  tx: number
}

/**
 * CPU, memory, load and network of this machine, measured live. A period that was missed (the machine slept) is skipped,
 * not made up for.
 *
 * @example
 * ```ts
 * for await (const { bytes } of telemetry({ periodMs: 1000 }).records({ signal })) …
 * // {"time":"2026-01-01T00:00:00.000Z","cpuPercent":12.5,"memoryUsed":8123456512,…}
 * ```
 */
export function telemetry({ periodMs = 100 }: TelemetryOptions = {}): DataSource {
  return { name: 'telemetry', finite: false, records: (options) => measure(periodMs, options) }
}

async function* measure(periodMs: number, { signal }: AbortOptions = {}): AsyncIterable<SourceRecord> {
  const network = networkCounters()
  let before = counters(await network())
  let due = performance.now()
  while (true) {
    due = Math.max(due + periodMs, performance.now())
    try {
      await delay(Math.max(due - performance.now(), 0), undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      throw signal?.aborted === true ? abortedBy(signal) : error
    }
    const now = counters(await network())
    yield { bytes: Buffer.from(JSON.stringify(toRecord(before, now))) }
    before = now
  }
}

function toRecord(before: Counters, now: Counters): TelemetryRecord {
  const seconds = (now.at - before.at) / 1_000
  const total = now.cpuTotal - before.cpuTotal
  const [load1 = 0, load5 = 0, load15 = 0] = loadavg()
  const memoryTotal = totalmem()
  return {
    time: new Date().toISOString(),
    cpuPercent: total > 0 ? round(clamp((100 * (now.cpuBusy - before.cpuBusy)) / total, 100)) : 0,
    memoryUsed: memoryTotal - freemem(),
    memoryTotal,
    load1: round(load1),
    load5: round(load5),
    load15: round(load15),
    rxBytesPerSecond: seconds > 0 ? Math.round(clamp(now.rx - before.rx) / seconds) : 0,
    txBytesPerSecond: seconds > 0 ? Math.round(clamp(now.tx - before.tx) / seconds) : 0
  }
}

/** Counters fall when an interface or a CPU goes away. */
function clamp(value: number, highest = Number.MAX_SAFE_INTEGER): number {
  return Math.min(Math.max(value, 0), highest)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function counters(network: { rx: number; tx: number }): Counters {
  let cpuBusy = 0
  let cpuTotal = 0
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq
    cpuBusy += busy
    cpuTotal += busy + times.idle
  }
  return { at: performance.now(), cpuBusy, cpuTotal, ...network }
}

type ReadNetwork = () => Promise<{ rx: number; tx: number }>

function networkCounters(): ReadNetwork {
  return platform() === 'linux' ? linuxCounters : slowCounters()
}

/** On Linux the kernel answers from memory: read in place this costs a twentieth of an asynchronous read. */
async function linuxCounters(): Promise<{ rx: number; tx: number }> {
  let rx = 0
  let tx = 0
  for (const line of readFileSync('/proc/net/dev', 'latin1').split('\n').slice(2)) {
    const [name, numbers] = line.split(':')
    if (numbers === undefined || name?.trim() === 'lo') continue
    const fields = numbers.trim().split(/\s+/)
    rx += Number(fields[0])
    tx += Number(fields[8])
  }
  return { rx, tx }
}

/** Elsewhere `systeminformation` asks the system's own tools, in the background. */
function slowCounters(): ReadNetwork {
  let last = { rx: 0, tx: 0 }
  let asked = Number.NEGATIVE_INFINITY
  const ask = async (): Promise<void> => {
    const { networkStats } = await import('systeminformation')
    const all = await networkStats('*')
    const sum = (pick: (one: (typeof all)[number]) => number): number => all.reduce((n, one) => n + (pick(one) || 0), 0)
    last = { rx: sum((one) => one.rx_bytes), tx: sum((one) => one.tx_bytes) }
  }
  return async () => {
    if (performance.now() - asked < SLOW_NETWORK_MS) return last
    const first = asked === Number.NEGATIVE_INFINITY
    asked = performance.now()
    const answer = ask().catch(() => {})
    // Only the first answer is waited for: without it the first rate would be everything since the machine started.
    if (first) await answer
    return last
  }
}

import { type DataSource, DdmError } from '../../interface/index.ts'
import { specKind } from '../spec-kind.ts'
import type { ProblemOptions } from './problems.ts'

export interface SourceOptions extends ProblemOptions {
  /**
   * Telemetry and HTTP polling: time between records or requests, in ms.
   *
   * @default 100 for telemetry, 10000 for polling
   */
  periodMs?: number
  /** Sent with every HTTP request and WebSocket handshake: `{ Authorization: 'Bearer …' }`. */
  headers?: Readonly<Record<string, string>>
  /** Told what a source says beside its records: lines that a command writes to standard error. */
  onLog?: (text: string) => void
}

/** What a source reads: what belongs to the process that was started, files of this machine, or something else. */
export type SourceReach = 'process' | 'file' | 'other'

interface SourceKind {
  reach: SourceReach
  /** How it is written. */
  form: string
  /** Whether something must stand after the colon. */
  argument: boolean
  /**
   * @param rest - what stands after the colon
   * @param spec - all of it
   */
  open: (rest: string, options: SourceOptions, spec: string) => Promise<DataSource>
}

/** By what stands before the first colon. A file here is loaded when its kind is first named. */
const SOURCES: Readonly<Record<string, SourceKind>> = {
  telemetry: {
    reach: 'other',
    form: 'telemetry',
    argument: false,
    open: async (_rest, { periodMs = 100 }) => {
      if (!(periodMs >= 1)) throw new DdmError('usage', `source telemetry: a period of ${periodMs} ms is too short`)
      return (await import('./telemetry.ts')).telemetry({ periodMs })
    }
  },
  stdin: {
    reach: 'process',
    form: 'stdin',
    argument: false,
    open: async (_rest, options) => (await import('./json-lines.ts')).jsonLines('stdin', () => process.stdin, options)
  },
  csv: {
    reach: 'file',
    form: 'csv:FILE',
    argument: true,
    open: async (file, options) => (await import('./csv.ts')).csv(file, options)
  },
  jsonl: {
    reach: 'file',
    form: 'jsonl:FILE',
    argument: true,
    open: async (file, options) => (await import('./json-lines.ts')).jsonLinesFile(file, options)
  },
  parquet: {
    reach: 'file',
    form: 'parquet:FILE',
    argument: true,
    open: async (file, options) => (await import('./parquet.ts')).parquet(file, options)
  },
  tail: {
    reach: 'file',
    form: 'tail:FILE',
    argument: true,
    open: async (file, options) => (await import('./tail.ts')).tail(file, options)
  },
  exec: {
    reach: 'process',
    form: 'exec:COMMAND',
    argument: true,
    open: async (command, options) => (await import('./exec.ts')).exec(command, options)
  },
  poll: {
    reach: 'other',
    form: 'poll:https://HOST/PATH',
    argument: true,
    open: async (url, options) => (await import('./poll.ts')).poll(url, options)
  },
  https: network('https://HOST/PATH', async () => (await import('./poll.ts')).poll),
  http: network('http://HOST/PATH', async () => (await import('./poll.ts')).poll),
  sse: {
    reach: 'other',
    form: 'sse:https://HOST/PATH',
    argument: true,
    open: async (url, options) => (await import('./sse.ts')).sse(url, options)
  },
  wss: network('wss://HOST/PATH', async () => (await import('./websocket.ts')).webSocket),
  ws: network('ws://HOST/PATH', async () => (await import('./websocket.ts')).webSocket),
  mqtt: network('mqtt://HOST/TOPIC', async () => (await import('./mqtt.ts')).mqttSource),
  mqtts: network('mqtts://HOST/TOPIC', async () => (await import('./mqtt.ts')).mqttSource),
  nats: network('nats://HOST/STREAM?subject=…', async () => (await import('./nats.ts')).natsSource),
  postgres: network(
    'postgres://HOST/DATABASE?table=…&cursor=…',
    async () => (await import('./postgres.ts')).postgresSource
  )
}

/** What speaks HTTP, and can say who asks. */
const HTTP_KINDS = ['poll', 'https', 'http', 'sse', 'wss', 'ws']

/** A kind that is named by an address as a whole. */
function network(form: string, load: () => Promise<(spec: string, options: SourceOptions) => DataSource>): SourceKind {
  return { reach: 'other', form, argument: true, open: async (_rest, options, spec) => (await load())(spec, options) }
}

/**
 * The source that `--source` names.
 *
 * @example
 * ```ts
 * const source = await parseSource('csv:weather.csv', { onError: 'skip' })
 * ```
 *
 * @throws DdmError `usage` when there is no such kind of source. It never quotes what may be a password.
 */
export async function parseSource(spec: string, options: SourceOptions = {}): Promise<DataSource> {
  const { kind, rest } = specKind(spec)
  const found = kindOf(kind)
  if (found === undefined) {
    const forms = Object.values(SOURCES).map(({ form }) => form)
    throw new DdmError('usage', `there is no source "${kind}"; use ${forms.join(', ')}`)
  }
  if (!found.argument && rest !== undefined) {
    throw new DdmError('usage', `source ${kind} takes nothing after a colon`)
  }
  if (found.argument && (rest === undefined || rest === '')) {
    throw new DdmError('usage', `source "${kind}" names nothing to read; write ${found.form}`)
  }
  if (Object.keys(options.headers ?? {}).length > 0 && !HTTP_KINDS.includes(kind)) {
    throw new DdmError(
      'usage',
      `headers are sent by sources of ${HTTP_KINDS.join(', ')}; "${kind}" has none to send: leave them out`
    )
  }
  return found.open(rest ?? '', options, spec)
}

/**
 * What a source reads, so that whoever takes its name from elsewhere can refuse it; `other` when there is no such kind.
 *
 * @example
 * ```ts
 * sourceReach('exec:rm -rf /') // 'process'
 * ```
 */
export function sourceReach(spec: string): SourceReach {
  return kindOf(specKind(spec).kind)?.reach ?? 'other'
}

function kindOf(kind: string): SourceKind | undefined {
  return Object.hasOwn(SOURCES, kind) ? SOURCES[kind] : undefined
}

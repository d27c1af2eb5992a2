import type { Writable } from 'node:stream'
import { type DataSink, DdmError, printable } from '../../interface/index.ts'
import { specKind } from '../spec-kind.ts'
import type { FileSinkOptions } from './file.ts'
import type { WebhookOptions } from './webhook.ts'

export interface SinkOptions extends FileSinkOptions, WebhookOptions {
  /** Where `stdout` writes. @default process.stdout */
  stdout?: Writable
}

/** Names whose ending says what they are; a colon would make them an address. */
const FILE = /^[^:]+\.(jsonl|csv|parquet)$/

interface SinkKind {
  /** How it is written. */
  form: string
  /**
   * @param rest - what stands after the colon
   * @param spec - all of it
   */
  open: (rest: string, options: SinkOptions, spec: string) => Promise<DataSink>
}

/** By what stands before the first colon. A file here is loaded when its kind is first named. */
const SINKS: Readonly<Record<string, SinkKind>> = {
  stdout: {
    form: 'stdout',
    open: async (_rest, { stdout = process.stdout }) => (await import('./stream.ts')).jsonLinesSink(stdout)
  },
  file: { form: 'file:FILE.jsonl', open: (file, options) => openFile(file, options) },
  https: { form: 'https://HOST/PATH', open: openWebhook },
  http: { form: 'http://HOST/PATH', open: openWebhook },
  mqtt: network('mqtt://HOST/TOPIC', async () => (await import('./mqtt.ts')).mqttSink),
  mqtts: network('mqtts://HOST/TOPIC', async () => (await import('./mqtt.ts')).mqttSink),
  nats: network('nats://HOST/STREAM?subject=S', async () => (await import('./nats.ts')).natsSink),
  postgres: network('postgres://HOST/DATABASE?table=T', async () => (await import('./postgres.ts')).postgresSink)
}

/** A kind that is named by an address as a whole. */
function network(form: string, load: () => Promise<(spec: string) => Promise<DataSink>>): SinkKind {
  return { form, open: async (_rest, _options, spec) => (await load())(spec) }
}

async function openWebhook(_rest: string, options: SinkOptions, spec: string): Promise<DataSink> {
  return (await import('./webhook.ts')).webhook(spec, options)
}

async function openFile(path: string, options: SinkOptions): Promise<DataSink> {
  if (path === '') throw new DdmError('usage', 'sink "file" names no file; write file:FILE.jsonl')
  return (await import('./file.ts')).fileSink(path, options)
}

/**
 * The sink that `--to` names: a kind, or the name of a file whose ending says its form.
 *
 * @example
 * ```ts
 * const sink = await parseSink('records.jsonl', { append: true })
 * ```
 *
 * @throws DdmError `usage` when there is no such kind of sink. It never quotes what may be a password.
 */
export async function parseSink(spec: string, options: SinkOptions = {}): Promise<DataSink> {
  const { kind, rest } = specKind(spec)
  const found = Object.hasOwn(SINKS, kind) ? SINKS[kind] : undefined
  if (Object.keys(options.headers ?? {}).length > 0 && kind !== 'https' && kind !== 'http') {
    throw new DdmError(
      'usage',
      `only records that go to https://… carry headers; "${printable(kind)}" has none to send`
    )
  }
  if (found !== undefined) return found.open(rest ?? '', options, spec)
  if (FILE.test(spec)) return openFile(spec, options)
  const forms = Object.values(SINKS).map(({ form }) => form)
  throw new DdmError('usage', `there is no sink "${printable(kind)}"; use ${forms.join(', ')}`)
}

import { type AbortOptions, type DataRecord, type DataSink, DdmError } from '../../interface/index.ts'
import { throwIfAborted } from '../abort.ts'
import { persistently } from '../brokers/reconnect.ts'
import { checkStatus, type HttpAddress, httpFailure, parseHttpAddress, request } from '../http.ts'
import { toJsonLine } from './json-line.ts'

/** Of one request: what a server takes that was told nothing. */
const MAX_BATCH = 1_000
const MAX_BATCH_BYTES = 1024 * 1024

/** For an answer. */
const TIMEOUT_MS = 30_000

export interface WebhookOptions {
  headers?: Readonly<Record<string, string>>
  /** What is bought: it makes the keys of its batches different from those of others. @default the offsets alone */
  product?: string
}

/**
 * POSTs records as JSON arrays. The next batch leaves when the last one was taken, so that they come in order and no
 * faster than the other side takes them; `write` waits for that. A server that is down, busy or broken gets the batch
 * again until it takes it, with the same `Idempotency-Key`, which is made of the offsets: `PRODUCT:FIRST-LAST`.
 *
 * @example
 * ```ts
 * const sink = await webhook('https://hooks.example/air', { headers: { Authorization: 'Bearer …' } })
 * ```
 *
 * @throws DdmError `usage`; `unreachable` when nothing answers at the start; when writing, `config` or `notFound` for an
 * answer that will not change by itself
 */
export async function webhook(url: string, { headers, product }: WebhookOptions = {}): Promise<DataSink> {
  const all = parseHttpAddress(url, ['https', 'http'], headers)
  // The path of a webhook is often its password.
  const to = { ...all, name: `${new URL(all.url).origin}/…` }
  const stop = new AbortController()
  await greet(to)
  let last: Promise<void> = Promise.resolve()
  let closed = false

  const send = async (batch: readonly DataRecord[], abort: AbortOptions): Promise<void> => {
    const signal = abort.signal === undefined ? stop.signal : AbortSignal.any([abort.signal, stop.signal])
    const key = `${product === undefined ? '' : `${product}:`}${batch[0]?.offset}-${batch.at(-1)?.offset}`
    const body = toJsonArray(batch)
    await persistently(() => post(to, body, key, signal), signal, { atOnce: true })
  }
  return {
    name: to.name,
    write: async (records, options = {}) => {
      throwIfAborted(options)
      if (closed) throw new DdmError('internal', `${to.name} is closed`)
      const before = last
      last = (async () => {
        await before
        for (const batch of batches(records)) await send(batch, options)
      })()
      await last
    },
    flush: async () => last,
    mark: async () => {
      await last
      return JSON.stringify({ to: to.name })
    },
    close: async ({ signal } = {}) => {
      closed = true
      signal?.addEventListener('abort', () => stop.abort(), { once: true })
      await last
    }
  }
}

/** Whether anything answers, whatever it says: known before anything is paid. */
async function greet(to: HttpAddress): Promise<void> {
  const response = await request(to, {
    method: 'OPTIONS',
    signal: AbortSignal.timeout(TIMEOUT_MS)
  })
  await response.body?.cancel()
}

async function post(to: HttpAddress, body: Uint8Array<ArrayBuffer>, key: string, signal: AbortSignal): Promise<void> {
  const response = await request(to, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `"${key}"` },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  })
  try {
    checkStatus(to.name, response)
  } catch (error) {
    throw httpFailure(to.name, error, signal)
  } finally {
    await response.body?.cancel().catch(() => {})
  }
}

function* batches(records: readonly DataRecord[]): Generator<DataRecord[]> {
  let batch: DataRecord[] = []
  let bytes = 0
  for (const record of records) {
    if (batch.length > 0 && (batch.length >= MAX_BATCH || bytes + record.bytes.byteLength > MAX_BATCH_BYTES)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(record)
    bytes += record.bytes.byteLength
  }
  if (batch.length > 0) yield batch
}

/** Items are written as lines of a JSON lines file are. */
function toJsonArray(records: readonly DataRecord[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [Buffer.from('[')]
  for (const [index, { bytes }] of records.entries()) {
    if (index > 0) parts.push(Buffer.from(','))
    parts.push(toJsonLine(bytes))
  }
  parts.push(Buffer.from(']'))
  return Buffer.concat(parts)
}

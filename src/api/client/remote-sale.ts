import { type AbortOptions, DdmError, type Hex, type SourceRecord } from '../../interface/index.ts'
import type { ProductDescription, Sale, SellOptions } from '../../node/index.ts'
import * as listings from '../operations/listings.ts'
import * as operations from '../operations/products.ts'
import type { HttpClient } from './http.ts'

/** What goes over the wire at once, and how long the first record of it waits for others. */
const MAX_BATCH = 1_000
const MAX_BATCH_BYTES = 1024 * 1024
const BATCH_MS = 10

/** How often a quiet source says that it is still there. */
const ALIVE_MS = 15_000

/** Sells through a node of another process: the source is read here, its records are stored and served there. */
export async function sellThrough(client: HttpClient, options: SellOptions): Promise<Sale> {
  const { source, signal } = options
  const fingerprint = await source.fingerprint?.()
  const offered = await client.call(
    operations.offerProduct,
    {
      body: {
        product: describe(options),
        push: {
          name: source.name,
          finite: source.finite,
          ...(fingerprint === undefined ? {} : { fingerprint }),
          ...(options.invoicing === undefined ? {} : { invoicing: options.invoicing }),
          ...(options.keepLog === undefined ? {} : { keepLog: options.keepLog })
        }
      }
    },
    { ...(signal === undefined ? {} : { signal }) }
  )
  const { id } = offered.listing
  const stopped = new AbortController()
  const stop = signal === undefined ? stopped.signal : AbortSignal.any([stopped.signal, signal])
  const log = { head: offered.head, tail: offered.tail, finished: offered.finished, dropped: offered.dropped }
  // A node that hears nothing for a minute takes the product off sale: whoever pushed it may be gone.
  const alive = setInterval(() => {
    void client.call(operations.pushRecords, { params: { id }, body: { records: [] } }).catch(() => {})
  }, ALIVE_MS)
  stop.addEventListener('abort', () => clearInterval(alive), { once: true })
  const fed = offered.finished
    ? Promise.resolve()
    : push(client, id, options, { log, from: offered.from, signal: stop })
  fed.catch(() => {})
  return {
    listing: offered.listing,
    fed,
    log,
    get dropped() {
      return log.dropped
    },
    stop: async ({ retire = false, ...abort }: AbortOptions & { retire?: boolean } = {}) => {
      stopped.abort(new DdmError('aborted', 'the sale was stopped'))
      await fed.catch(() => {})
      await client.call(operations.endProduct, { params: { id } }, abort)
      if (retire) await client.call(listings.setListingStatus, { params: { id }, body: { status: 'retired' } }, abort)
    }
  }
}

interface Feeding {
  log: { head: bigint; tail: bigint; finished: boolean; dropped: number }
  from: string | undefined
  signal: AbortSignal
}

async function push(
  client: HttpClient,
  id: Hex,
  { source, onDrop }: SellOptions,
  { log, from, signal }: Feeding
): Promise<void> {
  const send = async (records: SourceRecord[], end: { end?: boolean; failed?: string } = {}): Promise<void> => {
    const product = await client.call(
      operations.pushRecords,
      {
        params: { id },
        body: {
          records: records.map(({ bytes, position }) => ({
            data: Buffer.from(bytes).toString('base64'),
            ...(position === undefined ? {} : { position })
          })),
          ...end
        }
      },
      { signal }
    )
    const { head, tail, finished, dropped } = product
    const more = dropped - log.dropped
    Object.assign(log, { head, tail, finished, dropped })
    if (more > 0) onDrop?.(dropped, new DdmError('badRecord', `${more} records break the rules of the listing`))
    const position = records.at(-1)?.position
    if (position !== undefined) source.durable?.(position)
  }
  try {
    const records = source.records({ signal, ...(from === undefined ? {} : { from }) })
    for await (const batch of batches(records)) await send(batch)
    await send([], { end: true })
  } catch (error) {
    if (!signal.aborted)
      await send([], { failed: error instanceof Error ? error.message : String(error) }).catch(() => {})
    throw error
  }
}

/** Records that come close together travel together. */
async function* batches(records: AsyncIterable<SourceRecord>): AsyncGenerator<SourceRecord[]> {
  const iterator = records[Symbol.asyncIterator]()
  let batch: SourceRecord[] = []
  let bytes = 0
  let next = iterator.next()
  try {
    for (;;) {
      const waited = batch.length === 0 ? await next : await Promise.race([next, after(BATCH_MS)])
      const full = batch.length >= MAX_BATCH || bytes >= MAX_BATCH_BYTES
      if (waited === undefined || waited.done === true || full) {
        if (batch.length > 0) yield batch
        batch = []
        bytes = 0
      }
      if (waited === undefined) continue
      if (waited.done === true) return
      batch.push(waited.value)
      bytes += waited.value.bytes.byteLength
      next = iterator.next()
    }
  } finally {
    void next.catch(() => {})
    await iterator.return?.()
  }
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms))
}

/** The words of what code wrote. */
function describe({
  price,
  per,
  otherPrices = [],
  authorize,
  ...options
}: SellOptions): ProductDescription & { title: string; price: string[] } {
  if (authorize !== undefined) {
    throw new DdmError(
      'usage',
      'a product with an authorize callback is sold by the process that has it: give it a home of its own'
    )
  }
  const {
    source: _source,
    signal: _signal,
    invoicing: _invoicing,
    keepLog: _keepLog,
    onDrop: _onDrop,
    checkSchema,
    credit,
    allow,
    deny,
    ...rest
  } = options
  const words = ({
    price: text,
    per: { unit, count } = { unit: 'record', count: 1 }
  }: Pick<SellOptions, 'price' | 'per'>): string => `${text}/${count} ${unit === 'record' ? 'records' : unit}`
  if (typeof credit === 'bigint') throw new DdmError('usage', 'give credit in whole tokens, as text')
  return {
    ...rest,
    price: [{ price, ...(per === undefined ? {} : { per }) }, ...otherPrices].map(words),
    ...(checkSchema === undefined ? {} : { check: checkSchema }),
    ...(credit === undefined ? {} : { credit }),
    ...(allow === undefined ? {} : { allow: [...allow] }),
    ...(deny === undefined ? {} : { deny: [...deny] })
  }
}

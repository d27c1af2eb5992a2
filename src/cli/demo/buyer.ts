import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DdmError, formatUnits, type Listing } from '../../interface/index.ts'
import type { DdmNode, Purchase } from '../../node/index.ts'
import { type Context, currencyOf, loadNode, withNode } from '../context.ts'
import { stopped } from '../stop.ts'
import { WANTED, type WantedProduct } from './products.ts'

const PROGRESS_MS = 200
/** A listing is searchable well under a second after it was published; a loaded machine may take longer. */
const FIND_TIMEOUT_MS = 30_000

export interface BuyerOptions {
  records: string
  receipts: string
}

/**
 * The demo's buyer: searches by words, buys what it finds from a seller whose address it was not given, keeps records and
 * receipts, and says what happens, one JSON object per line.
 */
export async function runBuyer(context: Context, { records, receipts }: BuyerOptions): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'info' }, async (node) => {
    output.event({ event: 'ready', peerId: node.peerId })
    const found = await Promise.all(
      WANTED.map(async (wanted) => ({ wanted, listing: await find(node, wanted, signal) }))
    )
    for (const { wanted, listing } of found) {
      const { id, document, peerId } = listing
      output.event({ event: 'found', words: wanted.words, listing: id, title: document.title, seller: peerId })
    }
    const bought = await Promise.all(
      found.map(({ wanted, listing }) =>
        purchase(context, node, listing, wanted, join(records, `${wanted.name}.jsonl`))
      )
    )
    for (const { session, name } of bought) {
      const file = join(receipts, `${name}.car`)
      await node.receipts.export(session, file, { signal })
      output.event({ event: 'receipt', session, file })
    }
    output.event({ event: 'done' })
    await stopped(signal)
    return undefined
  })
}

async function find(node: DdmNode, { words }: WantedProduct, signal: AbortSignal): Promise<Listing> {
  const until = Date.now() + FIND_TIMEOUT_MS
  for (;;) {
    const [listing] = await node.listings.search({ text: words }, { signal })
    if (listing !== undefined) return listing
    if (Date.now() > until) throw new DdmError('notFound', `no listing has the words "${words}"`)
    await sleep(50, undefined, { signal })
  }
}

async function purchase(
  { output, signal }: Context,
  node: DdmNode,
  listing: Listing,
  wanted: WantedProduct,
  file: string
): Promise<{ session: string; name: string }> {
  const { fileSink } = await loadNode()
  const sink = await fileSink(file)
  const { title } = listing.document
  const { records, max, name } = wanted
  const rail = listing.document.payment[0]?.rail === 'iota' ? 'iota' : 'evm'
  const running = node.buy(listing, { max: max[rail], signal, ...(records === undefined ? {} : { records }) })
  const show = (): void => output.event({ event: 'progress', title, ...progressOf(running, node) })
  const timer = setInterval(show, PROGRESS_MS)
  try {
    for await (const batch of running.batches()) await sink.write(batch)
  } finally {
    clearInterval(timer)
    await sink.close()
  }
  const { session, due, paid, records: received, reason, firstRecordMs, totalMs } = await running.done
  show()
  output.event({
    event: 'bought',
    title,
    listing: listing.id,
    session,
    records: Number(received),
    due,
    paid,
    reason,
    resolvedThrough: running.status.resolvedThrough,
    firstRecordMs,
    totalMs
  })
  return { session, name }
}

function progressOf({ status }: Purchase, node: DdmNode): Record<string, unknown> {
  const { received, rate, paid, risk, phase, rail } = status
  const { decimals, symbol } = currencyOf(node, rail)
  const amount = (value: bigint): string => `${formatUnits(value, decimals)} ${symbol}`
  return { records: received, rate, paid: amount(paid), risk: amount(risk), phase }
}

import { resolve } from 'node:path'
import { PassThrough, type Writable } from 'node:stream'
import { timeSpan, wholeNumber } from '../arguments.ts'
import { DdmError, EXIT_CODES, formatUnits, type NetworkToken } from '../../interface/index.ts'
import type { BuyOptions, DdmNode, Purchase, PurchaseOutcome } from '../../node/index.ts'
import { type Context, loadNode, type Register, tokenOf, withNode } from '../context.ts'
import { printableJson } from '../text.ts'

interface Options {
  records?: number
  from?: string
  max?: string
  maxPrice?: string
  k?: number
  prepay?: string
  duration?: number
  output?: string
  append?: boolean
  force?: boolean
}

/** How often the progress line moves. */
const PROGRESS_MS = 250

export const buy: Register = (program, act) => {
  program
    .command('buy')
    .description('buy records of a listing: they go to stdout as JSON lines, what happens meanwhile to stderr')
    .argument('<listing>', 'its ID, a unique beginning of it (0x and 4 digits or more), or the CID of its document')
    .option('-n, --records <number>', 'stop after so many (default: all of a finite product, a stream until stopped)', wholeNumber(1))
    .option('--from <offset>', 'first offset, or "live" (default: the first one, the newest of a stream)')
    .option('--max <amount>', 'most that this purchase may cost, in whole tokens like 0.05')
    .option('--max-price <amount>', 'highest price per record (or KiB), in whole tokens')
    .option('--k <number>', 'records per invoice', wholeNumber(1))
    .option('--prepay <amount>', 'most that is paid before it was received, in whole tokens')
    .option('--duration <span>', 'stop after this time, like 90s or 10m', timeSpan)
    .option('-o, --output <file>', 'write the records to this file instead')
    .option('--append', 'add to the file')
    .option('--force', 'replace the file')
    .action(act(run))
}

async function run(context: Context, id: string, options: Options): Promise<number> {
  const { output, signal } = context
  const { fileSink, jsonLinesSink } = await loadNode()
  const wish = wishOf(options)
  // Opened first: a file that cannot be written is known before anything is paid.
  const sink =
    options.output === undefined
      ? jsonLinesSink(recordStream())
      : await fileSink(resolve(options.output), { append: options.append === true, force: options.force === true })
  try {
    return await withNode(context, { logLevel: 'warn' }, async (node) => {
      await node.listings.synced({ signal })
      const listing = await node.listings.get(id, { signal })
      const purchase = node.buy(listing, wish)
      const stop = (): void => purchase.stop()
      signal.addEventListener('abort', stop, { once: true })
      const shown = showProgress(context, purchase, listing.document.title, tokenOf(node))
      try {
        for await (const batch of purchase.batches()) await sink.write(batch)
        await sink.flush()
        const outcome = await purchase.done
        shown.end()
        report(context, node, outcome, listing.document.title, purchase)
        return interrupted(outcome, options, signal) ? EXIT_CODES.aborted : EXIT_CODES.ok
      } finally {
        shown.end()
        signal.removeEventListener('abort', stop)
        await purchase.done.catch(() => {})
      }
    })
  } finally {
    await sink.close()
    if (options.output === undefined) await output.flush()
  }
}

function wishOf({ records, from, max, maxPrice, k, prepay, duration }: Options): BuyOptions {
  if (from !== undefined && from !== 'live' && !/^[0-9]{1,20}$/.test(from)) {
    throw new DdmError('usage', `--from "${from}" is neither an offset nor "live"`)
  }
  return {
    ...(records === undefined ? {} : { records }),
    ...(from === undefined ? {} : { from: from === 'live' ? 'live' : BigInt(from) }),
    ...(max === undefined ? {} : { max }),
    ...(maxPrice === undefined ? {} : { maxPrice }),
    ...(k === undefined ? {} : { k }),
    ...(prepay === undefined ? {} : { prepay }),
    ...(duration === undefined ? {} : { duration })
  }
}

/** Records are strangers' text: a program gets their bytes, a terminal what is safe to show. */
function recordStream(): Writable {
  if (!process.stdout.isTTY) return process.stdout
  const safe = new PassThrough()
  safe.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text.split('\n').map(printableJson).join('\n'))
  })
  return safe
}

function showProgress(
  { output }: Context,
  purchase: Purchase,
  title: string,
  token: NetworkToken
): { end: () => void } {
  if (!output.live) return { end: () => {} }
  const timer = setInterval(() => output.progress(progressLine(title, purchase, token)), PROGRESS_MS)
  return { end: () => clearInterval(timer) }
}

export function progressLine(title: string, { status }: Pick<Purchase, 'status'>, token: NetworkToken): string {
  const { phase, received, rate, paid, risk } = status
  const amount = (value: bigint): string => formatUnits(value, token.decimals)
  return `${title}: ${received} records, ${rate.toFixed(1)}/s, paid ${amount(paid)} ${token.symbol}, at risk ${amount(risk)} (${phase})`
}

function report({ output }: Context, node: DdmNode, outcome: PurchaseOutcome, title: string, purchase: Purchase): void {
  const { symbol, decimals } = tokenOf(node)
  const amount = (value: bigint): string => formatUnits(value, decimals)
  const { session, listing, seller, records, due, paid, reason, firstRecordMs, totalMs } = outcome
  const value = {
    event: 'bought',
    session,
    listing,
    title,
    seller,
    records: Number(records),
    due: amount(due),
    paid: amount(paid),
    symbol,
    reason,
    resolvedThrough: purchase.status.resolvedThrough,
    firstRecordMs: firstRecordMs === undefined ? undefined : Math.round(firstRecordMs),
    totalMs: Math.round(totalMs)
  }
  output.aside(
    value,
    `${records} records of "${title}" for ${amount(due)} ${symbol}, paid ${amount(paid)} (${reason})`,
    `Receipt: ddm receipts export ${session}`
  )
}

/** A stream that runs until stopped was stopped as planned; anything else that the user cut short was not finished. */
function interrupted({ records, reason }: PurchaseOutcome, wanted: Options, signal: AbortSignal): boolean {
  if (!signal.aborted || reason === 'sourceEnded' || reason === 'complete') return false
  return wanted.records !== undefined && records < BigInt(wanted.records)
}

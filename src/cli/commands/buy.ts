import { resolve } from 'node:path'
import { Option } from 'commander'
import {
  type Currency,
  EXIT_CODES,
  formatUnits,
  type Listing,
  RAIL_NAMES,
  type RailName
} from '../../interface/index.ts'
import type { BuyOptions, DdmNode, Purchase, PurchaseOutcome } from '../../node/index.ts'
import { startFrom, timeSpan, timeSpanOrNone, wholeNumber } from '../arguments.ts'
import { type Context, currencyOf, loadNode, moneyText, type Register, synced, withNode } from '../context.ts'
import { type DownloadFlags, endsWith, openSink, removeEmpty, settled, sinkOptions } from '../sink.ts'

interface Options extends DownloadFlags {
  rail?: RailName
  records?: number
  from?: string
  max?: string
  maxPrice?: string
  k?: number
  prepay?: string
  duration?: number
  resumeFor?: number
  refund?: boolean
  check: boolean
  onInvalid?: 'stop' | 'drop'
}

/** How often the progress line moves. */
const PROGRESS_MS = 250

export const buy: Register = (program, act) => {
  const command = program
    .command('buy')
    .description('buy records of a listing: they go to stdout as JSON lines, what happens meanwhile to stderr')
    .argument('<listing>', 'its ID, a unique beginning of it (0x and 4 digits or more), or the CID of its document')
    .option(
      '-n, --records <number>',
      'stop after so many (default: all of a finite product, a stream until stopped)',
      wholeNumber(1)
    )
    .option(
      '--from <start>',
      'first offset, a time like 2026-01-31 or 2026-01-31T12:00Z, or "live" (default: the first one, the newest of a stream)'
    )
    .addOption(
      new Option('--rail <rail>', 'pay this way (default: the first of the setting "rails" that can be paid)').choices(
        RAIL_NAMES
      )
    )
    .option('--max <amount>', 'most that this purchase may cost, in whole tokens like 0.05')
    .option('--max-price <amount>', 'highest price per record (or KiB), in whole tokens')
    .option('--k <number>', 'records per invoice', wholeNumber(1))
    .option('--prepay <amount>', 'most that is paid before it was received, in whole tokens')
    .option('--duration <span>', 'stop after this time, like 90s or 10m', timeSpan)
    .option(
      '--resume-for <span>',
      'go on trying to reach a seller that was lost for so long, like 30s (default: 5m; 0s: fail at once)',
      timeSpanOrNone
    )
    .option('--refund', 'ask the seller to pay back at the end what the channel still holds')
    .option('--no-check', "do not check the records against the listing's JSON Schema")
    .addOption(
      new Option(
        '--on-invalid <action>',
        'for a record that breaks the JSON Schema: stop, pay nothing from it on and keep the proof (default); or drop it, paid for like any other'
      ).choices(['stop', 'drop'])
    )
  sinkOptions(command, 'write the records to this file instead; after a cut it goes on exactly there').action(act(run))
}

async function run(context: Context, id: string, options: Options): Promise<number> {
  const wish = wishOf(options)
  return download(context, id, options, () => wish)
}

/** Buys into a file or to stdout, and reports. */
export async function download(
  context: Context,
  id: string,
  options: DownloadFlags,
  wishFor: (listing: Listing) => BuyOptions
): Promise<number> {
  const { signal } = context
  const { pour } = await loadNode()
  return withNode(context, { logLevel: 'error', serve: true }, async (node) => {
    await synced(context, node)
    const listing = await node.listings.get(id, { signal })
    const wish = wishFor(listing)
    await showFees(context, node, listing, wish)
    // Opened before anything is paid: a file that cannot be written is known by then.
    const sink = endsWith(signal, await openSink(options, listing))
    const mark = await sink.mark?.()
    const purchase = node.buy(listing, { ...wish, ...(mark === undefined ? {} : { mark }) })
    const stop = (): void => purchase.stop()
    signal.addEventListener('abort', stop, { once: true })
    const shown = showProgress(context, purchase, listing.document.title, node)
    try {
      await pour(purchase, sink)
      await sink.close()
      const outcome = await purchase.done
      shown.end()
      report(context, node, outcome, options, purchase, listing)
      return exitCode(outcome, wish, listing, signal)
    } catch (error) {
      throw await settled(error, purchase, options)
    } finally {
      shown.end()
      signal.removeEventListener('abort', stop)
      await Promise.allSettled([purchase.done, sink.close()])
      if (purchase.status.received === 0n) await removeEmpty(options, mark)
    }
  })
}

/** What paying costs is said before anything is ordered. */
async function showFees({ output, signal }: Context, node: DdmNode, listing: Listing, wish: BuyOptions): Promise<void> {
  const { rail, fee, k, feePercent } = await node.quote(listing, { ...wish, signal })
  if (fee === 0n) return
  const currency = currencyOf(node, rail)
  const share = feePercent === undefined ? '' : `, ${feePercent} % of a payment for ${k} records`
  output.aside(
    { event: 'fee', rail, fee: formatUnits(fee, currency.decimals), symbol: currency.symbol, k, feePercent },
    `Each payment costs a fee of ${moneyText(fee, currency)}${share}; a window too small for that makes payments smaller`
  )
}

function wishOf(options: Options): BuyOptions {
  const { rail, records, from, max, maxPrice, k, prepay, duration, resumeFor, refund, check, onInvalid } = options
  return {
    ...(rail === undefined ? {} : { rail }),
    ...(records === undefined ? {} : { records }),
    ...(from === undefined ? {} : { from: startFrom(from) }),
    ...(max === undefined ? {} : { max }),
    ...(maxPrice === undefined ? {} : { maxPrice }),
    ...(k === undefined ? {} : { k }),
    ...(prepay === undefined ? {} : { prepay }),
    ...(duration === undefined ? {} : { duration }),
    ...(resumeFor === undefined ? {} : { resumeFor }),
    ...(refund === undefined ? {} : { refund }),
    ...(onInvalid === undefined ? {} : { onInvalid }),
    checkSchema: check
  }
}

function showProgress({ output }: Context, purchase: Purchase, title: string, node: DdmNode): { end: () => void } {
  if (!output.live) return { end: () => {} }
  const timer = setInterval(
    () => output.progress(progressLine(title, purchase, currencyOf(node, purchase.status.rail))),
    PROGRESS_MS
  )
  return { end: () => clearInterval(timer) }
}

function progressLine(title: string, { status }: Pick<Purchase, 'status'>, { symbol, decimals }: Currency): string {
  const { phase, received, rate, paid, risk } = status
  const amount = (value: bigint): string => formatUnits(value, decimals)
  return `${title}: ${received} records, ${rate.toFixed(1)}/s, paid ${amount(paid)} ${symbol}, at risk ${amount(risk)} (${phase})`
}

function report(
  { output }: Context,
  node: DdmNode,
  outcome: PurchaseOutcome,
  { output: file, to }: DownloadFlags,
  { status }: Purchase,
  { document: { title } }: Listing
): void {
  const { symbol, decimals } = currencyOf(node, outcome.rail)
  const amount = (value: bigint): string => formatUnits(value, decimals)
  const { session, listing, seller, records, due: owed, paid, reason, resumes, firstRecordMs, totalMs } = outcome
  const value = {
    event: 'bought',
    session,
    listing,
    title,
    seller,
    records: Number(records),
    due: amount(owed),
    paid: amount(paid),
    symbol,
    rail: outcome.rail,
    reason,
    resumes,
    resolvedThrough: status.resolvedThrough,
    quality: outcome.quality,
    ...(status.narrow === undefined ? {} : { windowNeeded: amount(status.narrow.need) }),
    firstRecordMs: firstRecordMs === undefined ? undefined : Math.round(firstRecordMs),
    totalMs: Math.round(totalMs),
    ...(file === undefined ? {} : { file: resolve(file) })
  }
  const lines = [
    `${records} records of "${title}" for ${amount(owed)} ${symbol}, paid ${amount(paid)} (${reason})`,
    ...qualityLines(outcome.quality),
    `Receipt: ddm receipts export ${session}`
  ]
  if (status.narrow !== undefined) {
    const { window, need } = status.narrow
    lines.push(
      `The window of ${amount(window)} ${symbol} was too small for the rate of this stream: --prepay ${amount(need)}`
    )
  }
  // Standard output belongs to the records, unless they went to a file.
  if (file === undefined && (to === undefined || to === 'stdout')) output.aside(value, ...lines)
  else output.result(value, ...lines)
}

/** Nothing where there is nothing to say. */
function qualityLines({ invalid, failures, missing, delayMs }: PurchaseOutcome['quality']): string[] {
  const parts = [
    ...(invalid === 0 ? [] : [`${invalid} invalid`]),
    ...(missing === undefined ? [] : [`${missing} missing of what was promised`]),
    ...(failures === 0 ? [] : [`${failures} streams lost`]),
    ...(delayMs === undefined ? [] : [`delay ${delayMs.p50} ms (95 %: ${delayMs.p95} ms)`])
  ]
  return parts.length === 0 ? [] : [`Quality: ${parts.join(', ')}`]
}

/** 0 when the buyer got what was asked for; a stream without an end ends when somebody, or the maximum, says so. */
function exitCode(
  { records, reason }: PurchaseOutcome,
  wanted: BuyOptions,
  listing: Listing,
  signal: AbortSignal
): number {
  const endless = wanted.records === undefined && listing.document.cadence?.mode !== 'finite'
  const whole = reason === 'sourceEnded' || reason === 'complete'
  if (endless || whole || (wanted.records !== undefined && records >= BigInt(wanted.records))) return EXIT_CODES.ok
  if (signal.aborted) return EXIT_CODES.aborted
  return reason === 'maximum' ? EXIT_CODES.budget : EXIT_CODES.ok
}

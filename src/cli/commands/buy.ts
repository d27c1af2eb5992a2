import { resolve } from 'node:path'
import { type Currency, EXIT_CODES, formatUnits, type Listing } from '../../interface/index.ts'
import type { BuyOptions, DdmNode, Purchase, PurchaseOutcome } from '../../node/index.ts'
import { timeSpan } from '../arguments.ts'
import { type Context, currencyOf, loadNode, moneyText, type Register, synced, withNode } from '../context.ts'
import { type DownloadFlags, endsWith, openSink, removeEmpty, settled, sinkOptions } from '../sink.ts'
import { given, ON_INVALID, refundOption, type WishFlags, wishOf, wishOptions } from '../wish.ts'

interface Options extends DownloadFlags, WishFlags {
  max?: string
  duration?: number
  refund?: boolean
}

export const buy: Register = (program, act) => {
  const command = program
    .command('buy')
    .description('buy records of a listing: they go to stdout as JSON lines, what happens meanwhile to stderr')
    .argument('<listing>', 'its ID, a unique beginning of it (0x and 4 digits or more), or the CID of its document')
    .option('--max <amount>', 'most that this purchase may cost, in whole tokens like 0.05')
    .option('--duration <span>', 'stop after this time, like 90s or 10m', timeSpan)
  wishOptions(refundOption(command), {
    records: 'stop after so many (default: all of a finite product, a stream until stopped)',
    from: 'first offset, a time like 2026-01-31 or 2026-01-31T12:00Z, or "live" (default: the first one, the newest of a stream)',
    rail: 'pay this way (default: the first of the setting "rails" that can be paid)',
    resumeFor: 'go on trying to reach a seller that was lost for so long, like 30s (default: 5m; 0s: fail at once)',
    onInvalid: ON_INVALID
  })
  sinkOptions(command, 'write the records to this file instead; after a cut it goes on exactly there').action(act(run))
}

async function run(context: Context, id: string, options: Options): Promise<number> {
  const { max, duration, refund } = options
  const wish = { ...wishOf(options), ...given({ max, duration, refund }) }
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
  const { pour, spendsNothing } = await loadNode()
  return withNode(context, { logLevel: 'error', serve: true }, async (node) => {
    await synced(context, node)
    const listing = await node.listings.get(id, { signal })
    const wish = wishFor(listing)
    if (!spendsNothing(wish.max)) await showFees(context, node, listing, wish)
    // Opened before anything is paid: a file that cannot be written is known by then.
    const sink = endsWith(signal, await openSink(options, listing))
    const mark = await sink.mark?.()
    const purchase = node.buy(listing, { ...wish, ...(mark === undefined ? {} : { mark }) })
    const stop = (): void => purchase.stop()
    signal.addEventListener('abort', stop, { once: true })
    const { title } = listing.document
    const endProgress = context.output.watch(() =>
      progressLine(title, purchase, currencyOf(node, purchase.status.rail))
    )
    try {
      await pour(purchase, sink)
      await sink.close()
      const outcome = await purchase.done
      endProgress()
      report(context, node, outcome, options, purchase, listing)
      return exitCode(outcome, wish, listing, signal)
    } catch (error) {
      throw await settled(error, purchase, options.to)
    } finally {
      endProgress()
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
export function qualityLines({ invalid, failures, missing, delayMs }: PurchaseOutcome['quality']): string[] {
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

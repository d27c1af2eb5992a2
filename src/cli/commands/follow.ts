import { type Currency, EXIT_CODES, formatUnits, type Listing } from '../../interface/index.ts'
import type { DdmNode, FollowEvent, Following, FollowOptions, FollowOutcome } from '../../node/index.ts'
import { timeSpan, wholeNumber } from '../arguments.ts'
import { type Context, currencyOf, loadNode, moneyText, type Register, synced, withNode } from '../context.ts'
import { type DownloadFlags, endsWith, openSink, sinkOptions } from '../sink.ts'
import { short } from '../table.ts'
import { given, type WishFlags, wishOf, wishOptions } from '../wish.ts'

interface Options extends DownloadFlags, WishFlags {
  max: string
  key?: string
  patience?: number
  silent?: number
  missing?: number
  delay?: number
}

export const follow: Register = (program, act) => {
  const command = program
    .command('follow')
    .description(
      'buy one product from several sellers, one at a time: who fails is left for the next, within one budget'
    )
    .argument('<listings...>', 'listings of the same product, as "ddm buy" takes them')
    .requiredOption('--max <amount>', 'most that all purchases together may cost, in whole tokens like 0.05')
    .option(
      '--key <field>',
      'records with the same value there are one, like time or wind.id (default: the same bytes)'
    )
    .option(
      '--silent <span>',
      'leave a seller that sends nothing for so long (default: ten periods of its cadence, at least 5s)',
      timeSpan
    )
    .option('--missing <number>', 'leave a seller after so many missing records of its cadence', wholeNumber(0))
    .option('--delay <span>', 'leave a seller whose records are older when they come (95 % of them)', timeSpan)
    .option('--patience <span>', 'give up when nobody has delivered for so long (default: 1m)', timeSpan)
  wishOptions(command, {
    records: 'stop after so many different ones (default: a finite product whole, a stream until stopped)',
    from: 'where the first purchase starts: an offset, a time or "live", as in "ddm buy"',
    rail: 'pay this way: all sellers must take the same currency',
    resumeFor: 'try to reach a seller that was lost for so long, before the next one is asked (default: 5s)',
    onInvalid:
      'for a record that breaks the JSON Schema: stop and leave the seller (default), or drop it, paid for like any other'
  })
  sinkOptions(command, 'write the records to this file instead').action(act(run))
}

async function run(context: Context, ids: string[], options: Options): Promise<number> {
  const { signal } = context
  const { pourFollowed } = await loadNode()
  const wish = followWish(options)
  return withNode(context, { logLevel: 'error', serve: true }, async (node) => {
    await synced(context, node)
    const listings: Listing[] = []
    for (const id of ids) listings.push(await node.listings.get(id, { signal }))
    // Opened before anything is paid: a file that cannot be written is known by then.
    const sink = endsWith(signal, await openSink(options, listings[0] as Listing))
    const currency = await currencyFor(node, listings, { ...wish, signal })
    const onEvent = (event: FollowEvent): void => tell(context, event)
    const following = node.follow(listings, { ...wish, signal, onEvent })
    const title = listings[0]?.document.title ?? ''
    const endProgress = context.output.watch(() => progressLine(following, title, currency))
    try {
      await pourFollowed(following, sink)
      await sink.close()
      const outcome = await following.done
      endProgress()
      report(context, outcome, currency)
      return exitCode(outcome, options, signal)
    } finally {
      endProgress()
      following.stop()
      await Promise.allSettled([following.done, sink.close()])
    }
  })
}

function followWish(options: Options): FollowOptions {
  const { max, key, patience, silent: silentMs, missing, delay: delayMs } = options
  return { max, ...wishOf(options), ...given({ key, patience }), leave: given({ silentMs, missing, delayMs }) }
}

/** Who delivers now, and why somebody was left. */
function tell({ output }: Context, event: FollowEvent): void {
  if (event.type === 'joined') {
    const { type, listing, seller, session } = event
    output.aside({ event: type, listing, seller, session }, `From seller …${seller.slice(-8)} (${short(listing, 12)})`)
  } else if (event.type === 'left') {
    const { type, listing, seller, why, error } = event
    const message = error instanceof Error ? error.message : undefined
    const because = message === undefined ? why : `${why}: ${message}`
    output.aside(
      { event: type, listing, seller, why, ...(message === undefined ? {} : { message }) },
      `Left seller …${seller.slice(-8)} (${because})`
    )
  }
}

/** All purchases are paid in one: that of the first seller that costs anything. */
async function currencyFor(
  node: DdmNode,
  listings: readonly Listing[],
  { rail, signal }: Pick<FollowOptions, 'rail' | 'signal'>
): Promise<Currency> {
  const asked = { ...(rail === undefined ? {} : { rail }), ...(signal === undefined ? {} : { signal }) }
  for (const listing of listings) {
    // A seller that cannot be paid is left like any other that fails.
    const quote = await node.quote(listing, asked).catch(() => undefined)
    if (quote !== undefined && quote.rail !== 'free') return currencyOf(node, quote.rail)
  }
  return currencyOf(node, rail)
}

function progressLine({ status }: Following, title: string, currency: Currency): string {
  const { records, duplicates, paid, seller } = status
  const from = seller === undefined ? 'no seller' : `seller …${seller.slice(-8)}`
  return `${title}: ${records} records, ${duplicates} duplicates, paid ${moneyText(paid, currency)} (${from})`
}

function report(
  { output }: Context,
  { records, duplicates, paid, reason, purchases }: FollowOutcome,
  { symbol, decimals }: Currency
): void {
  const amount = (value: bigint): string => formatUnits(value, decimals)
  const each = purchases.map((one) => ({
    ...one,
    records: Number(one.records),
    due: amount(one.due),
    paid: amount(one.paid)
  }))
  output.aside(
    {
      event: 'followed',
      records: Number(records),
      duplicates: Number(duplicates),
      paid: amount(paid),
      symbol,
      reason,
      purchases: each
    },
    `${records} records for ${amount(paid)} ${symbol} in ${purchases.length} purchases, ${duplicates} duplicates (${reason})`,
    ...each.map(
      ({ session = 'none', seller, records: count, paid: cost, left }) =>
        `  …${seller.slice(-8)}: ${count} records, paid ${cost}${left === undefined ? '' : `, left (${left})`}, session ${session}`
    )
  )
}

/** A product without an end is followed until somebody, or the budget, says so. */
function exitCode({ reason }: FollowOutcome, { records }: Options, signal: AbortSignal): number {
  if (reason === 'complete' || reason === 'sourceEnded' || records === undefined) return EXIT_CODES.ok
  return signal.aborted ? EXIT_CODES.aborted : EXIT_CODES.budget
}

import { Option } from 'commander'
import {
  type Currency,
  EXIT_CODES,
  formatUnits,
  type Listing,
  RAIL_NAMES,
  type RailName
} from '../../interface/index.ts'
import type { DdmNode, FollowEvent, Following, FollowOptions, FollowOutcome } from '../../node/index.ts'
import { startFrom, timeSpan, timeSpanOrNone, wholeNumber } from '../arguments.ts'
import { type Context, currencyOf, loadNode, moneyText, type Register, synced, withNode } from '../context.ts'
import { type DownloadFlags, endsWith, openSink, sinkOptions } from '../sink.ts'
import { short } from '../table.ts'

interface Options extends DownloadFlags {
  max: string
  records?: number
  key?: string
  rail?: RailName
  from?: string
  maxPrice?: string
  k?: number
  prepay?: string
  patience?: number
  resumeFor?: number
  silent?: number
  missing?: number
  delay?: number
  check: boolean
  onInvalid?: 'stop' | 'drop'
}

const PROGRESS_MS = 250

export const follow: Register = (program, act) => {
  const command = program
    .command('follow')
    .description(
      'buy one product from several sellers, one at a time: who fails is left for the next, within one budget'
    )
    .argument('<listings...>', 'listings of the same product, as "ddm buy" takes them')
    .requiredOption('--max <amount>', 'most that all purchases together may cost, in whole tokens like 0.05')
    .option(
      '-n, --records <number>',
      'stop after so many different ones (default: a finite product whole, a stream until stopped)',
      wholeNumber(1)
    )
    .option(
      '--key <field>',
      'records with the same value there are one, like time or wind.id (default: the same bytes)'
    )
    .option('--from <start>', 'where the first purchase starts: an offset, a time or "live", as in "ddm buy"')
    .addOption(new Option('--rail <rail>', 'pay this way: all sellers must take the same currency').choices(RAIL_NAMES))
    .option('--max-price <amount>', 'highest price per record (or KiB), in whole tokens')
    .option('--k <number>', 'records per invoice', wholeNumber(1))
    .option('--prepay <amount>', 'most that is paid before it was received, in whole tokens')
    .option(
      '--silent <span>',
      'leave a seller that sends nothing for so long (default: ten periods of its cadence, at least 5s)',
      timeSpan
    )
    .option('--missing <number>', 'leave a seller after so many missing records of its cadence', wholeNumber(0))
    .option('--delay <span>', 'leave a seller whose records are older when they come (95 % of them)', timeSpan)
    .option('--patience <span>', 'give up when nobody has delivered for so long (default: 1m)', timeSpan)
    .option(
      '--resume-for <span>',
      'try to reach a seller that was lost for so long, before the next one is asked (default: 5s)',
      timeSpanOrNone
    )
    .option('--no-check', "do not check the records against the listing's JSON Schema")
    .addOption(
      new Option(
        '--on-invalid <action>',
        'for a record that breaks the JSON Schema: stop and leave the seller (default), or drop it, paid for like any other'
      ).choices(['stop', 'drop'])
    )
  sinkOptions(command, 'write the records to this file instead').action(act(run))
}

async function run(context: Context, ids: string[], options: Options): Promise<number> {
  const { signal } = context
  const { pourFollowed } = await loadNode()
  const wish = wishOf(options)
  return withNode(context, { logLevel: 'error', serve: true }, async (node) => {
    await synced(context, node)
    const listings: Listing[] = []
    for (const id of ids) listings.push(await node.listings.get(id, { signal }))
    // Opened before anything is paid: a file that cannot be written is known by then.
    const sink = endsWith(signal, await openSink(options, listings[0] as Listing))
    const currency = await currencyFor(node, listings, { ...wish, signal })
    const onEvent = (event: FollowEvent): void => tell(context, event)
    const following = node.follow(listings, { ...wish, signal, onEvent })
    const shown = showProgress(context, following, listings, currency)
    try {
      await pourFollowed(following, sink)
      await sink.close()
      const outcome = await following.done
      shown.end()
      report(context, outcome, currency)
      return exitCode(outcome, options, signal)
    } finally {
      shown.end()
      following.stop()
      await Promise.allSettled([following.done, sink.close()])
    }
  })
}

function wishOf({ silent, missing, delay, from, check, ...options }: Options): FollowOptions {
  const { max, records, key, rail, maxPrice, k, prepay, patience, resumeFor, onInvalid } = options
  const leave = {
    ...(silent === undefined ? {} : { silentMs: silent }),
    ...(missing === undefined ? {} : { missing }),
    ...(delay === undefined ? {} : { delayMs: delay })
  }
  return {
    max,
    ...(records === undefined ? {} : { records }),
    ...(key === undefined ? {} : { key }),
    ...(rail === undefined ? {} : { rail }),
    ...(from === undefined ? {} : { from: startFrom(from) }),
    ...(maxPrice === undefined ? {} : { maxPrice }),
    ...(k === undefined ? {} : { k }),
    ...(prepay === undefined ? {} : { prepay }),
    ...(patience === undefined ? {} : { patience }),
    ...(resumeFor === undefined ? {} : { resumeFor }),
    ...(onInvalid === undefined ? {} : { onInvalid }),
    leave,
    checkSchema: check
  }
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

function showProgress(
  { output }: Context,
  following: Following,
  listings: readonly Listing[],
  currency: Currency
): { end: () => void } {
  if (!output.live) return { end: () => {} }
  const title = listings[0]?.document.title ?? ''
  const timer = setInterval(() => {
    const { records, duplicates, paid, seller } = following.status
    const from = seller === undefined ? 'no seller' : `seller …${seller.slice(-8)}`
    output.progress(
      `${title}: ${records} records, ${duplicates} duplicates, paid ${moneyText(paid, currency)} (${from})`
    )
  }, PROGRESS_MS)
  return { end: () => clearInterval(timer) }
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

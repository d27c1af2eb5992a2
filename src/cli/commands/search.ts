import { parseUnits, type SearchQuery } from '../../interface/index.ts'
import type { DdmNode } from '../../node/index.ts'
import { boundingBox, wholeNumber } from '../arguments.ts'
import { type Context, currencyOf, type Register, synced, withNode } from '../context.ts'
import { listingSummary, listingTable } from '../listing.ts'
import { nothingFound } from '../nothing-found.ts'

interface Options {
  limit?: number
  seller?: string
  bbox?: [number, number, number, number]
  maxPrice?: string
  unconfirmed?: boolean
}

export const search: Register = (program, act) => {
  program
    .command('search')
    .description('find listings by words; without any, the newest')
    .argument('[words...]', 'every word must occur; a beginning of a word is enough')
    .option('--limit <number>', 'most listings to show', wholeNumber(1, 200), 20)
    .option('--seller <peer>', 'only of this seller')
    .option('--bbox <w,s,e,n>', 'only what is about a place in this box: west,south,east,north in degrees', boundingBox)
    .option(
      '--max-price <amount>',
      'only what costs no more per record or KiB, in whole tokens; not what only IOTA buys'
    )
    .option('--unconfirmed', 'also listings that were announced but are not on the chain yet')
    .action(act(run))
}

async function run(context: Context, words: string[], options: Options): Promise<undefined> {
  const { output, signal } = context
  const { seller, unconfirmed } = options
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const query = queryOf(words, options, node)
    await synced(context, node)
    const found = await node.listings.search(query, { signal })
    if (output.json) for (const listing of found) output.result(listingSummary(listing))
    else if (found.length === 0) {
      const { announced = false } = query
      const some = await node.listings.search({ limit: 1, announced }, { signal })
      const narrowed = options.bbox !== undefined || options.maxPrice !== undefined
      output.note(nothingFound({ words, seller, unconfirmed, narrowed, empty: some.length === 0 }))
    } else output.result(undefined, ...listingTable(found, node))
    return undefined
  })
}

function queryOf(words: string[], { limit, seller, bbox, maxPrice, unconfirmed }: Options, node: DdmNode): SearchQuery {
  return {
    text: words.join(' '),
    ...(limit === undefined ? {} : { limit }),
    ...(seller === undefined ? {} : { seller }),
    ...(bbox === undefined ? {} : { bbox }),
    ...(maxPrice === undefined ? {} : { maxPrice: parseUnits(maxPrice, currencyOf(node).decimals, '--max-price') }),
    ...(unconfirmed === true ? { announced: true } : {})
  }
}

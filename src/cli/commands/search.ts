import { wholeNumber } from '../arguments.ts'
import { type Context, type Register, synced, withNode } from '../context.ts'
import { listingSummary, listingTable } from '../listing.ts'
import { nothingFound } from '../nothing-found.ts'

interface Options {
  limit?: number
  seller?: string
  unconfirmed?: boolean
}

export const search: Register = (program, act) => {
  program
    .command('search')
    .description('find listings by words; without any, the newest')
    .argument('[words...]', 'every word must occur; a beginning of a word is enough')
    .option('--limit <number>', 'most listings to show', wholeNumber(1, 200), 20)
    .option('--seller <peer>', 'only of this seller')
    .option('--unconfirmed', 'also listings that were announced but are not on the chain yet')
    .action(act(run))
}

async function run(context: Context, words: string[], { limit, seller, unconfirmed }: Options): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    await synced(context, node)
    const found = await node.listings.search(
      {
        text: words.join(' '),
        ...(limit === undefined ? {} : { limit }),
        ...(seller === undefined ? {} : { seller }),
        ...(unconfirmed === true ? { announced: true } : {})
      },
      { signal }
    )
    if (output.json) for (const listing of found) output.result(listingSummary(listing))
    else if (found.length === 0) {
      const some = await node.listings.search(
        { limit: 1, ...(unconfirmed === true ? { announced: true } : {}) },
        { signal }
      )
      output.note(nothingFound({ words, seller, unconfirmed, empty: some.length === 0 }))
    } else output.result(undefined, ...listingTable(found, node))
    return undefined
  })
}

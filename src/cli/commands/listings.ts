import type { ListingStatus } from '../../interface/index.ts'
import { type Context, type Register, synced, withNode } from '../context.ts'
import { listingSummary, pricesText } from '../listing.ts'
import { short, table } from '../table.ts'

const ACTIONS: ReadonlyArray<{ name: string; status: ListingStatus; description: string; done: string }> = [
  { name: 'pause', status: 'paused', description: 'take a listing off sale for now', done: 'paused' },
  { name: 'resume', status: 'active', description: 'put a paused listing on sale again', done: 'on sale' },
  { name: 'retire', status: 'retired', description: 'end a listing for good', done: 'retired' }
]

export const listings: Register = (program, act) => {
  const group = program.command('listings').description('your own listings: on sale, paused, retired')
  group.command('list').description('all that this account has published').action(act(list))
  for (const { name, status, description, done } of ACTIONS) {
    group
      .command(name)
      .description(description)
      .argument('<listing>', 'its ID, or a unique beginning of it')
      .action(act((context, id: string) => setStatus(context, id, { status, done })))
  }
}

async function list(context: Context): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    await synced(context, node)
    const own = await node.listings.search({ seller: node.peerId, status: 'any', limit: 200 }, { signal })
    if (output.json) for (const listing of own) output.result(listingSummary(listing))
    else if (own.length === 0) output.note('nothing is published yet; "ddm sell --help" shows how')
    else {
      const rows = own.map(({ id, status, version, document }) => [
        short(id, 12),
        status,
        `v${version}`,
        pricesText(document.payment, node),
        document.title
      ])
      output.result(undefined, ...table(['LISTING', 'STATUS', 'VERSION', 'PRICE', 'TITLE'], rows))
    }
    return undefined
  })
}

async function setStatus(
  context: Context,
  prefix: string,
  { status, done }: { status: ListingStatus; done: string }
): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    await synced(context, node)
    const { id, document } = await node.listings.get(prefix, { signal })
    await node.listings.setStatus(id, status, { signal })
    output.result({ listing: id, status }, `${document.title} (${short(id, 12)}) is ${done}`)
    return undefined
  })
}

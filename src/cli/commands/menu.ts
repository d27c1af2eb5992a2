import { priceText } from '../../interface/index.ts'
import { type Context, currencyOf, type Register, withNode } from '../context.ts'
import { short, table } from '../table.ts'

export const menu: Register = (program, act) => {
  program
    .command('menu')
    .description('ask a peer what it sells, knowing only its ID')
    .argument('<peer>', 'peer ID (12D3KooW…)')
    .action(act(run))
}

async function run(context: Context, peer: string): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const entries = await node.menu(peer, { signal })
    if (output.json) {
      for (const { cid, id, title, rail, amount, count, unit, asset, records } of entries) {
        output.result({ id, cid: cid.toString(), title, rail, asset, price: { amount, count, unit }, records })
      }
    } else if (entries.length === 0) output.note(`${peer} sells nothing now`)
    else {
      const rows = entries.map((entry) => [
        short(entry.id, 12),
        priceText(entry, currencyOf(node, entry.rail)),
        entry.records === undefined ? '' : `${entry.records} records`,
        entry.title
      ])
      output.result(undefined, ...table(['LISTING', 'PRICE', 'SIZE', 'TITLE'], rows))
    }
    return undefined
  })
}

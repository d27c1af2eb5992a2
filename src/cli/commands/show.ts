import { priceText } from '../../interface/index.ts'
import { type Context, currencyOf, type Register, synced, withNode } from '../context.ts'

export const show: Register = (program, act) => {
  program
    .command('show')
    .description('show one listing')
    .argument('<listing>', 'its ID, a unique beginning of it (0x and 4 digits or more), or the CID of its document')
    .action(act(run))
}

async function run(context: Context, id: string): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    await synced(context, node)
    const listing = await node.listings.get(id, { signal })
    const { document, version, status, trust, peerId, account, cid, transaction } = listing
    const { title, description, keywords, cadence, license, schema, payment } = document
    const optional = (name: string, value: string | undefined): string[] =>
      value === undefined || value === '' ? [] : [`${name.padEnd(12)}${value}`]
    output.result(
      listing,
      title,
      ...(description === title ? [] : [description]),
      '',
      `${'listing'.padEnd(12)}${listing.id} (version ${version}, ${status}, ${trust})`,
      `${'document'.padEnd(12)}${cid}`,
      `${'seller'.padEnd(12)}${peerId} (${account})`,
      ...payment.map(({ rail, price }) => `${'price'.padEnd(12)}${priceText(price, currencyOf(node, rail))} (${rail})`),
      ...optional('keywords', keywords?.join(', ')),
      ...optional('kind', cadence?.mode),
      ...optional('encoding', schema.encoding),
      ...optional('license', license?.spdx ?? license?.url),
      ...optional('posted in', transaction?.hash),
      '',
      `Buy it: ddm buy ${listing.id.slice(0, 12)} --max 0.05`
    )
    return undefined
  })
}

import { resolve } from 'node:path'
import { formatUnits, type NetworkToken } from '../../interface/index.ts'
import type { VerifiedBundle } from '../../node/index.ts'
import { type Context, loadNode, type Register, tokenOf, withNode } from '../context.ts'
import { short, table } from '../table.ts'

export const receipts: Register = (program, act) => {
  const group = program.command('receipts').description('what was bought and sold, as evidence that verifies offline')
  group.command('list').description('sessions of this home').action(act(list))
  group
    .command('export')
    .description('write the signed statements of a session to a file that verifies alone')
    .argument('<session>', 'session ID or a unique beginning of it')
    .option('-o, --output <file>', 'file to write (default: SESSION.car)')
    .action(act(exportReceipt))
  group
    .command('verify')
    .description('verify exported receipts from the files alone: no node, no network, no chain')
    .argument('<file...>', 'files that "receipts export" wrote')
    .action(act(verify))
}

async function list(context: Context): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const all = await node.receipts.list({ signal })
    const { decimals, symbol } = tokenOf(node)
    const amounts = ({ due, paid }: { due: bigint; paid: bigint }) => ({
      due: formatUnits(due, decimals),
      paid: formatUnits(paid, decimals)
    })
    if (output.json) for (const one of all) output.result({ ...one, ...amounts(one), symbol })
    else if (all.length === 0) output.note('This home has bought and sold nothing yet.')
    else {
      const rows = all.map((one) => [
        short(one.session, 24),
        one.role === 'buyer' ? 'bought' : 'sold',
        String(one.records),
        `${amounts(one).due} ${symbol}`,
        `${amounts(one).paid} ${symbol}`,
        one.state,
        new Date(one.at).toISOString().slice(0, 19)
      ])
      output.result(undefined, ...table(['SESSION', '', 'RECORDS', 'DUE', 'PAID', 'STATE', 'AT'], rows))
    }
    return undefined
  })
}

async function exportReceipt(
  context: Context,
  session: string,
  { output: file }: { output?: string }
): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const path = resolve(file ?? `${session}.car`)
    const bundle = await node.receipts.export(session, path, { signal })
    output.result({ file: path, ...bundle }, `Written: ${path}`, ...summary(bundle, tokenOf(node)))
    return undefined
  })
}

async function verify({ output, signal }: Context, files: string[]): Promise<undefined> {
  const { verifyReceipt } = await loadNode()
  for (const file of files) {
    const bundle = await verifyReceipt(file, { signal })
    output.result({ file, verified: true, ...bundle }, `${file}: verified`, ...summary(bundle))
  }
  return undefined
}

/** Without a network profile nobody knows a token's decimals: then amounts are atomic units. */
function summary(bundle: VerifiedBundle, token?: NetworkToken): string[] {
  const amount = (value: bigint): string =>
    token === undefined ? `${value} atomic units` : `${formatUnits(value, token.decimals)} ${token.symbol}`
  return [
    `  ${bundle.records} records of "${bundle.title}"`,
    `  due ${amount(bundle.due)}, credited ${amount(bundle.credited)}, ${bundle.statements} statements`,
    `  buyer  ${bundle.buyer}`,
    `  seller ${bundle.seller}`,
    ...(bundle.payer === undefined
      ? []
      : [`  paid by ${bundle.payer} in ${bundle.asset} through escrow ${bundle.escrow}`])
  ]
}

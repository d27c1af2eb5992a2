import { formatUnits } from '../../interface/index.ts'
import { type Context, currencyOf, type Register, withNode } from '../context.ts'

export const claim: Register = (program, act) => {
  program
    .command('claim')
    .description('present the vouchers of this home to the chain (a running seller does so by itself)')
    .action(act(run))
}

async function run(context: Context): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const { claimed, transactions, rejected } = await node.claim({ signal })
    const { symbol, decimals } = currencyOf(node)
    output.result(
      { claimed: formatUnits(claimed, decimals), symbol, transactions, rejected },
      `Claimed ${formatUnits(claimed, decimals)} ${symbol}`,
      ...transactions.map((hash) => `  transaction ${hash}`),
      ...rejected.map(({ channelId, reason }) => `  channel ${channelId} refused: ${reason}`)
    )
    return undefined
  })
}

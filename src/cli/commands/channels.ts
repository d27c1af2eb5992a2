import { type ChannelStanding, formatUnits } from '../../interface/index.ts'
import { type Context, currencyOf, type Register, withNode } from '../context.ts'
import { short, table } from '../table.ts'

export const channels: Register = (program, act) => {
  const group = program.command('channels').description('deposits: what is in them, and how to get the rest back')
  group.command('list').description('channels of this home, of both roles').action(act(list))
  group
    .command('refund')
    .description('buyer: ask the seller for what is unspent and wait for it; seller: pay a buyer back')
    .argument('<channel>', 'channel ID or a unique beginning of it')
    .action(act(refund))
  group
    .command('withdraw')
    .description('ask a deposit back without the seller; "finish" takes it after the withdraw delay')
    .argument('<channel>', 'channel ID or a unique beginning of it')
    .option('--amount <tokens>', 'how much (default: all that is unspent)')
    .action(act(withdraw))
  group
    .command('finish')
    .description('take what "withdraw" has asked back')
    .argument('<channel>', 'channel ID or a unique beginning of it')
    .action(act(finish))
}

async function list(context: Context): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const all = await node.channels.list({ signal })
    const { symbol, decimals } = currencyOf(node)
    const amount = (value: bigint): string => formatUnits(value, decimals)
    if (output.json) for (const one of all) output.result(shown(one, amount, symbol))
    else if (all.length === 0) output.note('This home has no channels yet: the first purchase opens one.')
    else {
      const rows = all.map((one) => [
        short(one.channelId, 18),
        one.role === 'payer' ? 'pays' : 'is paid by',
        short(one.counterparty, 16),
        amount(one.balance),
        amount(one.paid),
        amount(one.unclaimed),
        amount(one.claimed),
        amount(one.unspent),
        thawing(one, amount)
      ])
      const header = ['CHANNEL', '', 'WITH', `HOLDS ${symbol}`, 'PAID', 'UNCLAIMED', 'CLAIMED', 'UNSPENT', 'ASKED BACK']
      output.result(undefined, ...table(header, rows))
    }
    return undefined
  })
}

function thawing({ pendingWithdrawal, finalizeAfter }: ChannelStanding, amount: (value: bigint) => string): string {
  return finalizeAfter === 0n ? '' : `${amount(pendingWithdrawal)} from ${at(finalizeAfter).slice(0, 19)}`
}

function at(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString()
}

function shown(one: ChannelStanding, amount: (value: bigint) => string, symbol: string) {
  const { channelId, role, counterparty, finalizeAfter } = one
  return {
    channel: channelId,
    role,
    counterparty,
    balance: amount(one.balance),
    unconfirmed: amount(one.unconfirmed),
    paid: amount(one.paid),
    unclaimed: amount(one.unclaimed),
    claimed: amount(one.claimed),
    unspent: amount(one.unspent),
    ahead: amount(one.ahead),
    askedBack: amount(one.pendingWithdrawal),
    symbol,
    ...(finalizeAfter === 0n ? {} : { thawingUntil: at(finalizeAfter) })
  }
}

async function refund(context: Context, id: string): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const { amount, transaction } = await node.channels.refund(id, { signal })
    const { symbol, decimals } = currencyOf(node)
    const refunded = formatUnits(amount, decimals)
    const way = `take it without the other side: ddm channels withdraw ${id}`
    output.result(
      { channel: id, refunded, symbol, ...(transaction === undefined ? {} : { transaction }) },
      amount > 0n ? `Refunded ${refunded} ${symbol}` : `Nothing was refunded. If there is something unspent, ${way}`
    )
    return undefined
  })
}

async function withdraw(context: Context, id: string, { amount: wanted }: { amount?: string }): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const { amount, finalizeAfter, transaction } = await node.channels.withdraw(id, wanted, { signal })
    const { symbol, decimals } = currencyOf(node)
    const text = formatUnits(amount, decimals)
    output.result(
      { channel: id, askedBack: text, symbol, thawingUntil: at(finalizeAfter), transaction },
      `Asked ${text} ${symbol} back; from ${at(finalizeAfter)} on: ddm channels finish ${id}`
    )
    return undefined
  })
}

async function finish(context: Context, id: string): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const { amount, transaction } = await node.channels.finish(id, { signal })
    const { symbol, decimals } = currencyOf(node)
    const text = formatUnits(amount, decimals)
    output.result({ channel: id, taken: text, symbol, transaction }, `Took ${text} ${symbol} back`)
    return undefined
  })
}

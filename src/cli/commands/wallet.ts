import { currencyOf, formatUnits } from '../../interface/index.ts'
import type { WalletStatus } from '../../node/index.ts'
import { type Context, loadNode, nodeInit, type Register, runningNode } from '../context.ts'

export const wallet: Register = (program, act) => {
  const group = program.command('wallet').description('what this home may spend, and the switch that stops all of it')
  group.command('show').description('account, balances, what was spent, caps').action(act(showWallet))
  group
    .command('freeze')
    .description('sign nothing any more: no voucher, no deposit; a node that runs stops before its next signature')
    .action(act((context) => freeze(context, true)))
  group
    .command('unfreeze')
    .description('sign again, within the caps')
    .action(act((context) => freeze(context, false)))
}

export async function showWallet(context: Context): Promise<undefined> {
  const { output } = context
  const status = await walletOf(context)
  const { account, frozen, native, token, symbol, decimals, spent, budget, maxWithdrawDelay, iota } = status
  const amount = (value: bigint): string => formatUnits(value, decimals)
  const { sellers, ...caps } = budget
  const shown = Object.fromEntries(Object.entries(caps).map(([name, cap]) => [name, amount(cap)]))
  const line = (name: string, text: string): string => `${name.padEnd(18)}${text}`
  const value = {
    account,
    frozen,
    native: formatUnits(native, 18),
    balance: amount(token),
    symbol,
    spentHour: amount(spent.hour),
    spentDay: amount(spent.day),
    budget: { ...shown, sellers, maxWithdrawDelay: `${maxWithdrawDelay / 1000}s` },
    ...(iota === undefined ? {} : { iota: inIota(iota) })
  }
  output.result(
    value,
    line('account', `${account}${frozen ? ' (frozen: nothing is signed; ddm wallet unfreeze)' : ''}`),
    line('balance', `${amount(token)} ${symbol}, ${value.native} coins for gas`),
    ...(value.iota === undefined
      ? []
      : [
          line('IOTA account', value.iota.account),
          line('IOTA balance', `${value.iota.balance} IOTA; spent ${value.iota.spentDay} in the last 24 hours`)
        ]),
    line('spent', `${value.spentHour} ${symbol} in the last hour, ${value.spentDay} in the last 24 hours`),
    ...Object.entries(shown).map(([name, cap]) => line(name, `at most ${cap} ${symbol}`)),
    line('withdraw delay', `at most ${value.budget.maxWithdrawDelay}`),
    line('sellers', sellers.length === 0 ? 'everybody' : sellers.join(', '))
  )
  return undefined
}

/** Asked of the node that runs; else read beside it, without a passphrase. */
async function walletOf(context: Context): Promise<WalletStatus> {
  const { signal } = context
  const running = await runningNode(context)
  if (running !== undefined) return running.node.wallet.status({ signal })
  const { readWallet } = await loadNode()
  return readWallet(await nodeInit(context, { logLevel: 'error' }), { signal })
}

function inIota({ account, balance, spent }: NonNullable<WalletStatus['iota']>) {
  const amount = (value: bigint): string => formatUnits(value, currencyOf({ name: '', tokens: [] }, 'iota').decimals)
  return { account, balance: amount(balance), spentHour: amount(spent.hour), spentDay: amount(spent.day) }
}

async function freeze({ flags, output }: Context, on: boolean): Promise<undefined> {
  const { freezeWallet, resolveHome } = await loadNode()
  const account = await freezeWallet(resolveHome(flags.home), on)
  output.result({ account, frozen: on }, on ? `Frozen: ${account} signs nothing.` : `${account} signs again.`)
  return undefined
}

import { DdmError } from '../../interface/index.ts'
import type { BudgetChange } from '../../node/index.ts'
import { words } from '../arguments.ts'
import { type Context, loadNode, type Register, runningNode } from '../context.ts'
import { showWallet } from './wallet.ts'

/** Flag, cap and what it bounds. */
const CAPS = [
  ['per-record', 'highest price of one record'],
  ['per-session', 'most that one purchase may cost'],
  ['per-seller', 'most that one seller may get in a day'],
  ['per-hour', 'most that may be spent in an hour'],
  ['per-day', 'most that may be spent in a day'],
  ['deposit', 'most that is deposited with one seller']
] as const

export const budget: Register = (program, act) => {
  const group = program
    .command('budget')
    .description('what this home may spend: caps that hold before a signature is made')
  group.command('show').description('the caps, and what was spent').action(act(showWallet))
  const set = group.command('set').description('change caps, now and for later runs; amounts in whole tokens')
  for (const [flag, what] of CAPS) set.option(`--${flag} <amount>`, what)
  set
    .option(
      '--sellers <peers>',
      'peer IDs of the only sellers that are paid, separated by commas; "" for everybody',
      words
    )
    .action(act(change))
}

async function change(context: Context, caps: BudgetChange): Promise<undefined> {
  if (Object.keys(caps).length === 0) {
    throw new DdmError('usage', 'name a cap, like: ddm budget set --per-day 5')
  }
  const running = await runningNode(context)
  if (running !== undefined) await running.node.wallet.setBudget(caps)
  else {
    const { changeBudgetOf, resolveHome } = await loadNode()
    await changeBudgetOf(resolveHome(context.flags.home), caps)
  }
  context.output.result({ changed: caps }, ...Object.entries(caps).map(([cap, value]) => `${cap}: ${String(value)}`))
  return undefined
}

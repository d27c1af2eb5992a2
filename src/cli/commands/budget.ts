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

const UNHEARD =
  'The node that runs on this home could not be told: it keeps its caps until it is started again. To stop its spending now: ddm wallet freeze'

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
  const lines = Object.entries(caps).map(([cap, value]) => `${cap}: ${String(value)}`)
  const running = await runningNode(context)
  if (running !== undefined) {
    await running.node.wallet.setBudget(caps)
    context.output.result({ changed: caps, from: 'now' }, ...lines)
    return undefined
  }
  const { changeBudgetOf, isHomeLocked, resolveHome } = await loadNode()
  const home = resolveHome(context.flags.home)
  await changeBudgetOf(home, caps)
  // A node without an API, or one that does not answer: nobody could tell it.
  const unheard = isHomeLocked(home)
  if (unheard) lines.push(UNHEARD)
  context.output.result({ changed: caps, from: unheard ? 'restart' : 'now' }, ...lines)
  return undefined
}

import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { DdmError } from '../../interface/index.ts'
import type { InitHomeInit } from '../../node/index.ts'
import { type Context, loadNode, nodeInit, type Register } from '../context.ts'
import { withPassphrase } from '../passphrase.ts'

interface Options {
  budgetPerDay?: string
}

export const init: Register = (program, act) => {
  program
    .command('init')
    .description(
      'make a home: its network, keys and budget; asks for what it is not told, and changes nothing that is there'
    )
    .option('--budget-per-day <amount>', 'most that may be spent in a day, in whole tokens')
    .action(act(run))
}

async function run(context: Context, { budgetPerDay }: Options): Promise<undefined> {
  const { output, flags } = context
  const { initHome, resolveHome } = await loadNode()
  const home = resolveHome(flags.home)
  const fresh = !existsSync(resolve(home, 'network.json'))
  const asked = fresh && flags.network === undefined ? await ask(context, QUESTIONS.network) : flags.network
  const perDay = budgetPerDay ?? (fresh && canAsk() ? await ask(context, QUESTIONS.budget) : undefined)
  const known: InitHomeInit = {
    ...(await nodeInit(
      { ...context, flags: { ...flags, ...(asked === undefined ? {} : { network: asked }) } },
      { logLevel: 'error' }
    )),
    ...(perDay === undefined || perDay === '' ? {} : { budget: { perDay } })
  }
  const made = await withPassphrase(known, (complete) => initHome({ ...known, ...complete }), context)
  const { peerId, account, network, unencrypted, joined } = made
  const flag = flags.home === undefined ? '' : ` --home ${relative('.', home) || '.'}`
  output.result(
    { home, peerId, account, network, joined, unencrypted },
    `home       ${home}${joined ? ' (was there, unchanged)' : ''}`,
    `network    ${network}`,
    `peer ID    ${peerId}`,
    `account    ${account}: to buy, send tokens to it; to sell, a few coins for gas`,
    ...(unencrypted.length === 0 ? [] : ['keys       not encrypted: for test networks only']),
    '',
    `Next: ddm doctor${flag}, then ddm start${flag}`
  )
  return undefined
}

const QUESTIONS = {
  network: {
    text: 'Network profile (a file that somebody of the network gave you): ',
    missing: 'name the network with --network FILE; whoever runs a node of it has it: ddm network export'
  },
  budget: { text: 'Most that may be spent in a day, in whole tokens (empty: 50): ', missing: '' }
} as const

function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

async function ask(
  { signal }: Context,
  { text, missing }: (typeof QUESTIONS)[keyof typeof QUESTIONS]
): Promise<string> {
  if (!canAsk()) throw new DdmError('usage', missing)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await terminal.question(text, { signal })).trim()
  } catch (cause) {
    throw new DdmError('aborted', 'nothing was created', { cause })
  } finally {
    terminal.close()
  }
}

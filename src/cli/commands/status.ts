import { type AbortOptions, DdmError, EXIT_CODES, formatUnits } from '../../interface/index.ts'
import type { DdmNode, TotalExposure } from '../../node/index.ts'
import { type Context, currencyOf, moneyText, type Register, runningNode } from '../context.ts'

export const status: Register = (program, act) => {
  program
    .command('status')
    .description('whether a node runs on this home, what it does now, and where its page is')
    .action(act(run))
}

async function run(context: Context): Promise<number> {
  const { output, signal } = context
  const running = await runningNode(context)
  if (running === undefined) {
    output.result({ running: false }, 'No node runs on this home; start it with: ddm start')
    return EXIT_CODES.notFound
  }
  const { node, page, pid, version, startedAt } = running
  const [peers, selling, sessions, exposure] = await Promise.all([
    node.peers({ signal }),
    node.sessions.selling({ signal }),
    node.sessions.list({ signal }),
    exposureOf(node, { signal })
  ])
  const { peerId, account, profile } = node
  const since = new Date(startedAt).toISOString()
  const line = (name: string, text: string): string => `${name.padEnd(10)}${text}`
  output.result(
    {
      running: true,
      pid,
      version,
      since,
      peerId,
      account,
      network: profile.name,
      addresses: node.addresses(),
      peers: peers.length,
      selling: selling.length,
      sessions: sessions.length,
      ...(typeof exposure === 'string' ? {} : { exposure: exposure.map((one) => shown(one, node)) }),
      page
    },
    line('running', `version ${version}, process ${pid}, since ${since}`),
    line('peer ID', peerId),
    line('account', account),
    line('network', profile.name),
    line('peers', `${peers.length} connected`),
    line('sessions', `${selling.length} selling now, ${sessions.length} in the ledger`),
    ...(typeof exposure === 'string'
      ? [line('at stake', `not known: ${exposure}`)]
      : exposure.map((one) => line('at stake', described(one, node)))),
    line('page', page)
  )
  return EXIT_CODES.ok
}

/** The bound of the node; why it is not known, when the chain does not answer. */
async function exposureOf(node: DdmNode, options: AbortOptions): Promise<TotalExposure[] | string> {
  try {
    return await node.exposure(options)
  } catch (error) {
    if (error instanceof DdmError && error.code !== 'aborted') return error.message
    throw error
  }
}

function shown({ role, rail, ...amounts }: TotalExposure, node: DdmNode): Record<string, string> {
  const { symbol, decimals } = currencyOf(node, rail)
  const texts = Object.entries(amounts).map(([part, amount]) => [part, formatUnits(amount, decimals)])
  return { role, rail, symbol, ...Object.fromEntries(texts) }
}

function described(exposure: TotalExposure, node: DdmNode): string {
  const { role, rail, window, unclaimed, unconfirmed, locked, bound } = exposure
  const money = (amount: bigint): string => moneyText(amount, currencyOf(node, rail))
  const parts =
    role === 'seller'
      ? `${money(window)} not paid yet, ${money(unclaimed)} unclaimed, ${money(unconfirmed)} unconfirmed`
      : `${money(window)} paid ahead, ${money(locked)} in deposits until the withdraw delay`
  return `${money(bound)} ${role === 'seller' ? 'selling' : 'buying'} (${rail}): ${parts}`
}

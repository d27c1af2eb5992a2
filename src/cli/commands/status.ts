import { EXIT_CODES } from '../../interface/index.ts'
import { type Context, type Register, runningNode } from '../context.ts'

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
  const [peers, selling, sessions] = await Promise.all([
    node.peers({ signal }),
    node.sessions.selling({ signal }),
    node.sessions.list({ signal })
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
      page
    },
    line('running', `version ${version}, process ${pid}, since ${since}`),
    line('peer ID', peerId),
    line('account', account),
    line('network', profile.name),
    line('peers', `${peers.length} connected`),
    line('sessions', `${selling.length} selling now, ${sessions.length} in the ledger`),
    line('page', page)
  )
  return EXIT_CODES.ok
}

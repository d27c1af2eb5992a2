import { type Context, type Register, withNode } from '../context.ts'
import { table } from '../table.ts'

export const peers: Register = (program, act) => {
  program.command('peers').description('peers that this node is connected to').action(act(run))
}

async function run(context: Context): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const connected = await node.peers({ signal })
    if (output.json) for (const peer of connected) output.result(peer)
    else if (connected.length === 0) output.note('no peer is connected; "ddm doctor" says why that may be')
    else {
      const rows = connected.map(({ peerId, direction, limited, address }) => [
        peerId,
        direction,
        limited ? 'relayed' : 'direct',
        address
      ])
      output.result(undefined, ...table(['PEER', 'OPENED', 'PATH', 'ADDRESS'], rows))
    }
    return undefined
  })
}

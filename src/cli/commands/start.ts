import type { ServedNode } from '../../api/index.ts'
import { DdmError } from '../../interface/index.ts'
import { type Context, type Register, runningNode, startNode } from '../context.ts'
import { stopped } from '../stop.ts'

export const start: Register = (program, act) => {
  program
    .command('start')
    .description('run the node of this home until stopped: its API, its page, and what it sells and buys')
    .action(act(run))
}

async function run(context: Context): Promise<undefined> {
  const { output, signal } = context
  const running = await runningNode(context)
  if (running !== undefined) {
    throw new DdmError(
      'homeBusy',
      `a node runs on this home already (process ${running.pid}); its page: ${running.page}`
    )
  }
  const { node, served, stop } = await startNode(context, { logLevel: 'info', serve: true, reopen: true })
  try {
    output.event(
      {
        event: 'ready',
        peerId: node.peerId,
        account: node.account,
        addresses: node.addresses(),
        api: served?.url,
        page: served?.page
      },
      [`Running as ${node.peerId}. Ctrl-C stops.`, ...(served === undefined ? [] : [`Page: ${placeOf(served)}`])].join(
        '\n'
      )
    )
    await stopped(signal)
  } finally {
    await stop()
  }
  return undefined
}

/** A log that others may read gets no token. */
function placeOf({ page, url }: ServedNode): string {
  return process.stderr.isTTY ? page : `${url} ("ddm status" prints it with what opens it)`
}

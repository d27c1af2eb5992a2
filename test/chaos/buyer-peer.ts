import type { Listing } from '../../src/interface/index.ts'
import { createNode, type DdmNode, fileSink, type Purchase, pour, resumeFileSink } from '../../src/node/index.ts'
import { answer, begin } from './child.ts'

/** The buyer of one world: buys into a file, or goes on with what an earlier run of it has begun. */

const init = begin()
const { home, network, log, listen, bootstrap } = init

export interface Wish {
  listing: Listing
  from: number
  records: number
  k: number
  max: bigint
  prepay?: string
  file: string
  /** Session to go on with. */
  session?: string
}

const starting = createNode({
  home,
  network,
  insecureDevKeys: true,
  config: { role: 'light', listen, bootstrap, logLevel: 'info', logFile: log, inboundPerSecond: 1000 }
})
let purchase: Purchase | undefined

async function buy(node: DdmNode, wish: Wish): Promise<Purchase> {
  const { listing, from, records, k, max, prepay, file } = wish
  const sink = await fileSink(file, { force: true })
  const mark = await sink.mark?.()
  const begun = node.buy(listing, {
    from,
    records,
    k,
    max,
    ...(prepay === undefined ? {} : { prepay }),
    ...(mark === undefined ? {} : { mark })
  })
  purchase = begun
  await pour(begun, sink)
  await sink.close()
  return begun
}

async function resume(node: DdmNode, session: string): Promise<Purchase> {
  const { sink: mark } = await node.sessions.get(session)
  if (mark === undefined) throw new Error(`session ${session} has no mark of its file`)
  const sink = await resumeFileSink(mark)
  const begun = await node.sessions.resume(session)
  purchase = begun
  await pour(begun, sink)
  await sink.close()
  return begun
}

answer(init, starting, {
  ready: async () => {
    const { peerId, account } = await starting
    return { peerId, account }
  },
  buy: async (wish: Wish) => {
    const node = await starting
    const done = wish.session === undefined ? buy(node, wish) : resume(node, wish.session)
    return (await done).done
  },
  status: async () => purchase?.status,
  /** Asks back what no session is promised, but for so much. */
  withdraw: async (kept: bigint) => {
    const { channels } = await starting
    const open = (await channels.list()).filter(
      ({ role, pendingWithdrawal }) => role === 'payer' && pendingWithdrawal === 0n
    )
    for (const { channelId, unspent } of open) if (unspent > kept) await channels.withdraw(channelId, unspent - kept)
  },
  finish: async () => {
    const { channels } = await starting
    for (const { channelId, pendingWithdrawal } of await channels.list()) {
      if (pendingWithdrawal > 0n) await channels.finish(channelId)
    }
  },
  bound: async (id: string) => {
    const node = await starting
    return node.sessions.exposure(await node.sessions.get(id))
  }
})

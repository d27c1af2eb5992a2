import { createNode, parseSource } from '../../src/node/index.ts'
import { answer, begin } from './child.ts'

/** The seller of one world: puts the same product on sale whenever it starts. */

const init = begin()
const { home, network, log, listen, announce } = init

interface Product {
  file: string
  price: string
  credit?: string
}

const starting = createNode({
  home,
  network,
  insecureDevKeys: true,
  config: {
    listen,
    announce,
    logLevel: 'info',
    logFile: log,
    inboundPerSecond: 1000,
    orderRatePerBuyer: 10_000,
    claimAbove: '0.02'
  }
})

answer(init, starting, {
  sell: async ({ file, price, credit }: Product) => {
    const node = await starting
    const { listing, fed } = await node.sell({
      title: 'Chaos',
      price,
      source: await parseSource(`jsonl:${file}`),
      k: { min: 1, default: 5, max: 100 },
      ...(credit === undefined ? {} : { credit })
    })
    await fed
    return { listing, peerId: node.peerId, account: node.account }
  },
  sessions: async () => (await starting).sessions.selling(),
  bound: async (id: string) => {
    const node = await starting
    return node.sessions.exposure(await node.sessions.get(id))
  },
  claim: async () => (await starting).claim(),
  /** Pays back what nobody has used. */
  refund: async () => {
    const { channels } = await starting
    for (const { channelId, role, unspent } of await channels.list()) {
      if (role === 'payee' && unspent > 0n) await channels.refund(channelId)
    }
  }
})

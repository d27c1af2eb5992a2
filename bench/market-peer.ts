import { setTimeout as sleep } from 'node:timers/promises'
import { createNode, type DdmNode } from '../src/index.ts'
import { type DataSource, onFaultPoint } from '../src/interface/index.ts'
import { answer } from './child.ts'

/** One node of the stream bench: `market-peer.ts HOME PROFILE`; sells or buys as it is told. */
const [home = '', network = ''] = process.argv.slice(2)
const node: DdmNode = await createNode({
  home,
  network,
  insecureDevKeys: true,
  config: {
    listen: ['/ip4/127.0.0.1/tcp/0'],
    logLevel: 'error',
    maxConnections: 1000,
    claimAbove: '1000000',
    budgetPerSession: '1000000',
    budgetPerSeller: '1000000',
    budgetPerHour: '1000000',
    budgetPerDay: '1000000',
    budgetDeposit: '1000000'
  }
})

let utilization = performance.eventLoopUtilization()

function fixedSource(records: number, recordBytes: number): DataSource {
  return {
    name: 'bench',
    finite: true,
    async *records() {
      for (let i = 0; i < records; i++) {
        const bytes = Buffer.alloc(recordBytes, 0x61)
        bytes.writeUInt32BE(i)
        yield { bytes }
      }
    }
  }
}

/** One record per second once the feed may begin; its first eight bytes say when it was made, Unix ms. */
async function* everySecond(records: number, recordBytes: number): AsyncGenerator<{ bytes: Uint8Array }> {
  await feeding.promise
  const start = performance.now()
  for (let i = 0; i < records; i++) {
    await sleep(Math.max(0, start + i * 1000 - performance.now()))
    const bytes = Buffer.alloc(recordBytes, 0x61)
    bytes.writeDoubleBE(Date.now())
    yield { bytes }
  }
}

const feeding = Promise.withResolvers<void>()
let cpu = process.cpuUsage()

interface Sell {
  title: string
  price: string
  records: number
  recordBytes: number
  invoicing: 'strict' | 'adaptive'
  credit: bigint
}

interface Buy {
  listing: string
  records: number
  k: number
  answering: 'every' | 'newest'
  prepay: bigint
}

answer(
  {
    ready: async () => ({ peerId: node.peerId, addresses: node.addresses() }),
    sell: async ({ title, price, records, recordBytes, invoicing, credit }: Sell) => {
      const sale = await node.sell({
        title,
        price,
        source: fixedSource(records, recordBytes),
        invoicing,
        credit,
        k: { min: 1, default: 100, max: 1000 },
        document: { schema: { encoding: 'bytes', maxRecordBytes: 1024 } }
      })
      await sale.fed
      return { listing: sale.listing.id }
    },
    sellLive: async ({ title, price, records, recordBytes, credit }: Sell) => {
      const source = { name: 'bench', finite: false, records: () => everySecond(records, recordBytes) }
      const { listing } = await node.sell({
        title,
        price,
        source,
        credit,
        k: { min: 1, default: 10, max: 1000 },
        document: { schema: { encoding: 'bytes', maxRecordBytes: 1024 } }
      })
      return listing
    },
    feed: async () => {
      cpu = process.cpuUsage()
      feeding.resolve()
    },
    buy: async ({ listing, records, k, answering, prepay }: Buy) => {
      await node.listings.synced()
      const found = await node.listings.get(listing)
      const startedAt = performance.now()
      const before = performance.eventLoopUtilization()
      const paidAt: number[] = []
      onFaultPoint((point) => {
        if (point === 'payment.sent') paidAt.push(performance.now())
      })
      const purchase = node.buy(found, { records, k, answering, prepay, from: 0 })
      let count = 0
      let firstAt: number | undefined
      let inFirst = 0
      for await (const batch of purchase.batches()) {
        firstAt ??= performance.now()
        inFirst ||= batch.length
        const last = batch.at(-1)
        count += batch.length
        if (last !== undefined && Buffer.from(last.bytes).readUInt32BE() !== count - 1) {
          throw new Error(`record ${count - 1} is not the one that was sold`)
        }
      }
      const lastAt = performance.now()
      const outcome = await purchase.done
      return {
        records: count,
        // The first batch was there when the clock started.
        recordsPerSecond: count === inFirst ? 0 : (count - inFirst) / ((lastAt - (firstAt ?? lastAt)) / 1000),
        firstRecordMs: (firstAt ?? lastAt) - startedAt,
        totalMs: performance.now() - startedAt,
        due: outcome.due,
        credited: outcome.credited,
        invoices: purchase.status.invoices,
        vouchers: purchase.status.payments,
        paidAt,
        busy: performance.eventLoopUtilization(before).utilization
      }
    },
    mark: async () => {
      utilization = performance.eventLoopUtilization()
    },
    /** CPU of all threads since `feed`, µs; the most memory that there ever was, bytes. */
    cost: async () => {
      const { user, system } = process.cpuUsage(cpu)
      return {
        cpu: user + system,
        rss: process.resourceUsage().maxRSS * 1024,
        sessions: (await node.sessions.selling()).length
      }
    },
    usage: async () => ({
      rss: process.memoryUsage().rss,
      busy: performance.eventLoopUtilization(utilization).utilization
    })
  },
  () => node.stop()
)

// Buys a stream, averages one field over so many records, and sells the averages at a price of its own.
// Run it beside `npm start`:  node examples/buy-aggregate-resell.ts .ddm/demo/network.json telemetry cpuPercent 10
import { createNode, type DataSource } from '../src/index.ts'

const [network = '.ddm/demo/network.json', words = 'telemetry', field = 'cpuPercent', count = '10'] =
  process.argv.slice(2)
const node = await createNode({ home: '.ddm/resell', network, insecureDevKeys: true, config: { logLevel: 'error' } })
await node.listings.synced()
const listings = (await node.listings.search(words)).filter(({ peerId }) => peerId !== node.peerId)

const averages: DataSource = {
  name: `${field} of ${words}`,
  finite: false,
  async *records({ signal } = {}) {
    let values: number[] = []
    const bought = node.follow(listings, { max: '1', ...(signal === undefined ? {} : { signal }) })
    for await (const record of bought) {
      const value = record.json<Record<string, unknown>>()[field]
      if (typeof value === 'number') values.push(value)
      if (values.length < Number(count)) continue
      const mean = values.reduce((sum, one) => sum + one, 0) / values.length
      values = []
      yield { bytes: Buffer.from(JSON.stringify({ time: new Date(record.receivedAt), mean, of: Number(count) })) }
    }
  }
}

const title = `Mean ${field} (${words})`
const sale = await node.sell({ title, price: '0.002', source: averages, keywords: ['mean'], credit: '0.01' })
console.log(JSON.stringify({ selling: sale.listing.id, title }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void node.stop())
// The averages end with the budget, or with an error of every seller.
await sale.fed.catch((error: unknown) => console.error(String(error)))
await node.stop()

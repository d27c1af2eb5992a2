// Watches one field of a product, whoever sells it, and says when it goes above a limit.
// Run it beside `npm start`:  node examples/alert-on-threshold.ts .ddm/demo/network.json telemetry cpuPercent 50 3
import { createNode, formatUnits } from '../src/index.ts'

const [network = '.ddm/demo/network.json', words = 'telemetry', field = 'cpuPercent', limit = '50', alerts = '3'] =
  process.argv.slice(2)
const node = await createNode({ home: '.ddm/alert', network, insecureDevKeys: true, config: { logLevel: 'error' } })
try {
  await node.listings.synced()
  const listings = await node.listings.search(words)
  // One budget over all sellers; one that fails, or is silent for 10 s, is left for the next.
  const records = node.follow(listings, { max: '0.1', leave: { silentMs: 10_000 } })
  process.once('SIGINT', () => records.stop())
  let above = false
  let said = 0
  for await (const record of records) {
    const value = record.json<Record<string, unknown>>()[field]
    const now = typeof value === 'number' && value > Number(limit)
    if (now && !above) console.log(JSON.stringify({ alert: field, value, at: new Date(record.receivedAt) }))
    if (now && !above && ++said === Number(alerts)) break
    above = now
  }
  const { records: seen, paid } = await records.done
  console.log(JSON.stringify({ alerts: said, seen: Number(seen), paid: formatUnits(paid, 6) }))
} finally {
  await node.stop()
}

// A bot with a budget: finds a product by words, buys a hundred records, and says what it paid.
// Run it beside `npm start`:  node examples/buyer-bot.ts .ddm/demo/network.json telemetry
import { createNode, formatUnits } from '../src/index.ts'

const [network = '.ddm/demo/network.json', words = 'telemetry', records = '100'] = process.argv.slice(2)
const config = { logLevel: 'error', budgetPerSession: '0.05', budgetPerDay: '1' } as const
const node = await createNode({ home: '.ddm/bot', network, insecureDevKeys: true, config })
try {
  await node.listings.synced()
  const [listing] = await node.listings.search(words)
  if (listing === undefined) throw new Error(`nobody sells "${words}"`)
  const purchase = node.buy(listing, { records: Number(records), max: '0.05', signal: AbortSignal.timeout(60_000) })
  let last: unknown
  for await (const record of purchase) last = record.json()
  const { due, paid, session } = await purchase.done
  console.log(JSON.stringify({ bought: records, last, due: formatUnits(due, 6), paid: formatUnits(paid, 6), session }))
} finally {
  await node.stop()
}

// Stores a stream in a file, each record once. Started again after a crash, of either side, it goes on exactly there.
// Run it beside `npm start`:  node examples/store-a-stream.ts .ddm/demo/network.json telemetry records.jsonl 200
import { createNode, fileSink, formatUnits, pour, resumeFileSink } from '../src/index.ts'

const [network = '.ddm/demo/network.json', words = 'telemetry', file = 'records.jsonl', records = '200'] =
  process.argv.slice(2)
const node = await createNode({ home: '.ddm/store', network, insecureDevKeys: true, config: { logLevel: 'error' } })
try {
  await node.listings.synced()
  const purchases = (await node.sessions.list()).filter(({ role, sink }) => role === 'buyer' && sink !== undefined)
  const cut = purchases.findLast(({ state }) => ['streaming', 'settling', 'suspended'].includes(state))
  const [listing] = await node.listings.search(words)
  if (listing === undefined) throw new Error(`nobody sells "${words}"`)
  const sink = cut?.sink === undefined ? await fileSink(file, { append: true }) : await resumeFileSink(cut.sink)
  const mark = await sink.mark?.()
  const purchase =
    cut === undefined
      ? node.buy(listing, { records: Number(records), max: '0.05', ...(mark === undefined ? {} : { mark }) })
      : await node.sessions.resume(cut.id)
  process.once('SIGINT', () => purchase.stop())
  await pour(purchase, sink)
  await sink.close()
  const { records: stored, paid, quality } = await purchase.done
  console.log(JSON.stringify({ resumed: cut?.id, stored: Number(stored), paid: formatUnits(paid, 6), quality }))
} finally {
  await node.stop()
}

// Buys the same product from two sellers for a while, leaves the worse, and goes on with the better.
// Run it beside `npm start`:  node examples/compare-two-sellers.ts .ddm/demo/network.json "harbour wind" 50 200
import { createNode, type Listing, type PurchaseQuality } from '../src/index.ts'

const [network = '.ddm/demo/network.json', words = 'wind', trial = '50', records = '200'] = process.argv.slice(2)
const node = await createNode({ home: '.ddm/compare', network, insecureDevKeys: true, config: { logLevel: 'error' } })

async function tryOut(listing: Listing) {
  const purchase = node.buy(listing, { records: Number(trial), max: '0.05', onInvalid: 'drop' })
  for await (const _ of purchase);
  const { quality, paid, records: bought, seller } = await purchase.done
  return { listing, seller, quality, price: Number(paid) / Number(bought) }
}

/** Fewer invalid records first, then fewer missing ones, then the cheaper, then the quicker. */
const worth = ({ quality, price }: { quality: PurchaseQuality; price: number }) =>
  [quality.invalid, quality.missing ?? 0, price, quality.delayMs?.p95 ?? 0] as const

try {
  await node.listings.synced()
  const [one, two] = await node.listings.search(words)
  if (one === undefined || two === undefined) throw new Error(`two sellers of "${words}" are needed`)
  const tried = await Promise.all([tryOut(one), tryOut(two)])
  const [a, b] = tried.map(worth) as [ReturnType<typeof worth>, ReturnType<typeof worth>]
  const first = a.findIndex((value, index) => value !== b[index])
  const better = first === -1 || (a[first] ?? 0) < (b[first] ?? 0) ? tried[0] : tried[1]
  for (const { seller, quality, price } of tried) console.log(JSON.stringify({ seller, price, quality }))
  const purchase = node.buy(better.listing, { records: Number(records), max: '0.1', onInvalid: 'drop' })
  for await (const _ of purchase);
  console.log(JSON.stringify({ better: better.seller, bought: Number((await purchase.done).records) }))
} finally {
  await node.stop()
}

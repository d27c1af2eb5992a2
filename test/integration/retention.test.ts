import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createNode, type DdmNode, type Sale } from '../../src/index.ts'
import type { DataSource } from '../../src/interface/index.ts'
import { type Network, startNetwork } from './cli-process.ts'

const KEPT_MS = 3_600_000

async function start(network: Network, name: string): Promise<DdmNode> {
  return createNode({
    home: join(network.folder, name),
    network: network.profile,
    insecureDevKeys: true,
    config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent', keepRecords: KEPT_MS }
  })
}

/** An alarm feed: a few records, and then nothing. */
function sell(node: DdmNode, title: string): Promise<Sale> {
  const records: DataSource['records'] = async function* ({ signal } = {}) {
    for (let i = 0; i < 5; i++) yield { bytes: Buffer.from(JSON.stringify({ i })) }
    await new Promise((resolve) => signal?.addEventListener('abort', resolve))
  }
  return node.sell({ title, price: '0', source: { name: 'alarm', finite: false, records } })
}

/** Changes the ledger of a home from outside, as time would. */
function age(network: Network, name: string, change: string): void {
  const db = new DatabaseSync(join(network.folder, name, 'ledger.db'), { timeout: 5_000 })
  db.exec(change)
  db.close()
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 120_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('a node that starts forgets old records of a stream; a session that runs is never old', async (t) => {
  const network = await startNetwork()
  t.after(() => network.close())
  const first = await start(network, 'seller')
  const sold = await sell(first, 'Alarm')
  await until('there are records', () => sold.log.head === 5n)
  await first.stop()
  const { head } = sold.log
  age(network, 'seller', 'UPDATE blocks SET appended_at = 1')

  const seller = await start(network, 'seller')
  t.after(() => seller.stop())
  const { log, listing } = await sell(seller, 'Alarm')
  await until('the old ones are forgotten', () => log.tail >= head)

  const buyer = await start(network, 'buyer')
  t.after(() => buyer.stop())
  await buyer.listings.synced()
  await until('there are new ones', () => log.head === 10n)
  const purchase = buyer.buy(listing.id, { from: log.tail })
  const records = purchase[Symbol.asyncIterator]()
  await records.next()
  await until('all is said and stored', () => purchase.status.invoices > 0)
  const id = purchase.status.id as string
  for (const [name, node] of [
    ['seller', seller],
    ['buyer', buyer]
  ] as const) {
    age(network, name, 'UPDATE sessions SET updated_at = 1')
    await sell(node, 'Another')
    await until(`the ${name} has looked`, async () => (await node.sessions.get(id)).updatedAt > 1)
    assert.equal((await node.sessions.get(id)).state, 'streaming')
  }
  purchase.stop()
  for await (const _ of { [Symbol.asyncIterator]: () => records });
  assert.ok((await purchase.done).records > 0n)
})

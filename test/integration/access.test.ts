import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNode, type DdmNode, type NodeInit, parseSource, type SellOptions } from '../../src/index.ts'
import { ddm, type Network, refused, serve, startNetwork } from './cli-process.ts'

/** Sellers that choose their buyers, with real nodes; a seller process that is killed and comes back with another list. */

let network: Network
let seller: DdmNode
let ann: DdmNode
let bea: DdmNode

async function start(name: string, config: NodeInit['config'] = {}): Promise<DdmNode> {
  return createNode({
    home: join(network.folder, name),
    network: network.profile,
    insecureDevKeys: true,
    config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent', inboundPerSecond: 1000, ...config }
  })
}

before(async () => {
  network = await startNetwork()
  seller = await start('seller', { maxSessionsPerBuyer: 2 })
  ;[ann, bea] = await Promise.all([start('ann'), start('bea')])
})

after(async () => {
  await Promise.all([seller, ann, bea].map((node) => node?.stop()))
  await network?.close()
})

async function sell(title: string, options: Partial<SellOptions>): Promise<string> {
  const source = await parseSource('telemetry', { onError: 'stop', periodMs: 20 })
  const { listing } = await seller.sell({ title, price: '0.0001', source, ...options })
  await Promise.all([ann, bea].map((node) => node.listings.synced()))
  return listing.id
}

async function buy(node: DdmNode, listing: string, resumeFor = 10_000): Promise<bigint> {
  const purchase = node.buy(listing, { records: 3, max: '0.01', prepay: '0.0003', resumeFor })
  for await (const _ of purchase);
  return (await purchase.done).records
}

const forbidden = { code: 'refused', message: /refused \(204\): this buyer is not served$/, details: { status: 204 } }

test('a peer that is not allowed hears it at HELLO and does not see the product in the menu', async () => {
  const listing = await sell('For Ann', { allow: [ann.peerId] })
  assert.equal(await buy(ann, listing), 3n)
  await assert.rejects(buy(bea, listing), forbidden)
  const titles = async (node: DdmNode) => (await node.menu(seller.peerId)).map(({ title }) => title)
  assert.ok((await titles(ann)).includes('For Ann'))
  assert.ok(!(await titles(bea)).includes('For Ann'))
})

test('accounts are allowed or denied at ORDER, before a deposit of theirs is relayed', async () => {
  const listing = await sell("For Ann's account", { allow: [ann.account] })
  assert.equal(await buy(ann, listing), 3n)
  const before = await bea.wallet.balance()
  await assert.rejects(buy(bea, listing), forbidden)
  const denying = await sell("Not for Bea's account", { deny: [bea.account] })
  assert.equal(await buy(ann, denying), 3n)
  await assert.rejects(buy(bea, denying), forbidden)
  assert.equal((await bea.wallet.balance()).token, before.token)
})

test('whoever only names an allowed account, and brings no deposit of it, is not let in', async () => {
  const listing = await sell('Samples for Ann', { allow: [ann.account], free: 2 })
  await sleep(200)
  const free = { from: 0, records: 2, max: 0n, prepay: 0n, resumeFor: 10_000 }
  // Ann herself has no channel that pays for nothing: her deposit for other purchases shows whose the account is.
  assert.equal(await buy(ann, listing), 3n)
  await assert.rejects(bea.buy(listing, free).done, forbidden)
})

test('the callback decides with peer, account and listing', async () => {
  const asked: Array<[string, string | undefined]> = []
  const listing = await sell('Ask me', {
    authorize: async ({ peerId, account }) => {
      asked.push([peerId, account])
      return account === ann.account
    }
  })
  assert.equal(await buy(ann, listing), 3n)
  await assert.rejects(buy(bea, listing), forbidden)
  assert.deepEqual(asked, [
    [ann.peerId, ann.account],
    [bea.peerId, bea.account]
  ])
})

test('one buyer has so many sessions; one more is told what to do, another buyer is served', async () => {
  const listing = await sell('Two at a time', {})
  // As much as none of them has in the time that it takes.
  const running = [0, 1].map(() => ann.buy(listing, { max: '0.5', prepay: '0.001' }))
  const seen = running.map(async (purchase) => {
    for await (const _ of purchase);
  })
  let over = false
  const early = Promise.race([...seen, sleep(60_000, undefined, { ref: false })]).then(() => {
    over = true
    assert.fail('they are not served both at a time')
  })
  const both = (async () => {
    const isServed = async (): Promise<boolean> =>
      (await seller.sessions.selling()).filter(({ buyer }) => buyer === ann.peerId).length >= 2
    while (!over && !(await isServed())) await sleep(20)
  })()
  early.catch(() => {})
  await Promise.race([both, early])
  // It would wait for its turn.
  await assert.rejects(buy(ann, listing, 0), {
    code: 'refused',
    message: /\(205\): you have 2 sessions here.*end one of them/
  })
  assert.equal(await buy(bea, listing), 3n)
  for (const purchase of running) purchase.stop()
  await Promise.allSettled([...seen, ...running.map(({ done }) => done)])
  assert.equal(await buy(ann, listing), 3n)
})

test('a buyer that was denied since is not resumed', async () => {
  const flags = ['sell', '--name', 'Fickle', '--price', '0.0001/record', '--source', 'telemetry', '--period', '20ms']
  const rest = [...network.as('fickle'), '--set', 'inboundPerSecond=1000']
  const before = serve([...flags, ...rest])
  const listing = String((await before.event('listed')).listing)
  await before.event('ready')
  await ann.listings.synced()
  const purchase = ann.buy(listing, { max: '0.1', prepay: '0.001', resumeFor: 60_000 })
  let after: ReturnType<typeof serve> | undefined
  try {
    const read = async (): Promise<void> => {
      let seen = 0
      for await (const _ of purchase) {
        if (++seen !== 10) continue
        process.kill(before.pid, 'SIGKILL')
        await before.exited
        after = serve([...flags, '--deny', ann.peerId, ...rest])
      }
    }
    await assert.rejects(read(), forbidden)
  } finally {
    await after?.stop()
  }
})

test('a list that names nobody is a wrong command line', async () => {
  const args = ['sell', '--name', 'X', '--price', '0', '--source', 'telemetry', '--allow', 'bob', '--json']
  refused(await ddm([...args, ...network.as('fickle2')]), 'usage', /"bob" names no buyer/)
})

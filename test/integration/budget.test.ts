import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createNode, type DdmNode, type NodeInit } from '../../src/index.ts'
import { ddm, type Network, type Server, serve, startNetwork } from './cli-process.ts'

/** A buyer within its caps, and one that is stopped by its owner, against a seller process on a real chain. */

const PRICE = 100n
let network: Network
let seller: Server
let peerId: string
let listing: string

before(async () => {
  network = await startNetwork()
  seller = serve([
    'sell',
    ...['--name', 'Ticks', '--price', '0.0001/record', '--source', 'telemetry', '--period', '10ms'],
    ...[...network.as('seller'), '--set', 'inboundPerSecond=1000', '--set', 'withdrawDelay=2d']
  ])
  peerId = String((await seller.event('ready')).peerId)
  listing = String((await seller.event('listed')).listing)
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

async function buyer(name: string, config: NodeInit['config'] = {}): Promise<DdmNode> {
  const node = await createNode({
    home: join(network.folder, name),
    network: network.profile,
    insecureDevKeys: true,
    config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent', ...config }
  })
  await node.listings.synced()
  return node
}

async function buy(node: DdmNode, records: number, max: string, prepay = '0.001'): Promise<bigint> {
  const purchase = node.buy(listing, { records, max, prepay, resumeFor: 10_000 })
  for await (const _ of purchase);
  return (await purchase.done).paid
}

function over(setting: string) {
  return (error: { code: string; message: string; details: Record<string, string> }): boolean => {
    assert.equal(error.code, 'budget', error.message)
    assert.equal(error.details.setting, setting)
    assert.match(error.message, new RegExp(`${setting}`))
    return true
  }
}

test('caps by hour hold over a restart; what a session reserved and did not use is given back', async () => {
  const config = { budgetPerHour: '0.002' }
  const first = await buyer('hour', config)
  assert.equal(await buy(first, 15, '0.002'), 15n * PRICE)
  assert.equal((await first.wallet.status()).spent.hour, 15n * PRICE)
  await first.stop()
  const again = await buyer('hour', config)
  try {
    assert.equal((await again.wallet.status()).spent.hour, 15n * PRICE)
    await assert.rejects(buy(again, 10, '0.002'), over('budgetPerHour'))
    const { spent } = await again.wallet.status()
    assert.ok(spent.hour <= 20n * PRICE, `${spent.hour}`)
  } finally {
    await again.stop()
  }
})

test('sellers that are not on the list, long locks, large deposits and dear records are refused before a signature', async () => {
  const stranger = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'
  const cases: Array<[setting: string, config: NodeInit['config']]> = [
    ['budgetSellers', { budgetSellers: [stranger] }],
    ['maxWithdrawDelay', { maxWithdrawDelay: 86_400_000 }],
    ['budgetDeposit', { budgetDeposit: '0.001' }],
    ['budgetPerRecord', { budgetPerRecord: '0.00009' }]
  ]
  for (const [setting, config] of cases) {
    const node = await buyer('careful', config)
    try {
      await assert.rejects(buy(node, 20, '0.002'), over(setting))
      assert.deepEqual(await node.channels.list(), [])
    } finally {
      await node.stop()
    }
  }
  const node = await buyer('careful', { budgetSellers: [stranger, peerId] })
  assert.equal(await buy(node, 2, '0.002'), 2n * PRICE)
  await node.stop()
})

test('the kill switch of another process stops a purchase that runs, and shows what was spent', async () => {
  const node = await buyer('frozen')
  const home = ['--home', join(network.folder, 'frozen')]
  try {
    const purchase = node.buy(listing, { max: '1', prepay: '0.001' })
    let seen = 0
    let switched: Promise<unknown> | undefined
    const read = async (): Promise<void> => {
      for await (const _ of purchase) if (++seen === 20) switched = ddm(['wallet', 'freeze', '--json', ...home])
    }
    await assert.rejects(read(), { code: 'budget', message: /frozen/ })
    assert.match(JSON.stringify(await switched), /"frozen\\":true/)
    const [channel] = await node.channels.list()
    const shown = await ddm(['wallet', 'show', '--json', ...home, '--network', network.profile])
    assert.equal(shown.code, 0, shown.stderr)
    const status = JSON.parse(shown.stdout) as Record<string, unknown>
    assert.deepEqual([status.account, status.frozen], [node.account, true])
    assert.equal(Number(status.spentHour), Number(channel?.paid) / 1e6)
    await assert.rejects(buy(node, 1, '0.001'), { code: 'budget', message: /ddm wallet unfreeze/ })
    assert.equal((await node.channels.list())[0]?.paid, channel?.paid, 'nothing was signed since')
    const thawed = await ddm(['wallet', 'unfreeze', ...home])
    assert.equal(thawed.code, 0, thawed.stderr)
    // What was paid ahead in the purchase that was stopped may not have been delivered: it is at risk still.
    assert.equal(await buy(node, 3, '0.001', '0.002'), 3n * PRICE)
  } finally {
    await node.stop()
  }
})

test('a cap that the running node could not be told is written, and said to hold from its next start', async () => {
  const node = await buyer('deaf')
  const flags = ['--home', join(network.folder, 'deaf'), '--json']
  try {
    const set = await ddm(['budget', 'set', '--per-day', '1', ...flags])
    assert.deepEqual(JSON.parse(set.stdout), { changed: { perDay: '1' }, from: 'restart' })
  } finally {
    await node.stop()
  }
  const set = await ddm(['budget', 'set', '--per-day', '2', ...flags])
  assert.deepEqual(JSON.parse(set.stdout), { changed: { perDay: '2' }, from: 'now' })
})

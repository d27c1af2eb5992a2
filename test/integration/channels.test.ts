import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BuyOptions, createNode, type DdmNode } from '../../src/index.ts'
import type { ChannelStanding } from '../../src/interface/index.ts'
import { rpcCall } from './chain-fixture.ts'
import { ddm, type Network, type Server, serve, startNetwork } from './cli-process.ts'

/** What becomes of deposits: one seller, and buyers that want their rest back. Tokens have 6 decimals. */

const ROWS = 200
let network: Network
let seller: Server
let listing: string

before(async () => {
  network = await startNetwork()
  await network.file('air.csv', `n\n${Array.from({ length: ROWS }, (_, i) => i).join('\n')}\n`)
  seller = serve([
    'sell',
    ...['--name', 'Long air', '--price', '0.0001/record', '--source', `csv:${join(network.folder, 'air.csv')}`],
    ...network.as('seller'),
    ...['--set', 'inboundPerSecond=1000', '--set', 'withdrawDelay=15m']
  ])
  listing = String((await seller.event('listed')).listing)
  await seller.event('ready')
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

async function withBuyer<T>(name: string, use: (node: DdmNode) => Promise<T>): Promise<T> {
  const node = await createNode({
    home: join(network.folder, name),
    network: network.profile,
    insecureDevKeys: true,
    config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent' }
  })
  try {
    await node.listings.synced()
    return await use(node)
  } finally {
    await node.stop()
  }
}

async function buy(node: DdmNode, records: number, options: BuyOptions = {}): Promise<void> {
  const purchase = node.buy(listing, { records, max: 10_000n, ...options })
  for await (const _ of purchase.batches());
  assert.equal((await purchase.done).due, BigInt(records) * 100n)
}

async function only(node: DdmNode): Promise<ChannelStanding> {
  const [channel, ...others] = await node.channels.list()
  assert.ok(channel)
  assert.deepEqual(others, [])
  return channel
}

/** What happens on the chain comes some time after the command that caused it. */
async function until(node: DdmNode, is: (channel: ChannelStanding) => boolean): Promise<ChannelStanding> {
  for (let i = 0; i < 3_000; i++) {
    const channel = await only(node)
    if (is(channel)) return channel
    await sleep(20)
  }
  throw new Error(`it stays as it is: ${Object.values(await only(node)).join(' ')}`)
}

test('a deposit is reused by the purchases of the same run and of the next, and listed with what is left', async () => {
  const first = await withBuyer('ann', async (node) => {
    assert.deepEqual(await node.channels.list(), [])
    await buy(node, 20)
    await buy(node, 10, { max: 8_000n })
    return only(node)
  })
  const { role, balance, paid, unspent, pendingWithdrawal } = first
  assert.deepEqual([role, balance, paid, unspent, pendingWithdrawal], ['payer', 10_000n, 3_000n, 7_000n, 0n])
  await withBuyer('ann', async (node) => {
    await buy(node, 20, { max: 7_000n })
    const again = await only(node)
    assert.deepEqual([again.channelId, again.balance, again.unspent], [first.channelId, 10_000n, 5_000n])
  })
  const listed = await ddm(['channels', 'list', ...network.as('ann')])
  assert.match(listed.stdout, /^CHANNEL .*\n0x[0-9a-f]{16}\S* +pays +12D3\S+ +0\.01 +0\.005 +\S+ +\S+ +0\.005 *\n$/)
})

test('a refund at the end of the purchase that asks for it; the next one deposits what is missing', async () => {
  await withBuyer('bea', async (node) => {
    const before = (await node.wallet.balance()).token
    await buy(node, 20, { refund: true })
    const { balance, claimed } = await until(node, ({ unspent }) => unspent === 0n)
    assert.deepEqual([balance, claimed], [2_000n, 2_000n])
    assert.equal((await node.wallet.balance()).token, before - 2_000n)
    await buy(node, 10, { max: 1_000n })
    assert.deepEqual([(await only(node)).balance, (await only(node)).paid], [3_000n, 3_000n])
  })
})

test('a refund later: the seller is asked over a session that has ended', async () => {
  const { channelId } = await withBuyer('cem', async (node) => {
    await buy(node, 20)
    return only(node)
  })
  const asked = await ddm(['channels', 'refund', channelId.slice(0, 12), '--json', ...network.as('cem')])
  assert.equal(asked.code, 0, asked.stderr)
  assert.equal((JSON.parse(asked.stdout) as { refunded: string }).refunded, '0.008')
  await withBuyer('cem', async (node) => {
    const { balance, unspent } = await only(node)
    assert.deepEqual([balance, unspent], [2_000n, 0n])
    assert.deepEqual(await node.channels.refund(channelId), { amount: 0n })
    await assert.rejects(node.channels.refund('0xzz'), { code: 'notFound' })
  })
})

test('the way out without the seller: asked back, claimed by the seller meanwhile, taken after the delay', async () => {
  await withBuyer('dan', async (node) => {
    await buy(node, 20)
    const { channelId } = await only(node)
    await assert.rejects(node.channels.finish(channelId), { code: 'refused', message: /^nothing of channel/ })
    await assert.rejects(node.channels.withdraw(channelId, '0.009'), {
      code: 'funds',
      details: { have: '8000', need: '9000' }
    })
    const { amount, finalizeAfter } = await node.channels.withdraw(channelId)
    assert.equal(amount, 8_000n)
    const thawing = await only(node)
    assert.deepEqual([thawing.pendingWithdrawal, thawing.finalizeAfter, thawing.unspent], [amount, finalizeAfter, 0n])
    await assert.rejects(node.channels.finish(channelId), {
      code: 'refused',
      message: /can be taken from .*, not yet$/
    })
    await assert.rejects(node.channels.withdraw(channelId), { code: 'refused', message: /is asked back already/ })
    // Nobody told the seller: it saw the withdrawal on the chain.
    await until(node, ({ claimed }) => claimed === 2_000n)
    await rpcCall(network.rpc, 'evm_increaseTime', [901])
    await rpcCall(network.rpc, 'evm_mine')
    assert.equal((await node.channels.finish(channelId)).amount, 8_000n)
    const { balance, unspent, finalizeAfter: after } = await only(node)
    assert.deepEqual([balance, unspent, after], [2_000n, 0n, 0n])
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFunctionData } from 'viem'
import { channelEscrowAbi } from '../../src/chain/abi.ts'
import { connectChain, type DevAccount, devAccounts } from '../../src/chain/index.ts'
import type { ChannelConfig, Hex, PayeeChannels } from '../../src/interface/index.ts'
import { type EvmMarket, evmSetup, WITHDRAW_DELAY } from '../compliance/payments/evm-market.ts'
import { signVoucher } from '../compliance/payments/typed-data.ts'

/** A payer that takes its deposit back behind the seller's back, on a real chain that reorganises. */

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const setup = evmSetup()

interface Sold {
  channelId: Hex
  config: ChannelConfig
  paid: bigint
}

/** An account with gas: it signs vouchers, and may ask the deposits of its channels back. */
async function thief(market: EvmMarket, close: (end: () => Promise<void>) => void) {
  const account = (await devAccounts())[7] as DevAccount
  const wallet = { account: account.address, privateKey: account.privateKey }
  const chain = await connectChain({ profile: market.world.profile, wallet, logger: silent })
  close(() => chain.close())
  const send = async (functionName: 'initiateWithdraw' | 'finalizeWithdraw', args: unknown[]): Promise<void> => {
    const data = encodeFunctionData({ abi: channelEscrowAbi, functionName, args: args as never })
    await chain.transactions?.send({ label: functionName, to: market.place.escrow, data })
  }
  return {
    buy: async (paid: bigint): Promise<Sold> => {
      const config = market.config({ payerAuthorizer: account.address })
      const { channelId, ...order } = await market.order({ config, key: account.privateKey, funds: 100n })
      const { payee } = await market.sides()
      const session = await payee.accept(order)
      await session.begin(channelId)
      await session.credit(paid, await signVoucher(account.privateKey, market.place, channelId, paid))
      await session.suspend()
      return { channelId, config, paid }
    },
    withdraw: ({ config }: Sold, amount = 100n) => send('initiateWithdraw', [config, amount]),
    finish: ({ config }: Sold) => send('finalizeWithdraw', [config])
  }
}

async function watcher(market: EvmMarket): Promise<PayeeChannels> {
  const { channels } = (await market.sides()).payee
  assert.ok(channels)
  return channels
}

async function claimedOf(market: EvmMarket, { channelId }: Sold): Promise<bigint> {
  return (await market.channels.channel(channelId)).totalClaimed
}

test('nothing is claimed while nothing presses; a withdrawal is answered by a claim, only of its channel', async (t) => {
  const market = await setup.start(t)
  const buyer = await thief(market, (end) => t.after(end))
  const [one, two] = [await buyer.buy(60n), await buyer.buy(40n)]
  const channels = await watcher(market)
  // What an earlier run left is of unknown age; this run's vouchers are young.
  await channels.watch()
  const three = await buyer.buy(30n)
  assert.deepEqual(await channels.watch(), { claimed: 0n, transactions: [], rejected: [] })
  await buyer.withdraw(three)
  const { claimed, transactions } = await channels.watch()
  assert.deepEqual([claimed, transactions.length], [30n, 2])
  for (const sold of [one, two, three]) assert.equal(await claimedOf(market, sold), sold.paid)
  assert.deepEqual(await channels.watch(), { claimed: 0n, transactions: [], rejected: [] })
})

test('a withdrawal begins while the seller is down: it claims when it is back', async (t) => {
  const market = await setup.start(t)
  const buyer = await thief(market, (end) => t.after(end))
  const sold = await buyer.buy(77n)
  await market.restart('seller')
  await buyer.withdraw(sold)
  const channels = await watcher(market)
  assert.equal((await channels.watch()).claimed, 77n)
  await market.passTime(WITHDRAW_DELAY + 1)
  await buyer.finish(sold)
  assert.deepEqual(
    (await channels.list()).map(({ balance, claimed, unclaimed }) => ({ balance, claimed, unclaimed })),
    [{ balance: 77n, claimed: 77n, unclaimed: 0n }]
  )
})

test('a reorg undoes the claim: it is made again, also after a restart', async (t) => {
  const market = await setup.start(t)
  const buyer = await thief(market, (end) => t.after(end))
  const sold = await buyer.buy(55n)
  await buyer.withdraw(sold)
  for (const restart of [false, true]) {
    const channels = await watcher(market)
    assert.equal((await channels.watch()).claimed, 55n)
    assert.equal(await claimedOf(market, sold), 55n)
    // Claim and settlement are the last two blocks; the withdrawal before them stays.
    await market.reorg(2)
    assert.equal(await claimedOf(market, sold), 0n)
    if (restart) await market.restart('seller')
    assert.equal((await (await watcher(market)).watch()).claimed, 55n)
    await market.reorg(2)
  }
  assert.equal((await (await watcher(market)).watch()).claimed, 55n)
  await market.passTime(WITHDRAW_DELAY + 1)
  await buyer.finish(sold)
  assert.equal(await claimedOf(market, sold), 55n)
})

test('a reorg alone is enough: what it has undone is claimed at the next look', async (t) => {
  const market = await setup.start(t)
  const buyer = await thief(market, (end) => t.after(end))
  const channels = await watcher(market)
  await channels.watch()
  const sold = await buyer.buy(48n)
  const { payee } = await market.sides()
  assert.equal((await payee.claim()).claimed, 48n)
  await market.reorg(2)
  assert.equal((await channels.watch()).claimed, 48n)
  assert.equal(await claimedOf(market, sold), 48n)
})

test('many withdrawals among reorgs of several depths and restarts: nothing stays unclaimed', async (t) => {
  const rounds = Number(process.env.DDM_WITHDRAWALS ?? 40) / 4
  const market = await setup.start(t)
  const buyer = await thief(market, (end) => t.after(end))
  const all: Sold[] = []
  for (let round = 0; round < rounds; round++) {
    const some = await Promise.all([11n, 23n, 37n, 100n].map((paid) => buyer.buy(paid)))
    all.push(...some)
    await Promise.all(some.map((sold) => buyer.withdraw(sold, 100n)))
    await (await watcher(market)).watch()
    // Never deeper than what came since the withdrawals: a deposit that is undone is another loss than this.
    await market.reorg(1 + (round % 2))
    if (round % 3 === 0) await market.restart('seller')
    await (await watcher(market)).watch()
  }
  await market.passTime(WITHDRAW_DELAY + 1)
  const open = await Promise.all(all.map(async (sold) => ({ ...sold, claimed: await claimedOf(market, sold) })))
  assert.deepEqual(
    open.filter(({ paid, claimed }) => claimed !== paid),
    []
  )
  for (const sold of all) await buyer.finish(sold)
  const standings = await (await watcher(market)).list()
  assert.equal(standings.length, all.length)
  assert.ok(standings.every(({ unclaimed, balance, claimed }) => unclaimed === 0n && balance === claimed))
})

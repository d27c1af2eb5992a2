import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelConfig, DepositAuthorization, Hex, PaymentTerms } from '../../../src/interface/index.ts'
import { LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore, unlimited } from './memory.ts'

const MAX_DEPOSIT = 1_000n
const DIGEST = `0x${'01'.repeat(32)}` as const
const binding = { offerDigest: DIGEST, buyerPeerDigest: DIGEST, orderNonce: DIGEST }

/** validAfter ‖ validBefore ‖ …, a word each. */
function validBefore(one: { deposit: DepositAuthorization } | undefined): bigint {
  return BigInt(`0x${one?.deposit.data.slice(2 + 64, 2 + 128)}`)
}

/** A seller that keeps every authorization, and moves balances by refunds as it likes. */
function setup() {
  const money = memoryChain()
  let time = 1n
  let chain = { ...money.chain, timestamp: async () => time }
  const store = memoryStore()
  const terms = memoryPayee(chain, memoryStore()).terms(LISTING)
  assert.ok(terms)
  const start = () => memoryPayer(chain, store, unlimited, { maxDeposit: MAX_DEPOSIT })
  let payer = start()
  const kept: Array<{ config: ChannelConfig; deposit: DepositAuthorization }> = []
  const keep = (config: ChannelConfig | undefined, deposit: DepositAuthorization | undefined): void => {
    if (config !== undefined && deposit !== undefined) kept.push({ config, deposit })
  }
  return {
    balances: money.balances,
    restart: () => {
      payer = start()
    },
    wait: (seconds: bigint) => {
      time += seconds
    },
    changeChain: (changes: Partial<typeof chain>) => {
      chain = { ...chain, ...changes }
      payer = start()
    },
    carryOut: async ({ config, deposit }: (typeof kept)[number]) => money.chain.deposit(config, deposit),
    kept,
    locked: () => [...money.balances.values()].reduce((sum, balance) => sum + balance, 0n),
    open: async (maximum: bigint, changed: Partial<PaymentTerms> = {}, seller = 'seller') => {
      const session = await payer.open({ terms: { ...terms, ...changed }, binding, seller, maximum, one: 1n })
      keep(session.order.config, session.order.deposit)
      const { channelId, order } = session
      const topUp = async (): Promise<void> => keep(order.config, await session.topUp?.())
      return { session, topUp, channelId: channelId as Hex, answer: () => session.accept(0n, undefined) }
    }
  }
}

test('what a seller refunds opens no second deposit: of all that it was authorised, the cap at most is locked', async () => {
  const { balances, kept, open, carryOut, locked, restart } = setup()
  const { channelId, topUp, answer } = await open(MAX_DEPOSIT)
  await carryOut(kept[0] as (typeof kept)[0])
  await answer()
  for (const refund of [900n, 1n, 1n, 1n]) {
    balances.set(channelId, (balances.get(channelId) ?? 0n) - refund)
    await topUp()
  }
  // Orders that are answered with `busy`, by another run of the node.
  restart()
  balances.set(channelId, 90n)
  const { session } = await open(905n)
  await session.end(0n)
  const results = await Promise.allSettled(kept.slice(1).map(carryOut))
  assert.equal(kept.length, 6)
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  assert.ok(locked() <= MAX_DEPOSIT, `${locked()} is locked`)
})

test('an authorization counts until its time is over, however the balance moves', async () => {
  const { balances, kept, open, carryOut, wait } = setup()
  const first = await open(50n)
  await carryOut(kept[0] as (typeof kept)[0])
  await first.answer()
  await first.session.end(0n)
  const { channelId, session, answer } = await open(900n)
  await answer()
  await session.end(0n)
  balances.set(channelId, 40n)
  // The same seller under another receiverAuthorizer: 40 and an authorization of 850 are in the first channel.
  const other = { receiverAuthorizer: `0x${'5b'.repeat(20)}` } as const
  await assert.rejects(open(200n, other), { code: 'budget', message: /needs 1090 deposited/ })
  wait(validBefore(kept[1]) - 2n)
  await assert.rejects(open(200n, other), { code: 'budget' })
  wait(1n)
  await open(200n, other)
})

test('a deposit that came at the last moment and is not confirmed counts', async () => {
  const { kept, open, wait, changeChain } = setup()
  const { session, answer } = await open(900n)
  await answer()
  await session.end(0n)
  wait(validBefore(kept[0]))
  const channel = { balance: 0n, totalClaimed: 0n, pendingWithdrawal: 0n, finalizeAfter: 0n, unconfirmed: 900n }
  changeChain({ channel: async () => channel, isAuthorizationUsed: async () => false })
  await assert.rejects(open(900n), { code: 'budget', message: /needs 1800 deposited/ })
  await assert.rejects(open(200n, { receiverAuthorizer: `0x${'5b'.repeat(20)}` }), { code: 'budget' })
})

test('orders at once to one seller under several accounts, or of several sellers to one, are within the cap together', async () => {
  const { open } = setup()
  const accounts = [0x5e, 0x5f, 0x60].map((byte) => ({ payTo: `0x${byte.toString(16).repeat(20)}` }) as const)
  const orders = await Promise.allSettled([
    ...accounts.map((account) => open(900n, account)),
    open(900n, { receiverAuthorizer: `0x${'5b'.repeat(20)}` }, 'another seller')
  ])
  const taken = orders.filter(({ status }) => status === 'fulfilled')
  assert.equal(taken.length, 1)
  for (const order of orders) if (order.status === 'rejected') assert.equal(order.reason.code, 'budget')
})

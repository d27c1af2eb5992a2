import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { DdmError, type RailOrder } from '../../../src/interface/index.ts'
import { bindingOf, LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore } from './memory.ts'

/** Relaying costs 118,382 gas at 10 gwei: with a coin worth 2,000 tokens of 6 decimals, 2,367,640 atomic units. */
const GAS_PRICE = 10n ** 10n
const COST = 2_367_640n

function market(nativePrice: bigint) {
  const money = memoryChain()
  const asked: string[] = []
  const sent: bigint[] = []
  const gas: Array<bigint | undefined> = []
  const chain = {
    ...money.chain,
    gasPrice: async () => {
      asked.push('gasPrice')
      return GAS_PRICE
    },
    deposit: (...[config, deposit, options]: Parameters<typeof money.chain.deposit>) => {
      sent.push(deposit.amount)
      gas.push(options?.maxGas)
      return money.chain.deposit(config, deposit, options)
    }
  }
  const claimPolicy = { above: 1n, interval: 600, nativePrice, gasPercent: 5n }
  const payee = memoryPayee(chain, memoryStore(), { claimPolicy, relayGasPercent: 10n })
  const payer = memoryPayer(money.chain, memoryStore())
  let made = 0
  const order = async (maximum: bigint) => {
    const binding = bindingOf(++made)
    const terms = payee.terms(LISTING)
    assert.ok(terms)
    const buying = await payer.open({ terms, binding, seller: 'seller', maximum, one: 10n })
    const accept = (changes: Partial<RailOrder> = {}) =>
      payee.accept({ terms, binding, order: { ...buying.order, ...changes }, buyer: 'buyer', maximum })
    return { buying, accept }
  }
  return { order, asked, sent, gas }
}

test('a deposit that is not worth its gas is refused with both numbers, and costs none', async () => {
  const { order, sent } = market(2_000n * 10n ** 6n)
  const dust = await order(10n * COST - 1n)
  await assert.rejects(dust.accept(), {
    code: 'refused',
    message: /a deposit of 23676399 is not worth the gas of relaying it, one of 23676400 is/,
    details: { have: '23676399', need: '23676400' }
  })
  assert.deepEqual(sent, [])
  // One order of a channel at a time: the buyer gives this one up.
  await dust.buying.end(0n)
  const enough = await order(10n * COST)
  assert.equal((await enough.accept()).covered, 10n * COST)
})

test('dust beside an order that the channel can pay anyway is left out', async () => {
  const { order, sent } = market(2_000n * 10n ** 6n)
  const first = await order(10n * COST)
  await (await first.accept()).end(0n, 0n)
  await first.buying.end(0n)
  const { deposit } = first.buying.order
  assert.ok(deposit)
  const second = await order(100n)
  assert.equal((await second.accept({ deposit: { ...deposit, amount: 1n } })).covered, 10n * COST)
  assert.deepEqual(sent, [10n * COST])
})

test('where nobody knows what gas costs it is not weighed, nor asked for', async () => {
  const { order, asked, sent } = market(0n)
  const { accept } = await order(1n)
  assert.equal((await accept()).covered, 1n)
  assert.deepEqual([asked, sent], [[], [1n]])
})

test("a relay has a ceiling of gas: a payer's own code may check the signature", async () => {
  const { order, gas } = market(0n)
  const { accept } = await order(1n)
  await accept()
  assert.deepEqual(gas, [250_000n])
})

/** One wallet with 100 tokens, and a channel of its own for each order; deposits are on their way until told. */
function oneWallet() {
  const money = memoryChain()
  let held = 100n
  const sent: Array<() => void> = []
  const chain: typeof money.chain = {
    ...money.chain,
    tokenBalance: async () => held,
    deposit: async (config, deposit, options) => {
      await new Promise<void>((resolve, reject) => {
        sent.push(resolve)
        options?.signal?.addEventListener('abort', () => reject(new DdmError('aborted', 'the wait was aborted')))
      })
      if (deposit.amount > held) throw new DdmError('chain', 'reverted, and its gas is paid')
      held -= deposit.amount
      return money.chain.deposit(config, deposit)
    }
  }
  const payee = memoryPayee(chain, memoryStore())
  let made = 0
  const order = async (maximum: bigint) => {
    const binding = bindingOf(++made)
    const terms = payee.terms(LISTING)
    assert.ok(terms)
    const payer = memoryPayer(money.chain, memoryStore())
    const { order } = await payer.open({ terms, binding, seller: 'seller', maximum, one: 1n })
    return (signal?: AbortSignal) =>
      payee.accept({ terms, binding, order, buyer: 'buyer', maximum }, signal && { signal })
  }
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await setImmediate()
  }
  return { order, sent, settle }
}

test('tokens that back deposits into many channels at once are relayed once, and the others cost no gas', async () => {
  const { order, sent, settle } = oneWallet()
  const orders = await Promise.all([order(60n), order(60n), order(40n)])
  const results = Promise.allSettled(orders.map((accept) => accept()))
  await settle()
  assert.equal(sent.length, 1)
  sent[0]?.()
  await settle()
  assert.equal(sent.length, 2)
  sent[1]?.()
  const [one, two, three] = await results
  assert.deepEqual([one?.status, three?.status], ['fulfilled', 'fulfilled'])
  assert.ok(two?.status === 'rejected')
  assert.equal(two.reason.code, 'refused')
  assert.match(two.reason.message, /holds 40, the deposit is of 60/)
})

test('a relay whose order was given up keeps its turn until the chain has decided', async () => {
  const { order, sent, settle } = oneWallet()
  const stop = new AbortController()
  const [first, second] = [await order(60n), await order(60n)]
  const left = assert.rejects(first(stop.signal), { code: 'aborted' })
  await settle()
  stop.abort()
  await left
  const refused = assert.rejects(second(), { code: 'refused', message: /holds 40, the deposit is of 60/ })
  await settle()
  assert.equal(sent.length, 1)
  sent[0]?.()
  await refused
  assert.equal(sent.length, 1)
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Hex, keccak256, numberToHex, parseTransaction } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { createTransactionQueue } from '../../../src/chain/queue.ts'
import type { Rpc } from '../../../src/chain/rpc.ts'
import type { TransactionRequest } from '../../../src/chain/transactions.ts'

const GWEI = 10n ** 9n
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const CALL = { label: 'calling', to: `0x${'22'.repeat(20)}`, data: '0x' } as const satisfies TransactionRequest

interface Sent {
  hash: Hex
  nonce: number
  gas: bigint
  price: bigint
  data: Hex
}

/** A node with a pool and nothing else: tests say what it estimates, refuses, forgets and mines. */
function fakeNode(t: TestContext, bump = 60) {
  const node = {
    estimate: 100_000n,
    baseFee: GWEI,
    mined: 0,
    pool: new Map<number, Sent>(),
    sent: [] as Sent[],
    /** What the node says instead of taking it. */
    refuse: (_offer: Sent, _pooled: Sent | undefined): string | undefined => undefined
  }
  const done = new Map<Hex, Sent>()
  const take = (raw: Hex): Hex => {
    const { nonce = 0, gas = 0n, maxFeePerGas: price = 0n, data = '0x' } = parseTransaction(raw)
    const offer = { hash: keccak256(raw), nonce, gas, price, data }
    node.sent.push(offer)
    const problem = node.refuse(offer, node.pool.get(nonce))
    if (problem !== undefined) throw new Error(problem)
    node.pool.set(nonce, offer)
    return offer.hash
  }
  const receipt = (hash: Hex) =>
    done.has(hash)
      ? {
          transactionHash: hash,
          blockNumber: '0x1',
          blockHash: hash,
          gasUsed: '0x1',
          status: '0x1',
          logs: [],
          contractAddress: null
        }
      : null
  const answers: Record<string, (params: Hex[]) => unknown> = {
    eth_estimateGas: () => numberToHex(node.estimate),
    eth_getTransactionCount: ([, at]) => numberToHex(node.mined + ((at as string) === 'pending' ? node.pool.size : 0)),
    eth_blockNumber: () => '0x1',
    eth_getBlockByNumber: () => ({ baseFeePerGas: numberToHex(node.baseFee) }),
    eth_maxPriorityFeePerGas: () => numberToHex(GWEI / 10n),
    eth_getTransactionByHash: ([hash]) => [...node.pool.values()].find((one) => one.hash === hash) ?? null,
    eth_getTransactionReceipt: ([hash = '0x']) => receipt(hash),
    eth_sendRawTransaction: ([raw = '0x']) => take(raw)
  }
  const rpc = {
    request: async (method: string, params: Hex[]) => answers[method]?.(params)
  } as unknown as Rpc
  const queue = createTransactionQueue({
    rpc,
    chainId: 1,
    signer: privateKeyToAccount(`0x${'11'.repeat(32)}`),
    confirmations: 0,
    timing: { poll: 5, resend: 20, bump },
    logger: silent
  })
  t.after(() => queue.close())
  /** Mines the lowest nonce of the pool. */
  const mine = (): void => {
    const next = node.pool.get(node.mined)
    assert.ok(next)
    node.pool.delete(next.nonce)
    done.set(next.hash, next)
    node.mined++
  }
  return Object.assign(node, { queue, mine })
}

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 10_000
  while (!holds()) {
    assert.ok(Date.now() < end, what)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('what needs more gas than it may cost is not sent, and none is allowed more', async (t) => {
  const node = fakeNode(t)
  node.estimate = 250_001n
  await assert.rejects(node.queue.send({ ...CALL, maxGas: 250_000n }), {
    code: 'chain',
    message: /calling: it needs 250001 gas, at most 250000 are spent on it/,
    details: { need: '250001', most: '250000' }
  })
  assert.equal(node.sent.length, 0)
  const limits = [
    { estimate: 250_000n, gas: 250_000n },
    { estimate: 200_000n, gas: 250_000n },
    { estimate: 118_382n, gas: 153_896n }
  ]
  for (const [i, { estimate, gas }] of limits.entries()) {
    node.estimate = estimate
    const sent = node.queue.send({ ...CALL, maxGas: 250_000n })
    await eventually('it is sent', () => node.sent.length === i + 1)
    assert.equal(node.sent.at(-1)?.gas, gas)
    node.mine()
    await sent
  }
})

test('what the pool evicted, and takes back only at a higher price, is offered more', async (t) => {
  const node = fakeNode(t)
  node.refuse = ({ price }) => (price < node.baseFee ? 'transaction underpriced' : undefined)
  const sent = node.queue.send(CALL)
  await eventually('it is in the pool', () => node.pool.size === 1)
  node.baseFee = 100n * GWEI
  node.pool.clear()
  await eventually('it is back in the pool', () => node.pool.size === 1)
  node.mine()
  await sent
})

test('a replacement that the pool refused is followed by a higher one, and the version in the pool is not lost', async (t) => {
  const node = fakeNode(t)
  node.refuse = ({ price }, pooled) =>
    pooled !== undefined && price * 100n < pooled.price * 150n ? 'replacement transaction underpriced' : undefined
  const sent = node.queue.send(CALL)
  await eventually('it is in the pool', () => node.pool.size === 1)
  const first = node.pool.get(0)?.hash
  await eventually('it is replaced', () => node.pool.get(0)?.hash !== first)
  // Between two offers it is known to be in the pool: nothing is sent again but what offers more.
  const prices = node.sent.map(({ price }) => price)
  assert.deepEqual(prices, [...new Set(prices)])
  assert.ok(prices.every((price, i) => i === 0 || price > (prices[i - 1] as bigint)))
  node.refuse = () => 'replacement transaction underpriced'
  await eventually('another is refused', () => node.sent.at(-1)?.hash !== node.pool.get(0)?.hash)
  node.mine()
  assert.ok(await sent)
})

test('what may wait takes half of the places, and is sent after all that may not', async (t) => {
  const node = fakeNode(t, 60_000)
  const pending: Array<Promise<unknown>> = []
  const send = (data: Hex, yields: boolean): unknown => pending.push(node.queue.send({ ...CALL, data, yields }))
  for (let i = 0; i < 20; i++) send('0xdd', true)
  await eventually('eight are in flight', () => node.sent.length === 8)
  for (let i = 0; i < 8; i++) send('0xcc', false)
  await eventually('all that may not wait are in flight', () => node.sent.length === 16)
  assert.deepEqual(
    node.sent.map(({ data }) => data),
    [...Array.from({ length: 8 }, () => '0xdd'), ...Array.from({ length: 8 }, () => '0xcc')]
  )
  send('0xcc', false)
  node.mine()
  await eventually('one place is free', () => node.sent.length === 17)
  assert.equal(node.sent.at(-1)?.data, '0xcc')
  while (node.mined < pending.length) {
    await eventually('there is more', () => node.pool.has(node.mined))
    node.mine()
  }
  assert.equal((await Promise.all(pending)).length, 29)
})

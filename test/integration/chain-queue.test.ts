import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { DevAccount } from '../../src/chain/index.ts'
import { createTransactionQueue, type QueueTiming } from '../../src/chain/queue.ts'
import { createRpc } from '../../src/chain/rpc.ts'
import { signerOf } from '../../src/chain/wallet.ts'
import type { FeeStyle, Hex } from '../../src/interface/index.ts'
import { accountAt, bytes32, entry, eventually, silent, startMarket } from './chain-fixture.ts'

interface Pool {
  pending: Record<string, Record<string, { hash: Hex; maxFeePerGas: Hex }>>
}

test('100 concurrent sends are all mined, with contiguous nonces', async (t) => {
  const { connectAs, accounts, rpc } = await startMarket(t)
  const { registry } = await connectAs(1)
  const posted = await Promise.all(Array.from({ length: 100 }, (_, i) => registry.post(entry(i))))
  const nonces = await Promise.all(
    posted.map(async ({ hash }) => Number((await rpc<{ nonce: Hex }>('eth_getTransactionByHash', [hash])).nonce))
  )
  assert.deepEqual(
    nonces,
    Array.from({ length: 100 }, (_, i) => i)
  )
  assert.equal(Number(await rpc('eth_getTransactionCount', [accountAt(accounts, 1).address, 'latest'])), 100)
})

test('a refused send among good ones leaves no gap', async (t) => {
  const { connectAs, accounts, rpc } = await startMarket(t)
  const { registry } = await connectAs(1)
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      i % 3 === 1 ? registry.setStatus(bytes32(999), 'paused') : registry.post(entry(i))
    )
  )
  const good = results.filter(({ status }) => status === 'fulfilled').length
  assert.equal(good, 13)
  assert.equal(Number(await rpc('eth_getTransactionCount', [accountAt(accounts, 1).address, 'pending'])), good)
})

test('a transaction that the node dropped is sent again', async (t) => {
  const { connectAs, rpc } = await startMarket(t)
  const { registry } = await connectAs(1)
  await rpc('evm_setAutomine', [false])
  const posts = [registry.post(entry(1)), registry.post(entry(2))]
  const account = registry.account as string
  const [first] = await eventually('two pending transactions', async () => {
    const hashes = await pendingOf()
    return hashes.length === 2 ? hashes : undefined
  })
  await rpc('anvil_dropTransaction', [first])
  await eventually('the dropped one is back', async () =>
    (await pendingOf()).includes(first as Hex) ? true : undefined
  )
  await rpc('evm_setAutomine', [true])
  await rpc('anvil_mine', ['0x1'])
  const [mined] = await Promise.all(posts)
  assert.equal(mined?.hash, first)

  async function pendingOf(): Promise<Hex[]> {
    const { pending } = await rpc<Pool>('txpool_content')
    const own = Object.entries(pending).find(([address]) => address.toLowerCase() === account)?.[1] ?? {}
    return Object.keys(own)
      .sort((a, b) => Number(a) - Number(b))
      .map((nonce) => (own[nonce] as { hash: Hex }).hash)
  }
})

test('a transaction that is offered too little is offered more', async (t) => {
  const { local, accounts, rpc } = await startMarket(t)
  const client = createRpc({ urls: [local.rpcUrl], logger: silent })
  const signer = signerOf(accountAt(accounts, 1).privateKey)
  const timing = { poll: 20, resend: 50, bump: 200 }
  const queue = createTransactionQueue({
    rpc: client,
    chainId: 31337,
    signer,
    confirmations: 0,
    timing,
    logger: silent
  })
  t.after(() => queue.close())
  const send = (value: bigint) => queue.send({ label: 'paying', to: entry(1).token, data: '0x', value })
  await send(1n)
  await rpc('evm_setAutomine', [false])
  const payments = [send(2n), send(3n)]
  await eventually('both are in the pool', async () => {
    return (await rpc<{ pending: Hex }>('txpool_status')).pending === '0x2' ? true : undefined
  })
  // The base fee rises past what was offered: both wait until the first, then the second is raised.
  for (let i = 0; i < 2; i++) {
    await rpc('anvil_setNextBlockBaseFeePerGas', ['0x174876e800'])
    await rpc('anvil_mine', ['0x1'])
  }
  const mining = setInterval(() => void rpc('anvil_mine', ['0x1']).catch(() => {}), 100)
  t.after(() => clearInterval(mining))
  const mined = await Promise.all(payments)
  assert.deepEqual(
    mined.map(({ hash }) => hash.length),
    [66, 66]
  )
  const { maxFeePerGas } = await rpc<{ maxFeePerGas: Hex }>('eth_getTransactionByHash', [mined[0]?.hash])
  assert.ok(BigInt(maxFeePerGas) > 10n ** 10n, `raised to ${BigInt(maxFeePerGas)}`)
  assert.equal(await rpc('eth_getBalance', [entry(1).token, 'latest']), '0x6', 'each was paid once')
})

for (const fees of ['eip1559', 'legacy'] as const) {
  test(`what a run left stuck in the pool is replaced by the next one (${fees})`, async (t) => {
    const { local, accounts, rpc } = await startMarket(t)
    const timing = { poll: 20, resend: 10_000, bump: 300 }
    const start = (changes: Partial<typeof timing> = {}) =>
      startQueue(t, local.rpcUrl, accounts, fees, { ...timing, ...changes })
    await rpc('evm_setAutomine', [false])
    const before = start()
    const left = [before.pay(1n), before.pay(2n)].map((one) => assert.rejects(one, { code: 'aborted' }))
    const stuck = await eventually('both are in the pool', async () => {
      const pool = await pooled(rpc)
      return pool.length === 2 ? pool : undefined
    })
    await before.queue.close()
    await Promise.all(left)

    const after = start()
    const payments = [4n, 8n, 16n].map((value) => after.pay(value))
    const replaced = await eventually('both are replaced, and one follows', async () => {
      const pool = await pooled(rpc)
      return pool.length === 3 && pool.every(({ hash }) => !stuck.some((one) => one.hash === hash)) ? pool : undefined
    })
    for (const [i, { price }] of stuck.entries()) {
      const now = replaced[i]?.price ?? 0n
      assert.ok(now * 10n >= price * 11n, `${price} → ${now}`)
    }
    await rpc('anvil_mine', ['0x1'])
    const mined = await Promise.all(payments)
    assert.deepEqual(
      mined.map(({ hash }) => hash),
      replaced.map(({ hash }) => hash)
    )
    assert.equal(await rpc('eth_getBalance', [entry(1).token, 'latest']), '0x1c', 'what was replaced paid nothing')
  })
}

test('what a run left in the pool is waited for as long as the pool moves', async (t) => {
  const { local, accounts, rpc } = await startMarket(t)
  const timing = { poll: 20, resend: 10_000, bump: 3_600_000 }
  await rpc('evm_setAutomine', [false])
  const before = startQueue(t, local.rpcUrl, accounts, 'eip1559', timing)
  const left = assert.rejects(before.pay(1n), { code: 'aborted' })
  await eventually('it is in the pool', async () => ((await pooled(rpc)).length === 1 ? true : undefined))
  await before.queue.close()
  await left

  const after = startQueue(t, local.rpcUrl, accounts, 'eip1559', timing)
  const payment = after.pay(2n)
  await rpc('anvil_mine', ['0x1'])
  await rpc('evm_setAutomine', [true])
  await payment
  assert.equal(await rpc('eth_getBalance', [entry(1).token, 'latest']), '0x3', 'both paid')
})

type RpcCall = Awaited<ReturnType<typeof startMarket>>['rpc']

/** What dev account 1 has in the pool, in order; it alone sends. */
async function pooled(rpc: RpcCall): Promise<Array<{ hash: Hex; price: bigint }>> {
  const { pending } = await rpc<{
    pending: Record<string, Record<string, { hash: Hex; gasPrice: Hex; maxFeePerGas?: Hex }>>
  }>('txpool_content')
  return Object.values(pending)
    .flatMap((byNonce) => Object.entries(byNonce))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, { hash, gasPrice, maxFeePerGas }]) => ({ hash, price: BigInt(maxFeePerGas ?? gasPrice) }))
}

function startQueue(t: TestContext, url: string, accounts: DevAccount[], fees: FeeStyle, timing: QueueTiming) {
  const client = createRpc({ urls: [url], logger: silent })
  const signer = signerOf(accountAt(accounts, 1).privateKey)
  const queue = createTransactionQueue({
    rpc: client,
    chainId: 31337,
    signer,
    confirmations: 0,
    fees,
    timing,
    logger: silent
  })
  t.after(async () => {
    await queue.close()
    await client.close()
  })
  return { queue, pay: (value: bigint) => queue.send({ label: 'paying', to: entry(1).token, data: '0x', value }) }
}

test('a reorg before confirmation depth puts a transaction back, and it counts only when mined again', async (t) => {
  const { connectAs, rpc } = await startMarket(t)
  const { registry } = await connectAs(1, { confirmations: 2 })
  let done = false
  const post = registry.post(entry(1)).finally(() => {
    done = true
  })
  const before = await eventually('the post in a block', async () => (await registry.logs(0n, 1000n))[0])
  await rpc('anvil_mine', ['0x1'])
  await rpc('anvil_reorg', [2, []])
  await eventually('the post in another block', async () => {
    const [log] = await registry.logs(0n, 1000n)
    return log !== undefined && log.blockHash !== before.blockHash ? log : undefined
  })
  assert.equal(done, false)
  await rpc('anvil_mine', ['0x2'])
  const mined = await post
  assert.notEqual(mined.blockHash, before.blockHash)
  assert.equal((await registry.head()).number - mined.blockNumber >= 2n, true)
})

test('aborting takes an unsent transaction out of the queue and ends the wait for a sent one', async (t) => {
  const { connectAs, rpc } = await startMarket(t)
  const { registry, transactions } = await connectAs(1)
  await assert.rejects(registry.post(entry(1), { signal: AbortSignal.abort() }), { code: 'aborted' })
  await rpc('evm_setAutomine', [false])
  const stop = new AbortController()
  const sent = assert.rejects(registry.post(entry(2), { signal: stop.signal }), {
    code: 'aborted',
    message: /posting a listing was stopped/
  })
  await eventually('it is in the pool', async () => {
    return (await rpc<{ pending: Hex }>('txpool_status')).pending === '0x1' ? true : undefined
  })
  stop.abort()
  await sent
  await rpc('evm_setAutomine', [true])
  await rpc('anvil_mine', ['0x1'])
  await eventually('the queue is empty', () => (transactions?.size === 0 ? true : undefined))
  assert.equal((await registry.logs(0n, 1000n)).length, 1)
  assert.equal((await registry.post(entry(2))).version, 2)
})

test('a wallet without coins is told so', async (t) => {
  const { connectAs, accounts, rpc } = await startMarket(t)
  const { registry } = await connectAs(1)
  const { address } = accountAt(accounts, 1)
  await rpc('anvil_setBalance', [address, '0x0'])
  await assert.rejects(registry.post(entry(1)), { code: 'funds', message: new RegExp(address) })
  await rpc('anvil_setBalance', [address, '0xde0b6b3a7640000'])
  assert.equal((await registry.post(entry(1))).version, 1)
})

test('two processes that use one wallet disturb each other, and both get through', async (t) => {
  const { connectAs } = await startMarket(t)
  const [one, two] = [await connectAs(1), await connectAs(1)]
  const posts = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? one : two).registry.post(entry(i)))
  assert.equal((await Promise.all(posts)).length, 20)
})

test('close ends every wait', async (t) => {
  const { connectAs, rpc } = await startMarket(t)
  const chain = await connectAs(1)
  await rpc('evm_setAutomine', [false])
  const posts = Promise.allSettled(Array.from({ length: 30 }, (_, i) => chain.registry.post(entry(i))))
  await eventually('some are sent', () => ((chain.transactions?.size ?? 0) === 30 ? true : undefined))
  await chain.close()
  for (const result of await posts) {
    assert.equal(result.status === 'rejected' && result.reason.code, 'aborted')
  }
})

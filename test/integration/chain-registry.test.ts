import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { connectChain } from '../../src/chain/index.ts'
import type { ChainBlock } from '../../src/interface/index.ts'
import { accountAt, bytes32, entry, eventually, silent, startMarket } from './chain-fixture.ts'

test('a listing is posted, replaced and retired, and its logs say so', async (t) => {
  const { connectAs, accounts } = await startMarket(t)
  const { registry } = await connectAs(1)
  const seller = accountAt(accounts, 1).address
  const id = registry.listingId(seller, bytes32(7))

  const first = await registry.post(entry(7, 1))
  const second = await registry.post(entry(7, 2))
  const { hash } = await registry.setStatus(id, 'retired')
  assert.deepEqual([first.version, second.version], [1, 2])
  assert.equal(registry.account, seller)

  const head = await registry.head()
  const logs = await registry.logs(0n, head.number)
  const short = logs.map((log) => [log.event, 'version' in log && log.version, 'status' in log && log.status])
  assert.deepEqual(short, [
    ['ListingPut', 1, false],
    ['ListingPut', 2, false],
    ['ListingStatus', 2, 'retired']
  ])
  assert.deepEqual(logs[1], {
    event: 'ListingPut',
    listingId: id,
    seller,
    version: 2,
    manifest: bytes32(2),
    token: entry(7).token,
    unitPrice: 100n,
    unit: 0,
    blockNumber: second.blockNumber,
    blockHash: second.blockHash,
    logIndex: 0,
    transactionHash: second.hash,
    timestamp: (await registry.block(second.blockNumber))?.timestamp
  })
  assert.deepEqual(await registry.logsOf(first.blockHash), [logs[0]])
  assert.equal(logs[2]?.transactionHash, hash)
  assert.deepEqual(await registry.logs(head.number + 1n, head.number), [])
  assert.equal(await registry.block(head.number + 9n), undefined)
  assert.equal((await registry.block(head.hash))?.parentHash, (await registry.block(head.number - 1n))?.hash)
})

test('what the contract refuses is never sent, and its own error is shown with its numbers', async (t) => {
  const { connectAs, accounts, rpc } = await startMarket(t)
  const { registry } = await connectAs(1)
  const { registry: stranger } = await connectAs(2)
  await registry.post(entry(1))
  const id = registry.listingId(accountAt(accounts, 1).address, bytes32(1))
  await assert.rejects(stranger.setStatus(id, 'retired'), {
    code: 'chain',
    message: new RegExp(`setting a listing to retired: the contract refused: NotSeller\\(listingId ${id}, caller 0x`)
  })
  await assert.rejects(registry.post({ ...entry(2), terms: `0x${'ab'.repeat(5000)}` }), {
    code: 'chain',
    message: /TermsTooLong\(length 5000, maximum \d+\)/
  })
  assert.equal(await rpc('eth_getTransactionCount', [accountAt(accounts, 2).address, 'pending']), '0x0')
})

test('without a wallet the chain is read, and publishing says what is missing', async (t) => {
  const { profile, connectAs } = await startMarket(t)
  const { registry: seller } = await connectAs(1)
  await seller.post(entry(1))
  const chain = await connectChain({ profile, logger: silent })
  t.after(() => chain.close())
  assert.equal((await chain.registry.logs(0n, 100n)).length, 1)
  assert.equal(chain.channels, undefined)
  await assert.rejects(chain.registry.post(entry(2)), { code: 'config', message: /needs a wallet/ })
})

for (const kind of ['rpcUrl', 'wsUrl'] as const) {
  test(`heads and reorgs are seen through block hashes (${kind})`, async (t) => {
    const { connectAs, local, rpc } = await startMarket(t)
    const { registry } = await connectAs(1, { rpcUrls: [local[kind]] })
    const heads: ChainBlock[] = []
    const stop = registry.onHead((head) => heads.push(head))
    const gone = await registry.post(entry(1))
    await eventually('the head of the first post', () => heads.find(({ hash }) => hash === gone.blockHash))

    await rpc('anvil_reorg', [1, []])
    const after = await eventually('the head after the reorg', () =>
      heads.find(({ number, hash }) => number === gone.blockNumber && hash !== gone.blockHash)
    )
    assert.equal((await registry.head()).hash, after.hash)
    assert.deepEqual(await registry.logs(0n, after.number), [])
    assert.equal((await registry.block(gone.blockNumber))?.hash, after.hash)

    stop()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const seen = heads.length
    await rpc('anvil_mine', ['0x1'])
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal(heads.length, seen)
  })
}

test('ranges that the node refuses are halved until it answers', async (t) => {
  const { connectAs, local, rpc } = await startMarket(t)
  // A real node that serves three blocks at once, as public ones serve some thousand.
  const asked: bigint[] = []
  async function answer(request: IncomingMessage): Promise<string> {
    const body = await text(request)
    const { id, method, params } = JSON.parse(body)
    const range = method === 'eth_getLogs' ? BigInt(params[0].toBlock) - BigInt(params[0].fromBlock) + 1n : 1n
    if (method === 'eth_getLogs') asked.push(range)
    if (range > 3n) {
      return JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: 'query exceeds max block range 3' } })
    }
    const headers = { 'content-type': 'application/json' }
    return await (await fetch(local.rpcUrl, { method: 'POST', headers, body })).text()
  }
  const limited = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    answer(request).then(
      (body) => response.end(body),
      (error: Error) => response.destroy(error)
    )
  }).listen(0, '127.0.0.1')
  await once(limited, 'listening')
  t.after(() => {
    limited.closeAllConnections()
    limited.close()
  })
  const { port } = limited.address() as AddressInfo
  const { registry } = await connectAs(1, { rpcUrls: [`http://127.0.0.1:${port}`] })
  await registry.post(entry(1))
  await rpc('anvil_mine', ['0x14'])
  await registry.post(entry(2))
  const { number } = await registry.head()
  assert.equal((await registry.logs(0n, number)).length, 2)
  asked.length = 0
  assert.equal((await registry.logs(0n, number)).length, 2)
  assert.ok(
    asked.every((range) => range <= 3n),
    'the size that worked is remembered'
  )
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { keccak256, numberToHex, parseTransaction } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { type Chain, connectChain, deployContracts, devAccounts } from '../../src/chain/index.ts'
import { createTransactionQueue, DEV_TIMING, type TransactionQueueInit } from '../../src/chain/queue.ts'
import { createRpc } from '../../src/chain/rpc.ts'
import { signerOf } from '../../src/chain/wallet.ts'
import type { ChannelConfig, Hex } from '../../src/interface/index.ts'
import { channelIdOf, signDeposit, signVoucher } from '../compliance/payments/typed-data.ts'
import { type Anvil, startAnvil } from '../support/anvil.ts'
import { accountAt, bytes32, entry, eventually, rpcCall, silent } from './chain-fixture.ts'

/** Registry, escrow, two collectors, records, test token. */
const CONTRACTS = 6

interface RawTransaction {
  hash: Hex
  from: Hex
  type: Hex
  gasPrice: Hex
}

async function startChain(t: TestContext, args: string[] = []): Promise<Anvil> {
  const anvil = await startAnvil({ chainId: 1076, args })
  t.after(() => anvil.stop())
  return anvil
}

/** What an account sent, in order. */
async function sentBy(url: string, account: Hex): Promise<RawTransaction[]> {
  const head = Number(await rpcCall<Hex>(url, 'eth_blockNumber'))
  const blocks = await Promise.all(
    Array.from({ length: head + 1 }, (_, i) =>
      rpcCall<{ transactions: RawTransaction[] }>(url, 'eth_getBlockByNumber', [`0x${i.toString(16)}`, true])
    )
  )
  return blocks.flatMap(({ transactions }) => transactions).filter(({ from }) => from === account)
}

/** Contracts and profile of a chain whose gas has one price, as IOTA EVM has it. */
async function startLegacyMarket(t: TestContext) {
  const anvil = await startChain(t)
  const accounts = await devAccounts()
  const profile = await deployContracts({
    rpcUrl: anvil.url,
    privateKey: accountAt(accounts, 0).privateKey,
    name: 'iota-evm',
    dev: true,
    fees: 'legacy',
    logger: silent
  })
  const connectAs = async (index: number, changes: Partial<typeof profile.chain> = {}): Promise<Chain> => {
    const { address, privateKey } = accountAt(accounts, index)
    const chain = await connectChain({
      profile: { ...profile, chain: { ...profile.chain, ...changes } },
      wallet: { account: address, privateKey },
      logger: silent
    })
    t.after(() => chain.close())
    return chain
  }
  return { anvil, accounts, profile, connectAs }
}

test('deploy, list, deposit, claim, settle and record by legacy transactions', async (t) => {
  const { anvil, accounts, profile, connectAs } = await startLegacyMarket(t)
  assert.deepEqual([profile.chain.id, profile.chain.fees], [1076, 'legacy'])
  const [payer, seller] = [accountAt(accounts, 1), accountAt(accounts, 2)]
  const chain = await connectAs(2)
  const { channels } = chain
  assert.ok(channels)
  await chain.faucet?.(payer.address, { token: 1_000n })

  const place = { chainId: 1076, escrow: profile.contracts.escrow }
  const config: ChannelConfig = {
    payer: payer.address,
    payerAuthorizer: payer.address,
    receiver: seller.address,
    receiverAuthorizer: seller.address,
    token: channels.token.address,
    withdrawDelay: 3600,
    salt: bytes32(1)
  }
  const channelId = channelIdOf(place, config)
  const { address: verifyingContract, name, version } = channels.token
  const { eip3009Collector: collector } = channels
  const deposit = { collector, channelId, amount: 1_000n, salt: 1n, validBefore: 1n << 40n }
  const domain = { name, version, chainId: 1076, verifyingContract }
  const data = await signDeposit(privateKeyToAccount(payer.privateKey), domain, deposit)

  await channels.deposit(config, { amount: 1_000n, collector, data })
  const voucher = await signVoucher(payer.privateKey, place, channelId, 400n)
  await channels.claim([{ config, voucher, totalClaimed: 400n }])
  await channels.settle(seller.address, verifyingContract)
  await chain.registry.post(entry(1))
  await chain.records?.emit(bytes32(2), 1)

  assert.deepEqual(
    [await chain.tokenBalance(seller.address), (await channels.channel(channelId)).totalClaimed],
    [400n, 400n]
  )
  const sent = await sentBy(anvil.url, seller.address)
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['0x0', '0x0', '0x0', '0x0', '0x0']
  )
  // The faucet's transactions after them are the node's own.
  const deployed = (await sentBy(anvil.url, accountAt(accounts, 0).address)).slice(0, CONTRACTS)
  assert.deepEqual([deployed.length, ...new Set(deployed.map(({ type }) => type))], [CONTRACTS, '0x0'])
})

test('a stuck legacy transaction is replaced by one that offers at least a tenth more', async (t) => {
  const { anvil, accounts, connectAs } = await startLegacyMarket(t)
  const queue = queueOf(t, anvil, accountAt(accounts, 3).privateKey, {
    fees: 'legacy',
    timing: { poll: 10, resend: 20, bump: 60 }
  })
  assert.ok(await connectAs(3))
  await rpcCall(anvil.url, 'evm_setAutomine', [false])
  const sent = queue.send({ label: 'sending nothing', to: accountAt(accounts, 4).address, data: '0x' })
  const pooled = async (): Promise<bigint | undefined> => {
    const { pending } = await rpcCall<{ pending: Record<string, Record<string, RawTransaction>> }>(
      anvil.url,
      'txpool_content'
    )
    const [own] = Object.values(pending).flatMap((byNonce) => Object.values(byNonce))
    return own === undefined ? undefined : BigInt(own.gasPrice)
  }
  const first = await eventually('the transaction waits', pooled)
  const later = await eventually('it offers more', async () => {
    const price = (await pooled()) ?? 0n
    return price > first ? price : undefined
  })
  assert.ok(later * 10n >= first * 11n, `${first} → ${later}`)
  await rpcCall(anvil.url, 'evm_setAutomine', [true])
  await rpcCall(anvil.url, 'anvil_mine', ['0x1'])
  const { hash } = await sent
  const mined = await rpcCall<RawTransaction>(anvil.url, 'eth_getTransactionByHash', [hash])
  assert.deepEqual([mined.type, BigInt(mined.gasPrice) >= later], ['0x0', true])
})

test('a chain without base fee takes legacy transactions, and the error for others says so', async (t) => {
  // The contracts need newer opcodes than such a chain has, the queue does not.
  const anvil = await startChain(t, ['--hardfork', 'berlin'])
  const [, from, to] = await devAccounts()
  assert.ok(from && to)
  const nothing = { label: 'sending nothing', to: to.address, data: '0x' } as const
  await assert.rejects(queueOf(t, anvil, from.privateKey).send(nothing), {
    code: 'chain',
    message: /no base fee \(EIP-1559\): set chain\.fees to "legacy"/
  })
  const { hash } = await queueOf(t, anvil, from.privateKey, { fees: 'legacy' }).send(nothing)
  assert.equal((await rpcCall<RawTransaction>(anvil.url, 'eth_getTransactionByHash', [hash])).type, '0x0')
})

test('where gas has one price, a transaction waits at it, and follows it when it changes', async (t) => {
  const anvil = await startChain(t)
  const [, from, to] = await devAccounts()
  assert.ok(from && to)
  const strict = await startStrictNode(t, anvil)
  const timing = { poll: 10, resend: 20, bump: 60 }
  const queue = queueOf(t, { url: strict.url }, from.privateKey, { fees: 'legacy', timing })
  const nothing = { label: 'sending nothing', to: to.address, data: '0x' } as const

  await rpcCall(anvil.url, 'evm_setAutomine', [false])
  const first = queue.send(nothing)
  await eventually('a higher offer was refused', () => (strict.refused > 1 ? true : undefined))
  await rpcCall(anvil.url, 'anvil_dropTransaction', [strict.taken[0]])
  await eventually('the version that was taken is sent again', () => (strict.taken.length > 1 ? true : undefined))
  await rpcCall(anvil.url, 'anvil_mine', ['0x1'])
  assert.deepEqual([(await first).hash, new Set(strict.taken).size], [strict.taken[0], 1])

  await rpcCall(anvil.url, 'evm_setAutomine', [true])
  strict.changeOnce(3_000_000_000n)
  const { hash } = await queue.send(nothing)
  const { gasPrice } = await rpcCall<RawTransaction>(anvil.url, 'eth_getTransactionByHash', [hash])
  assert.equal(BigInt(gasPrice), 3_000_000_000n)
})

/** Anvil behind IOTA EVM's rule: a transaction offers exactly the price of gas, or is refused. */
async function startStrictNode(t: TestContext, anvil: Anvil) {
  let price = 2_000_000_000n
  let next: bigint | undefined
  const state = {
    url: '',
    refused: 0,
    taken: [] as Hex[],
    changeOnce: (to: bigint) => {
      next = to
    }
  }
  async function pass(body: string): Promise<string> {
    const headers = { 'content-type': 'application/json' }
    return (await fetch(anvil.url, { method: 'POST', headers, body })).text()
  }
  async function answer(request: IncomingMessage): Promise<string> {
    const body = await text(request)
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: [Hex] }
    if (method === 'eth_gasPrice') return JSON.stringify({ jsonrpc: '2.0', id, result: numberToHex(price) })
    if (method === 'eth_sendRawTransaction') {
      price = next ?? price
      const { gasPrice } = parseTransaction(params[0])
      if (gasPrice !== price) {
        state.refused++
        const message = `invalid gas price: got ${gasPrice}, want ${price}`
        return JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32000, message } })
      }
      const answered = await pass(body)
      state.taken.push(keccak256(params[0]))
      return answered
    }
    return pass(body)
  }
  const node = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    answer(request).then(
      (body) => response.end(body),
      (error: Error) => response.destroy(error)
    )
  }).listen(0, '127.0.0.1')
  await once(node, 'listening')
  t.after(() => {
    node.closeAllConnections()
    node.close()
  })
  state.url = `http://127.0.0.1:${(node.address() as AddressInfo).port}`
  return state
}

function queueOf(
  t: TestContext,
  { url }: Pick<Anvil, 'url'>,
  privateKey: Hex,
  changes: Partial<TransactionQueueInit> = {}
) {
  const rpc = createRpc({ urls: [url], logger: silent })
  const common = {
    rpc,
    chainId: 1076,
    signer: signerOf(privateKey),
    confirmations: 0,
    timing: DEV_TIMING,
    logger: silent
  }
  const queue = createTransactionQueue({ ...common, ...changes })
  t.after(async () => {
    await queue.close()
    await rpc.close()
  })
  return queue
}

test('a node of another chain ID is not used', async (t) => {
  const { connectAs } = await startLegacyMarket(t)
  await assert.rejects(connectAs(1, { id: 8822 }), {
    code: 'networkMismatch',
    message: /chain ID is 1076, the network profile says 8822/
  })
})

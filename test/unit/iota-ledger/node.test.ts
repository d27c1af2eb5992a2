import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { bcs } from '@iota/iota-sdk/bcs'
import { IotaClient, JsonRpcError } from '@iota/iota-sdk/client'
import { Ed25519Keypair } from '@iota/iota-sdk/keypairs/ed25519'
import { SerialTransactionExecutor, Transaction } from '@iota/iota-sdk/transactions'
import { type IotaLedger, type IotaLedgerInit, startIotaLedger } from '../../../src/iota-ledger/index.ts'
import { silent } from '../../support/sdpp.ts'

const ONE_IOTA = 1_000_000_000n
const OTHER = `0x${'44'.repeat(32)}`

interface Setting {
  ledger: IotaLedger
  client: IotaClient
  signer: Ed25519Keypair
  owner: string
}

async function start(t: TestContext, init: Partial<IotaLedgerInit> = {}): Promise<Setting> {
  const ledger = await startIotaLedger({ logger: silent, ...init })
  t.after(() => ledger.close())
  const signer = new Ed25519Keypair()
  const owner = signer.toIotaAddress()
  await ledger.mint(owner, 10n * ONE_IOTA)
  return { ledger, client: new IotaClient({ url: ledger.url }), signer, owner }
}

function payment(amount: bigint, to = OTHER): Transaction {
  const transaction = new Transaction()
  transaction.transferObjects([transaction.splitCoins(transaction.gas, [amount])], to)
  return transaction
}

const refusedWith = (code: number, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof JsonRpcError)
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return true
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('one transaction pays a hundred; as of a node the answer has no time and no checkpoint, what is looked up has', async (t) => {
  const { client, signer } = await start(t)
  const sellers = Array.from({ length: 100 }, () => new Ed25519Keypair().toIotaAddress())
  const transaction = new Transaction()
  const amounts = sellers.map((_, index) => BigInt(index + 1))
  const parts = transaction.splitCoins(transaction.gas, amounts)
  for (const [index, seller] of sellers.entries()) transaction.transferObjects([parts[index] as never], seller)
  const options = { showEffects: true, showBalanceChanges: true, showObjectChanges: true, showEvents: true }
  const answer = await client.signAndExecuteTransaction({ signer, transaction, options })
  assert.equal(answer.effects?.status.status, 'success')
  assert.deepEqual([answer.effects?.created?.length, answer.balanceChanges?.length], [100, 101])
  assert.deepEqual(
    [answer.timestampMs, answer.checkpoint, answer.confirmedLocalExecution],
    [undefined, undefined, true]
  )
  const found = await client.getTransactionBlock({ digest: answer.digest })
  assert.ok(Math.abs(Number(found.timestampMs) - Date.now()) < 60_000)
  assert.equal(found.checkpoint, '1')
  assert.equal((await client.getBalance({ owner: sellers[41] as string })).totalBalance, '42')
})

test('the executor that trusts the effects of its last transaction works', async (t) => {
  const { client, signer, owner } = await start(t)
  const executor = new SerialTransactionExecutor({ client, signer })
  for (let index = 1; index <= 3; index++) {
    const { effects } = await executor.executeTransaction(payment(5n))
    const { V1 } = bcs.TransactionEffects.fromBase64(effects)
    assert.equal(V1.status.$kind, 'Success')
    assert.equal(V1.lamportVersion, `${index + 1}`)
  }
  assert.equal((await client.getBalance({ owner: OTHER })).totalBalance, '15')
  assert.equal((await client.getCoins({ owner })).data.length, 1)
})

test('a transaction expires with its epoch', async (t) => {
  const { client, signer } = await start(t, { epochMs: 100 })
  const make = (epoch: number): Transaction => {
    const transaction = payment(1n)
    transaction.setExpiration({ Epoch: epoch })
    transaction.setGasBudget(5_000_000)
    return transaction
  }
  await wait(110)
  await assert.rejects(
    client.signAndExecuteTransaction({ signer, transaction: make(0) }),
    refusedWith(-32_002, /Transaction Expired/)
  )
  await client.signAndExecuteTransaction({ signer, transaction: make(1_000) })
})

test('a lock ends with its epoch, and what it locked is spent once all the same', async (t) => {
  const { client, signer, owner, ledger } = await start(t, { finalityMs: 150, epochMs: 100 })
  const [coin] = (await client.getCoins({ owner })).data
  assert.ok(coin)
  const send = async (amount: bigint): Promise<unknown> => {
    const transaction = payment(amount)
    transaction.setGasBudget(5_000_000)
    transaction.setGasPayment([{ objectId: coin.coinObjectId, version: coin.version, digest: coin.digest }])
    return client.signAndExecuteTransaction({ signer, transaction })
  }
  const supply = ledger.supply()
  const first = send(1n)
  await wait(110)
  // Both may have come in one epoch.
  const again = (): Promise<unknown> =>
    send(2n).catch((error: Error) =>
      /reserved for another/.test(error.message) ? wait(10).then(again) : Promise.reject(error)
    )
  await assert.rejects(again(), /not available for consumption, current version: 2/)
  await first
  assert.equal((await client.getBalance({ owner: OTHER })).totalBalance, '1')
  assert.equal(ledger.supply(), supply - 1_000_000n)
})

test('a node that lags behind knows nothing of a transaction that it answered, and tells it later', async (t) => {
  const { client, signer } = await start(t, { lagMs: 5_000 })
  const { digest } = await client.signAndExecuteTransaction({ signer, transaction: payment(1n) })
  await assert.rejects(
    client.getTransactionBlock({ digest }),
    refusedWith(-32_602, /Could not find the referenced transaction \[TransactionDigest\(/)
  )
  assert.equal(await client.isTransactionIndexedOnNode({ digest }), false)
  assert.deepEqual(await client.multiGetTransactionBlocks({ digests: [digest] }), [{ digest }])
  assert.deepEqual((await client.queryTransactionBlocks({ filter: { ToAddress: OTHER } })).data, [])
  const found = await client.waitForTransaction({ digest, pollInterval: 20 })
  assert.equal(found.digest, digest)
})

test('transactions are found by who sends, who gets and what goes in, page by page in both orders', async (t) => {
  const { client, signer, owner } = await start(t)
  const digests: string[] = []
  for (let index = 1; index <= 5; index++) {
    const to = index % 2 === 0 ? OTHER : `0x${'55'.repeat(32)}`
    digests.push((await client.signAndExecuteTransaction({ signer, transaction: payment(1n, to) })).digest)
  }
  const [coin] = (await client.getCoins({ owner })).data
  const find = async (filter: object, order: 'ascending' | 'descending' = 'ascending'): Promise<string[]> => {
    const found: string[] = []
    let cursor: string | null | undefined
    do {
      const page = await client.queryTransactionBlocks({
        filter: filter as never,
        order,
        limit: 2,
        cursor: cursor ?? null
      })
      assert.ok(page.data.length <= 2)
      found.push(...page.data.map(({ digest }) => digest))
      cursor = page.hasNextPage ? page.nextCursor : undefined
    } while (cursor !== undefined)
    return found
  }
  const toOther = [digests[1], digests[3]]
  assert.deepEqual(await find({ FromAddress: owner }), digests)
  assert.deepEqual(await find({ FromAddress: owner }, 'descending'), digests.toReversed())
  assert.deepEqual(await find({ ToAddress: OTHER }), toOther)
  assert.deepEqual(await find({ FromAndToAddress: { from: owner, to: OTHER } }, 'descending'), toOther.toReversed())
  assert.deepEqual(await find({ FromOrToAddress: { addr: OTHER } }), toOther)
  assert.deepEqual(await find({ InputObject: coin?.coinObjectId }), digests)
  assert.deepEqual(await find({ ChangedObject: coin?.coinObjectId }), digests)
  assert.deepEqual(await find({ Checkpoint: '3' }), [digests[2]])
  await assert.rejects(find({ MoveFunction: { package: '0x2' } }), refusedWith(-32_600, /Unsupported Feature/))
})

test('who pages through coins that are spent meanwhile sees each of the others once', async (t) => {
  const { ledger, client, signer, owner } = await start(t)
  for (let index = 0; index < 6; index++) await ledger.mint(owner, ONE_IOTA)
  const first = await client.getCoins({ owner, limit: 3 })
  const gone = first.data.at(-1)
  assert.ok(gone && first.nextCursor)
  const transaction = new Transaction()
  transaction.transferObjects([transaction.gas], OTHER)
  transaction.setGasBudget(5_000_000)
  transaction.setGasPayment([{ objectId: gone.coinObjectId, version: gone.version, digest: gone.digest }])
  await client.signAndExecuteTransaction({ signer, transaction })
  const second = await client.getCoins({ owner, cursor: first.nextCursor })
  const ids = [...first.data, ...second.data].map(({ coinObjectId }) => coinObjectId)
  assert.deepEqual([ids.length, new Set(ids).size, second.hasNextPage], [7, 7, false])
  assert.deepEqual(await client.getCoins({ owner, coinType: '0x5::other::COIN' }), {
    data: [],
    nextCursor: null,
    hasNextPage: false
  })
})

test('objects and input are told as far as they are asked for, in the shapes of a node', async (t) => {
  const { ledger, client, signer, owner } = await start(t)
  const second = await ledger.mint(owner, 5n)
  const [coin] = (await client.getCoins({ owner })).data
  assert.ok(coin)
  const plain = await client.getObject({ id: coin.coinObjectId })
  assert.deepEqual(Object.keys(plain.data ?? {}), ['objectId', 'version', 'digest'])
  const transaction = payment(7n)
  transaction.mergeCoins(transaction.gas, [transaction.object(second)])
  const memo = transaction.pure.vector('u8', [1, 2])
  transaction.makeMoveVec({ type: 'vector<u8>', elements: [memo] })
  const options = { showInput: true, showRawInput: true, showObjectChanges: true }
  const answer = await client.signAndExecuteTransaction({ signer, transaction, options })
  assert.ok(answer.objectChanges?.some((change) => change.type === 'deleted' && change.objectId === second))
  const program = answer.transaction?.data.transaction
  assert.ok(program?.kind === 'ProgrammableTransaction')
  assert.deepEqual(program.transactions, [
    { SplitCoins: ['GasCoin', [{ Input: 0 }]] },
    { TransferObjects: [[{ Result: 0 }], { Input: 1 }] },
    { MergeCoins: ['GasCoin', [{ Input: 2 }]] },
    { MakeMoveVec: ['vector<u8>', [{ Input: 3 }]] }
  ])
  const [amount, to, , bytes] = program.inputs
  assert.deepEqual(amount, { type: 'pure', valueType: 'u64', value: '7' })
  assert.deepEqual(to, { type: 'pure', valueType: 'address', value: OTHER })
  assert.deepEqual(bytes, { type: 'pure', valueType: null, value: [2, 1, 2] })
  const both = await client.multiGetObjects({ ids: [second, `0x${'77'.repeat(32)}`], options: { showOwner: true } })
  assert.deepEqual(
    both.map(({ error }) => error?.code),
    ['deleted', 'notExists']
  )
})

test('requests that are none, and what they are told', async (t) => {
  const { ledger } = await start(t)
  const ask = async (body: string): Promise<{ id: unknown; error: { code: number; message: string } }> => {
    const response = await fetch(ledger.url, { method: 'POST', body })
    assert.equal(response.status, 200)
    return (await response.json()) as never
  }
  const call = (method: string, ...params: unknown[]) => ask(JSON.stringify({ jsonrpc: '2.0', id: 5, method, params }))
  assert.equal((await ask('{')).error.code, -32_700)
  assert.equal((await ask('[]')).error.code, -32_600)
  assert.equal((await ask(JSON.stringify(Array.from({ length: 51 }, () => ({})))))?.error.code, -32_600)
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  assert.equal((await ask(`{"id":${deep},"method":"rpc.discover"}`)).error.code, -32_600)
  assert.equal((await call('iota_nothing')).error.code, -32_601)
  for (const [method, ...params] of [
    ['iota_executeTransactionBlock', '!', ['AA==']],
    ['iota_executeTransactionBlock', 'AAAA', ['AA==']],
    ['iota_executeTransactionBlock', 'AAAA', 'AA=='],
    ['iotax_getCoins', 'nobody'],
    ['iotax_getCoins', OTHER, null, 5],
    ['iotax_getCoins', OTHER, null, null, -1],
    ['iota_getTransactionBlock', 'x'],
    ['iota_getTransactionBlock', 'z'.repeat(100_000)],
    ['iota_multiGetTransactionBlocks', Array.from({ length: 51 }, () => 'x')],
    ['iota_multiGetObjects', [OTHER, {}]],
    ['iotax_queryTransactionBlocks', 'x'],
    ['iotax_queryTransactionBlocks', {}, '4VSj48G4aoTSAYwavNA2Y79gCLQ9uHFh5yQYEbppze7h']
  ] as Array<[string, ...unknown[]]>) {
    const { error, id } = await call(method, ...params)
    assert.deepEqual([error.code, id], [-32_602, 5], `${method} ${JSON.stringify(params).slice(0, 80)}`)
  }
  assert.equal((await fetch(`${ledger.url}//`, { method: 'POST', body: '{}' })).status, 404)
  assert.equal((await fetch(ledger.url, { method: 'PUT', body: '{}' })).status, 405)
})

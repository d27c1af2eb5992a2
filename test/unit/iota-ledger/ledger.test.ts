import assert from 'node:assert/strict'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { IotaClient } from '@iota/iota-sdk/client'
import { requestIotaFromFaucetV0 } from '@iota/iota-sdk/faucet'
import { Ed25519Keypair } from '@iota/iota-sdk/keypairs/ed25519'
import { Transaction } from '@iota/iota-sdk/transactions'
import fc from 'fast-check'
import { type IotaLedger, startIotaLedger } from '../../../src/iota-ledger/index.ts'
import { silent } from '../../support/sdpp.ts'
import { tempDir } from '../../support/temp-dir.ts'

const IOTA = 1_000_000_000n
const COMPUTATION = 1_000_000n

/** The client of the SDK, as it is, against the ledger. */
describe('the SDK finds an IOTA node', () => {
  let ledger: IotaLedger
  let client: IotaClient
  const buyer = new Ed25519Keypair()
  const seller = new Ed25519Keypair()
  const [from, to] = [buyer.toIotaAddress(), seller.toIotaAddress()]

  before(async () => {
    ledger = await startIotaLedger({ logger: silent })
    client = new IotaClient({ url: ledger.url })
    await ledger.mint(from, 100n * IOTA)
  })
  after(() => ledger.close())

  const balance = async (owner: string): Promise<bigint> => BigInt((await client.getBalance({ owner })).totalBalance)
  const payment = (amount: bigint, memo?: string): Transaction => {
    const transaction = new Transaction()
    transaction.transferObjects([transaction.splitCoins(transaction.gas, [amount])], to)
    if (memo !== undefined) {
      const bytes = [...new TextEncoder().encode(memo)]
      transaction.makeMoveVec({ type: 'vector<u8>', elements: [transaction.pure.vector('u8', bytes)] })
    }
    return transaction
  }
  const signed = async (transaction: Transaction, signer: Ed25519Keypair) => {
    transaction.setSenderIfNotSet(signer.toIotaAddress())
    const bytes = await transaction.build({ client })
    return { bytes, signature: (await signer.signTransaction(bytes)).signature }
  }
  const send = ({ bytes, signature }: { bytes: Uint8Array; signature: string | string[] }) =>
    client.executeTransactionBlock({ transactionBlock: bytes, signature, options: { showEffects: true } })

  test('a payment with a memo: gas estimated, executed, found again', async () => {
    const before = await balance(from)
    const { digest, effects } = await client.signAndExecuteTransaction({
      signer: buyer,
      transaction: payment(5_000_000n, 'invoice 1'),
      options: { showEffects: true }
    })
    assert.equal(effects?.status.status, 'success')
    const { storageCost, storageRebate } = effects.gasUsed
    const fee = COMPUTATION + BigInt(storageCost) - BigInt(storageRebate)
    assert.deepEqual([await balance(to), before - (await balance(from))], [5_000_000n, 5_000_000n + fee])
    const found = await client.waitForTransaction({ digest, pollInterval: 10, options: { showInput: true } })
    assert.equal(found.digest, digest)
    const page = await client.queryTransactionBlocks({ filter: { FromAndToAddress: { from, to } } })
    assert.ok(page.data.some((one) => one.digest === digest))
  })

  test('what is refused costs nothing: signer, bytes, version, owner, expiry, Move', async () => {
    const first = await signed(payment(1n), buyer)
    const second = await signed(payment(2n), buyer)
    const forged = (await seller.signTransaction(first.bytes)).signature
    await assert.rejects(send({ ...first, signature: forged }), /signature/i)
    const changed = Uint8Array.from(first.bytes)
    changed[10] = (changed[10] as number) ^ 1
    await assert.rejects(send({ ...first, bytes: changed }))
    await send(first)
    assert.equal((await send(first)).effects?.status.status, 'success', 'the same again is no second payment')
    await assert.rejects(send(second), /not available for consumption/)
    const [coin] = (await client.getCoins({ owner: from })).data
    assert.ok(coin)
    const steal = payment(1n)
    steal.setSender(to)
    steal.setGasPrice(1_000)
    steal.setGasBudget(3_000_000)
    steal.setGasPayment([{ objectId: coin.coinObjectId, version: coin.version, digest: coin.digest }])
    await assert.rejects(signed(steal, seller).then(send), /correct sender/)
    const move = new Transaction()
    move.moveCall({ target: '0x2::foo::bar', arguments: [] })
    move.setGasBudget(5_000_000)
    await assert.rejects(client.signAndExecuteTransaction({ signer: buyer, transaction: move }), /Move VM/)
  })

  test('what fails when it is carried out costs its gas and moves nothing', async () => {
    const [mine, theirs] = [await balance(from), await balance(to)]
    const transaction = payment(10n ** 15n)
    transaction.setGasBudget(5_000_000)
    const { effects } = await client.signAndExecuteTransaction({
      signer: buyer,
      transaction,
      options: { showEffects: true }
    })
    assert.match(effects?.status.error ?? '', /InsufficientCoinBalance/)
    assert.equal(await balance(to), theirs)
    assert.equal(mine - (await balance(from)), COMPUTATION)
  })

  test('who pays for somebody else signs too', async () => {
    await ledger.mint(to, 5n * IOTA)
    const gas = (await client.getCoins({ owner: to })).data.find(({ balance: held }) => held === `${5n * IOTA}`)
    const [own] = (await client.getCoins({ owner: from })).data
    assert.ok(gas && own)
    const transaction = new Transaction()
    transaction.transferObjects([transaction.splitCoins(transaction.object(own.coinObjectId), [7n])], to)
    transaction.setSender(from)
    transaction.setGasOwner(to)
    transaction.setGasPayment([{ objectId: gas.coinObjectId, version: gas.version, digest: gas.digest }])
    const bytes = await transaction.build({ client })
    const [one, other] = [await buyer.signTransaction(bytes), await seller.signTransaction(bytes)]
    await assert.rejects(send({ bytes, signature: one.signature }), /Expect 2 signer signatures/)
    const before = await balance(from)
    await send({ bytes, signature: [one.signature, other.signature] })
    assert.equal(before - (await balance(from)), 7n)
  })

  test('coins come in pages, and the faucet gives some', async () => {
    const owner = new Ed25519Keypair().toIotaAddress()
    for (let i = 0; i < 7; i++) await ledger.mint(owner, BigInt(i + 1))
    const seen: string[] = []
    let cursor: string | null | undefined
    do {
      const page = await client.getCoins({ owner, limit: 3, cursor: cursor ?? null })
      assert.ok(page.data.length <= 3)
      seen.push(...page.data.map(({ balance: held }) => held))
      cursor = page.hasNextPage ? page.nextCursor : undefined
    } while (cursor !== undefined)
    assert.deepEqual(seen.sort(), ['1', '2', '3', '4', '5', '6', '7'])
    await requestIotaFromFaucetV0({ host: ledger.faucetUrl, recipient: owner })
    assert.equal(await balance(owner), 28n + 20n * IOTA)
  })

  test("a stranger's bytes end in an answer", async () => {
    const post = async (
      body: string | Uint8Array<ArrayBuffer>,
      path = ''
    ): Promise<{ status: number; text: string }> => {
      const response = await fetch(`${ledger.url}${path}`, { method: 'POST', body })
      return { status: response.status, text: await response.text() }
    }
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1'))
        ),
        async (body) => {
          assert.equal((await post(body)).status, 200)
        }
      ),
      { numRuns: 60 }
    )
    const methods = [
      'iota_executeTransactionBlock',
      'iotax_getCoins',
      'iota_getTransactionBlock',
      'iotax_queryTransactionBlocks',
      'toString'
    ]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...methods), fc.anything(), async (method, params) => {
        const { status, text } = await post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [params] }) ?? '')
        assert.equal(status, 200)
        assert.ok('error' in JSON.parse(text) || 'result' in JSON.parse(text))
      }),
      { numRuns: 60 }
    )
    assert.equal((await post(new Uint8Array(2 << 20))).status, 413)
    assert.equal((await post('{}', '/gas')).status, 400)
    assert.equal((await fetch(`${ledger.url}/transaction/nothing`)).status, 404)
    assert.equal((await balance(to)) > 0n, true)
  })
})

test('a coin that is in one transaction is locked for others until that is carried out', async (t) => {
  const ledger = await startIotaLedger({ logger: silent, finalityMs: 3_000 })
  t.after(() => ledger.close())
  const client = new IotaClient({ url: ledger.url })
  const signer = new Ed25519Keypair()
  await ledger.mint(signer.toIotaAddress(), IOTA)
  const [coin] = (await client.getCoins({ owner: signer.toIotaAddress() })).data
  assert.ok(coin)
  const make = async (amount: number) => {
    const transaction = new Transaction()
    transaction.transferObjects([transaction.splitCoins(transaction.gas, [amount])], `0x${'22'.repeat(32)}`)
    transaction.setSender(signer.toIotaAddress())
    transaction.setGasPrice(1_000)
    transaction.setGasBudget(5_000_000)
    transaction.setGasPayment([{ objectId: coin.coinObjectId, version: coin.version, digest: coin.digest }])
    const bytes = await transaction.build()
    const { signature } = await signer.signTransaction(bytes)
    return { transactionBlock: bytes, signature }
  }
  const [one, other] = [await make(1), await make(2)]
  const executing = client.executeTransactionBlock(one)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await assert.rejects(client.executeTransactionBlock(other), /reserved for another transaction/)
  await executing
  await assert.rejects(client.executeTransactionBlock(other), /not available for consumption/)
})

test('a journal gives the same ledger again, without a last line that was cut', async (t) => {
  const file = join(await tempDir(t), 'ledger.jsonl')
  const signer = new Ed25519Keypair()
  const owner = signer.toIotaAddress()
  let ledger = await startIotaLedger({ logger: silent, file })
  await ledger.mint(owner, IOTA)
  const transaction = new Transaction()
  transaction.transferObjects([transaction.splitCoins(transaction.gas, [123n])], `0x${'33'.repeat(32)}`)
  const first = new IotaClient({ url: ledger.url })
  const { digest } = await first.signAndExecuteTransaction({ signer, transaction })
  const before = { identifier: ledger.chainIdentifier, coins: await first.getCoins({ owner }), supply: ledger.supply() }
  await ledger.close()
  await appendFile(file, '{"faucet":{"owner":"0x')
  ledger = await startIotaLedger({ logger: silent, file })
  t.after(() => ledger.close())
  const client = new IotaClient({ url: ledger.url })
  const now = { identifier: ledger.chainIdentifier, coins: await client.getCoins({ owner }), supply: ledger.supply() }
  assert.deepEqual(now, before)
  assert.equal((await client.getTransactionBlock({ digest })).digest, digest)
  await ledger.mint(owner, 1n)
  for (const line of (await readFile(file, 'utf8')).trim().split('\n')) JSON.parse(line)
})

test('money is neither made nor lost, whatever is split, merged and sent: only computation is burnt', async (t) => {
  const ledger = await startIotaLedger({ logger: silent })
  t.after(() => ledger.close())
  const client = new IotaClient({ url: ledger.url })
  const people = Array.from({ length: 3 }, () => new Ed25519Keypair())
  for (const person of people) await ledger.mint(person.toIotaAddress(), IOTA)
  let burnt = 0n
  const start = ledger.supply()
  const step = fc.record({
    who: fc.nat(2),
    to: fc.nat(2),
    amounts: fc.array(fc.bigInt(0n, 2n * IOTA), { minLength: 1, maxLength: 4 })
  })
  await fc.assert(
    fc.asyncProperty(step, async ({ who, to, amounts }) => {
      const transaction = new Transaction()
      const parts = transaction.splitCoins(transaction.gas, amounts)
      const target = (people[to] as Ed25519Keypair).toIotaAddress()
      for (const index of amounts.keys()) transaction.transferObjects([parts[index] as never], target)
      transaction.setGasBudget(20_000_000)
      try {
        const signer = people[who] as Ed25519Keypair
        await client.signAndExecuteTransaction({ signer, transaction })
        burnt += COMPUTATION
      } catch (error) {
        assert.match(String(error), /balance|coins/i)
      }
      assert.equal(ledger.supply() + burnt, start)
    }),
    { numRuns: 40 }
  )
  assert.ok(burnt > 0n)
})

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { IotaClient } from '@iota/iota-sdk/client'
import { requestIotaFromFaucetV0 } from '@iota/iota-sdk/faucet'
import { Ed25519Keypair } from '@iota/iota-sdk/keypairs/ed25519'
import { Transaction } from '@iota/iota-sdk/transactions'
import { type IotaLedger, type IotaLedgerInit, startIotaLedger } from '../../../src/iota-ledger/index.ts'
import { silent } from '../../support/sdpp.ts'
import { tempDir } from '../../support/temp-dir.ts'

const ONE_IOTA = 1_000_000_000n
const OTHER = `0x${'33'.repeat(32)}`
const CHILD = fileURLToPath(new URL('./fixtures/ledger-process.ts', import.meta.url))

const signer = new Ed25519Keypair()
const owner = signer.toIotaAddress()

async function start(t: TestContext, init: Partial<IotaLedgerInit>): Promise<IotaLedger> {
  const ledger = await startIotaLedger({ logger: silent, ...init })
  t.after(() => ledger.close().catch(() => {}))
  return ledger
}

async function stateOf(ledger: IotaLedger, digest: string) {
  const client = new IotaClient({ url: ledger.url })
  const options = { showEffects: true, showRawEffects: true, showInput: true, showBalanceChanges: true }
  return {
    identifier: ledger.chainIdentifier,
    supply: ledger.supply(),
    mine: await client.getAllCoins({ owner }),
    theirs: await client.getAllCoins({ owner: OTHER }),
    transaction: await client.getTransactionBlock({ digest, options })
  }
}

const payment = (amount: bigint): Transaction => {
  const transaction = new Transaction()
  transaction.transferObjects([transaction.splitCoins(transaction.gas, [amount])], OTHER)
  return transaction
}

test('a ledger that starts again is the same, in a later epoch too', async (t) => {
  const file = join(await tempDir(t), 'ledger.jsonl')
  const first = await start(t, { file, epochMs: 50 })
  await first.mint(owner, ONE_IOTA)
  await new Promise((resolve) => setTimeout(resolve, 60))
  const client = new IotaClient({ url: first.url })
  const transaction = payment(5n)
  transaction.setExpiration({ Epoch: 100_000 })
  const { digest } = await client.signAndExecuteTransaction({ signer, transaction })
  const before = await stateOf(first, digest)
  assert.notEqual(before.transaction.effects?.executedEpoch, '0')
  await first.close()
  await appendFile(file, '{"transaction":"AAAA')
  const second = await start(t, { file, epochMs: 1 })
  assert.deepEqual(await stateOf(second, digest), before)
  await second.mint(owner, 1n)
  for (const line of (await readFile(file, 'utf8')).trim().split('\n')) JSON.parse(line)
})

test('what is given at the same time has the same IDs after a restart', async (t) => {
  const file = join(await tempDir(t), 'ledger.jsonl')
  const first = await start(t, { file })
  const owners = Array.from({ length: 40 }, (_, index) => `0x${`${index + 1}`.padStart(64, '0')}`)
  const ids = await Promise.all(owners.map((to) => first.mint(to, 7n)))
  await first.close()
  const client = new IotaClient({ url: (await start(t, { file })).url })
  for (const [index, id] of ids.entries()) {
    const { data } = await client.getObject({ id, options: { showOwner: true } })
    assert.deepEqual(data?.owner, { AddressOwner: owners[index] })
  }
})

test('signed nonsense is answered, and the ledger can be opened afterwards', async (t) => {
  const file = join(await tempDir(t), 'ledger.jsonl')
  const ledger = await start(t, { file })
  await ledger.mint(owner, ONE_IOTA)
  await assert.rejects(ledger.mint(owner, 2n ** 64n), RangeError)
  await assert.rejects(ledger.mint(owner, -1n), RangeError)
  const client = new IotaClient({ url: ledger.url })
  const shortAmount = new Transaction()
  const part = shortAmount.splitCoins(shortAmount.gas, [shortAmount.pure(Uint8Array.of(1))])
  shortAmount.transferObjects([part], owner)
  const shortAddress = new Transaction()
  shortAddress.transferObjects([shortAddress.gas], shortAddress.pure(Uint8Array.of(1, 2)))
  for (const transaction of [shortAmount, shortAddress]) {
    transaction.setGasBudget(5_000_000)
    const options = { showEffects: true }
    const { effects } = await client.signAndExecuteTransaction({ signer, transaction, options })
    assert.match(effects?.status.error ?? '', /InvalidBCSBytes/)
  }
  const dear = payment(1n)
  dear.setGasPrice(10n ** 12n)
  dear.setGasBudget(5_000_000)
  await assert.rejects(client.signAndExecuteTransaction({ signer, transaction: dear }), /Gas price cannot exceed/)
  const supply = ledger.supply()
  await ledger.close()
  assert.equal((await start(t, { file })).supply(), supply)
})

test('a file that is no ledger stays as it is', async (t) => {
  const file = join(await tempDir(t), 'notes.txt')
  for (const text of [
    'my notes',
    '{"network":"ab","startedAt":1}\n5\n',
    '{"network":"ab"}\n{"faucet":{"owner":"x"}}\n'
  ]) {
    await writeFile(file, text)
    await assert.rejects(startIotaLedger({ logger: silent, file }), { code: 'config' })
    assert.equal(await readFile(file, 'utf8'), text)
  }
})

test('a ledger that is killed has everything that it answered', async (t) => {
  const file = join(await tempDir(t), 'ledger.jsonl')
  const child = spawn(process.execPath, [CHILD, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const url = await firstLine(child)
  const client = new IotaClient({ url })
  const payers = Array.from({ length: 4 }, () => new Ed25519Keypair())
  const digests: string[] = []
  const pay = async (payer: Ed25519Keypair): Promise<void> => {
    await requestIotaFromFaucetV0({ host: url, recipient: payer.toIotaAddress() })
    for (;;) {
      digests.push((await client.signAndExecuteTransaction({ signer: payer, transaction: payment(1n) })).digest)
    }
  }
  const paying = payers.map((payer) => assert.rejects(pay(payer)))
  while (digests.length < 12) await new Promise((resolve) => setTimeout(resolve, 5))
  child.kill('SIGKILL')
  await Promise.all([...paying, once(child, 'exit')])
  const again = new IotaClient({ url: (await start(t, { file })).url })
  const known = await again.multiGetTransactionBlocks({ digests, options: { showEffects: true } })
  assert.ok(known.every(({ effects }) => effects?.status.status === 'success'))
  const { totalBalance } = await again.getBalance({ owner: OTHER })
  assert.ok(Number(totalBalance) - digests.length <= payers.length, 'at most one unanswered payment of each')
})

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  let text = ''
  for await (const part of stdout ?? []) {
    text += String(part)
    if (text.includes('\n')) break
  }
  return text.trim()
}

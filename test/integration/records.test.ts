import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectChain, parseProfile, startLocalChain } from '../../src/chain/index.ts'
import { createRecorder, eventMedium } from '../../src/evidence/index.ts'
import type { EventLedger, Hex, RecordedDigest } from '../../src/interface/index.ts'
import { openLedger } from '../../src/storage/index.ts'
import { tempDir } from '../support/temp-dir.ts'
import { accountAt, bytes32, entry, eventually, silent, startMarket } from './chain-fixture.ts'

const NO_STORE = { get: async () => undefined }

function digestOf(number: number): Uint8Array {
  return Buffer.from(bytes32(number).slice(2), 'hex')
}

function recordsOf({ records }: { records: EventLedger | undefined }): EventLedger {
  assert.ok(records)
  return records
}

test('a thousand digests are one transaction, and anybody can look each up', async (t) => {
  const { profile, connectAs, accounts, rpc } = await startMarket(t)
  const medium = eventMedium({ ledger: recordsOf(await connectAs(1)), store: NO_STORE })
  const account = accountAt(accounts, 1).address
  const records = await medium.record(Array.from({ length: 1000 }, (_, i) => digestOf(i + 1)))
  assert.equal(await rpc('eth_getTransactionCount', [account, 'latest']), '0x1')
  const [first] = records as [RecordedDigest]
  const { blockNumber, gasUsed } = await rpc<{ blockNumber: Hex; gasUsed: Hex }>('eth_getTransactionReceipt', [
    first.transaction
  ])
  const { timestamp } = await rpc<{ timestamp: Hex }>('eth_getBlockByNumber', [blockNumber, false])
  assert.deepEqual(
    [first.network, first.by, first.count, first.at],
    ['eip155:31337', account, 1000, Number(timestamp) * 1000]
  )
  assert.ok(Number(gasUsed) < 25_000, `${Number(gasUsed)} gas`)

  const reader = await connectChain({ profile, logger: silent })
  t.after(() => reader.close())
  const ledger = recordsOf(reader)
  assert.equal(ledger.account, undefined)
  await assert.rejects(ledger.emit(bytes32(1), 1), { code: 'config', message: /needs a wallet/ })
  const stranger = eventMedium({ ledger, store: NO_STORE })
  for (const record of records.slice(0, 10)) assert.equal(await stranger.verify(record), undefined)
  assert.match((await stranger.verify({ ...first, at: first.at + 1000 })) ?? '', /recorded at/)
  assert.match((await stranger.verify({ ...first, transaction: bytes32(7) })) ?? '', /has no such transaction/)
  assert.match((await stranger.verify({ ...first, transaction: 'latest' })) ?? '', /has no such transaction/)
})

test('a transaction that records nothing, or is not final, is no record', async (t) => {
  const { connectAs, rpc } = await startMarket(t)
  const { registry, records } = await connectAs(1)
  assert.ok(records)
  const { hash } = await registry.post(entry(1))
  assert.deepEqual((await records.read(hash))?.events, [])
  const { transaction } = await records.emit(bytes32(5), 1)
  const deep = recordsOf(await connectAs(2, { confirmations: 2 }))
  assert.equal(await deep.read(transaction), undefined)
  await rpc('anvil_mine', ['0x2'])
  assert.equal((await deep.read(transaction))?.events[0]?.root, bytes32(5))
})

test('a reorg takes a record back, and the queue brings it to the chain again', async (t) => {
  const { connectAs, rpc } = await startMarket(t)
  const records = recordsOf(await connectAs(1, { confirmations: 2 }))
  const recording = records.emit(bytes32(9), 1)
  await eventually('the transaction is mined', async () =>
    (await rpc<Hex>('eth_getTransactionCount', [records.account, 'latest'])) === '0x1' ? true : undefined
  )
  await rpc('anvil_mine', ['0x1'])
  await rpc('anvil_reorg', [2, []])
  await eventually('the transaction is mined again', async () => {
    await rpc('anvil_mine', ['0x1'])
    return (await rpc<Hex>('eth_getTransactionCount', [records.account, 'latest'])) === '0x1' ? true : undefined
  })
  await rpc('anvil_mine', ['0x2'])
  const { transaction, at } = await recording
  const { at: read, events } = (await records.read(transaction)) ?? { at: 0, events: [] }
  assert.deepEqual([read, events.length], [at, 1])
})

test('a recorder goes on where it was when the chain was away', async (t) => {
  const statePath = join(await tempDir(t), 'state')
  const { local, connectAs, accounts } = await startMarket(t, { statePath })
  const chain = await connectAs(1)
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  const medium = eventMedium({ ledger: recordsOf(chain), store: ledger.records })
  const recorder = createRecorder({ policy: 'session', backoff: 20 }, { medium, store: ledger.records, logger: silent })
  t.after(() => recorder.stop())
  recorder.start()
  const statements = [1, 2, 3].map((number) => ({ kind: 'invoice', digest: digestOf(number) }) as const)
  await recorder.note({ session: 'a', statements, ended: true })
  const record = await eventually('it is recorded', () => medium.find(digestOf(2)))
  assert.deepEqual([record.by, record.count], [accountAt(accounts, 1).address, 3])
  assert.equal(await medium.verify(record), undefined)
  await local.close()
  await recorder.note({ session: 'b', statements: [{ kind: 'order', digest: digestOf(4) }], ended: true })
  await assert.rejects(medium.verify(record), { code: 'unreachable' })
  assert.equal((await ledger.records.pending()).length, 1)
  const again = await startLocalChain({ port: local.port, statePath })
  t.after(() => again.close())
  const late = await eventually('the rest is recorded', () => medium.find(digestOf(4)))
  assert.equal(await medium.verify(late), undefined)
  assert.equal(await medium.verify(record), undefined)
})

test('a profile without the contract is valid, and has no records medium', async (t) => {
  const { profile, accounts } = await startMarket(t)
  const { records: _, ...contracts } = profile.contracts
  const chain = await connectChain({ profile: parseProfile({ ...profile, contracts }), logger: silent })
  t.after(() => chain.close())
  assert.equal(chain.records, undefined)
  const wrong = { ...profile, contracts: { ...contracts, records: accountAt(accounts, 5).address } }
  await assert.rejects(connectChain({ profile: wrong, logger: silent }), {
    code: 'networkMismatch',
    message: /names the records contract 0x[0-9a-f]{40}, but there is no contract/
  })
})

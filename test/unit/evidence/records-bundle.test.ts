import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoMedium, verifyBundle } from '../../../src/evidence/index.ts'
import { DdmError, type RecordedDigest, type SignedStatement } from '../../../src/interface/index.ts'
import { sha256 } from '../../../src/statements/index.ts'
import { JUDGES, type Lie, makeBundle, makePeople } from './bundle.ts'
import { digestOf, memoryMemoLedger, NO_STORE } from './records-ledger.ts'

const people = await makePeople()
const RECORDED = ['order', 'invoice', 'receipt']
const NETWORK = 'iota:6364aad5'

/** The statements of the sale, recorded together with others. */
async function recordedSale(changed: (records: RecordedDigest[]) => RecordedDigest[] = (records) => records) {
  const medium = memoMedium({ ledger: memoryMemoLedger(), store: NO_STORE })
  let digests: Uint8Array[] = []
  const statements = (list: SignedStatement[]): SignedStatement[] => {
    digests = list.filter(({ kind }) => RECORDED.includes(kind)).map(({ payload }) => sha256(payload))
    return list
  }
  await makeBundle(people, { statements })
  const records = changed(await medium.record([digestOf(1), ...digests, digestOf(2)]))
  return { medium, file: await makeBundle(people, { recorded: () => records }), records }
}

test('a bundle without records has none, and none in the file', async () => {
  const bare = await makeBundle(people)
  assert.deepEqual(await makeBundle(people, { recorded: () => [] }), bare)
  assert.deepEqual((await verifyBundle(bare, { ...JUDGES, onLedger: new Map() })).recorded, [])
})

test('what was recorded is shown, and nothing of others; the ledger is asked only when one is given', async () => {
  const { medium, file, records } = await recordedSale()
  const offline = await verifyBundle(file, JUDGES)
  assert.deepEqual(
    offline.recorded.map(({ kind, found, transaction, at }) => [kind, found, transaction, at]),
    RECORDED.map((kind) => [kind, undefined, 'tx0', records[0]?.at])
  )
  const { recorded } = await verifyBundle(file, { ...JUDGES, onLedger: new Map([[NETWORK, medium]]) })
  assert.deepEqual(
    recorded.map(({ kind, found, problem }) => [kind, found, problem]),
    RECORDED.map((kind) => [kind, true, undefined])
  )
})

test('a ledger that says otherwise, is away or unknown is a finding, not the end of the rest', async () => {
  const { file } = await recordedSale()
  const empty = memoMedium({ ledger: memoryMemoLedger(), store: NO_STORE })
  const away = { verify: () => Promise.reject(new DdmError('unreachable', 'the ledger does not answer')) }
  const cases = [
    [new Map([[NETWORK, empty]]), `${NETWORK} has no such transaction`],
    [new Map([[NETWORK, away]]), 'the ledger does not answer'],
    [new Map(), `no ledger of ${NETWORK} is known here`]
  ] as const
  for (const [onLedger, problem] of cases) {
    const { recorded, complete } = await verifyBundle(file, { ...JUDGES, onLedger })
    assert.deepEqual([complete, ...recorded.map(({ found }) => found)], [true, false, false, false])
    assert.equal(recorded[0]?.problem, problem)
  }
  const stopped = { verify: () => Promise.reject(new DdmError('aborted', 'stopped')) }
  await assert.rejects(verifyBundle(file, { ...JUDGES, onLedger: new Map([[NETWORK, stopped]]) }), { code: 'aborted' })
})

test('a path that does not lead to its root is no evidence', async () => {
  const lies: Array<[(record: RecordedDigest) => RecordedDigest, RegExp]> = [
    [(record) => ({ ...record, root: digestOf(3) }), /recorded 0 → proof: .* does not lead to its root/],
    [(record) => ({ ...record, index: 0 }), /recorded 0 → proof/],
    [(record) => ({ ...record, index: 9 }), /recorded 0 → index: expected one of 5, found 9/],
    [(record) => ({ ...record, at: 9e15 }), /recorded 0 → at: expected at most 8640000000000000/],
    [(record) => ({ ...record, count: 2 ** 33 }), /recorded 0 → count/],
    [(record) => ({ ...record, proof: [] }), /recorded 0 → proof/]
  ]
  for (const [lie, message] of lies) {
    const { file } = await recordedSale((records) => records.map(lie))
    await assert.rejects(verifyBundle(file, JUDGES), { code: 'evidence', message })
  }
})

test('a record of something else than the session is refused', async () => {
  const recorded: Lie['recorded'] = () => [
    { digest: digestOf(1), medium: 'iota', network: NETWORK, transaction: 'tx0', by: '0xa1', at: 0, index: 0, count: 1 }
  ]
  const file = await makeBundle(people, { raw: true, recorded })
  await assert.rejects(verifyBundle(file, JUDGES), {
    code: 'evidence',
    message: /recorded 0 → digest: expected that of one of its order, invoice, receipt statements, found 0x0000/
  })
})

test('a statement is recorded once: the same digest twice is refused', async () => {
  const { file } = await recordedSale((records) => [...records, ...records.slice(1, 2)])
  await assert.rejects(verifyBundle(file, JUDGES), {
    code: 'evidence',
    message: /^recorded 3 → digest: expected another than before, found 0x/
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMemo, encodeMemo, eventMedium, memoMedium, NO_MEDIUM } from '../../../src/evidence/index.ts'
import { MAX_BATCH } from '../../../src/evidence/records/medium.ts'
import type { RecordedDigest, RecordsMedium } from '../../../src/interface/index.ts'
import { digestOf, memoryEventLedger, memoryMemoLedger, NO_STORE } from './records-ledger.ts'

function media(): Array<{ medium: RecordsMedium; written: unknown[] }> {
  const [memos, events] = [memoryMemoLedger(), memoryEventLedger()]
  return [
    { medium: memoMedium({ ledger: memos, store: NO_STORE }), written: memos.written },
    { medium: eventMedium({ ledger: events, store: NO_STORE }), written: events.written }
  ]
}

test('a thousand digests are one transaction, and each is found in it', async () => {
  for (const { medium, written } of media()) {
    const digests = Array.from({ length: 1000 }, (_, i) => digestOf(i))
    const records = await medium.record([...digests, digestOf(7)])
    assert.equal(written.length, 1)
    assert.deepEqual(
      records.map(({ digest }) => digest),
      digests
    )
    for (const record of records) assert.equal(await medium.verify(record), undefined)
  }
})

test('one digest stands there itself', async () => {
  const memos = memoryMemoLedger()
  const [record] = await memoMedium({ ledger: memos, store: NO_STORE }).record([digestOf(9)])
  assert.ok(record)
  assert.deepEqual(record, {
    digest: digestOf(9),
    medium: 'iota',
    network: 'iota:6364aad5',
    transaction: 'tx0',
    by: '0xa1',
    at: Date.UTC(2026, 0, 10),
    index: 0,
    count: 1
  })
  assert.equal(Buffer.from(memos.written[0]?.memos[1] ?? []).toString('hex'), `44444d3100${'00'.repeat(31)}0900000001`)
  const events = memoryEventLedger()
  await eventMedium({ ledger: events, store: NO_STORE }).record([digestOf(9)])
  assert.deepEqual(events.written[0]?.events, [{ sender: '0xa1', root: `0x${'00'.repeat(31)}09`, count: 1 }])
})

test('nothing is written for nothing, and not more than a transaction takes', async () => {
  for (const { medium, written } of media()) {
    assert.deepEqual(await medium.record([]), [])
    const many = Array.from({ length: MAX_BATCH + 1 }, (_, i) => digestOf(i))
    await assert.rejects(medium.record(many), { code: 'internal', message: /65537 digests/ })
    await assert.rejects(medium.record([new Uint8Array(31)]), { code: 'internal', message: /31 bytes/ })
    assert.equal(written.length, 0)
  }
})

test('whatever a record says otherwise than the ledger is named', async () => {
  for (const { medium } of media()) {
    const [record, sibling] = (await medium.record([digestOf(1), digestOf(2), digestOf(3)])) as [
      RecordedDigest,
      RecordedDigest
    ]
    const [other] = (await medium.record([digestOf(4), digestOf(5)])) as [RecordedDigest]
    const name = record.medium
    const { root: _root, proof: _proof, ...bare } = record
    const lies: Array<[RecordedDigest, RegExp]> = [
      [{ ...record, medium: name === 'evm' ? 'iota' : 'evm' }, /recorded on (evm|iota), not on/],
      [{ ...record, network: 'eip155:1' }, /recorded on eip155:1, not on/],
      [{ ...record, transaction: 'tx77' }, /has no such transaction/],
      [{ ...record, transaction: '' }, /has no such transaction/],
      [{ ...record, transaction: other.transaction }, /records something else/],
      [{ ...record, by: '0xb2' }, /recorded by 0xa1, not by 0xb2/],
      [{ ...record, at: record.at + 1 }, /recorded at 2026-01-10T00:00:00.000Z, not at 2026-01-10T00:00:00.001Z/],
      [{ ...record, at: Number.MAX_VALUE }, /not at 1.79/],
      [{ ...record, digest: digestOf(8) }, /does not lead to its root/],
      [{ ...record, digest: new Uint8Array(31) }, /31 bytes/],
      [{ ...record, index: 1 }, /does not lead to its root/],
      [{ ...record, index: 7 }, /does not lead to its root/],
      [{ ...record, proof: sibling.proof as Uint8Array[] }, /does not lead to its root/],
      [{ ...record, root: digestOf(1) }, /does not lead to its root/],
      [bare, /digest 0 of 3 without a Merkle path/],
      [{ ...bare, count: 1 }, /records something else/],
      [{ ...record, count: 1 }, /2 digests or more/]
    ]
    for (const [lie, problem] of lies) assert.match((await medium.verify(lie)) ?? 'found', problem)
  }
  // The path of the last leaf fits trees of several sizes; the ledger knows how many there were.
  for (const { medium } of media()) {
    const last = (await medium.record([1, 2, 3].map(digestOf)))[2] as RecordedDigest
    assert.equal(await medium.verify(last), undefined)
    assert.match((await medium.verify({ ...last, index: 4, count: 5 })) ?? '', /records something else/)
  }
})

test('without a medium nothing is recorded, and nothing is said to be', async () => {
  assert.deepEqual(await NO_MEDIUM.record([digestOf(1)]), [])
  assert.equal(await NO_MEDIUM.find(digestOf(1)), undefined)
  const [record] = (await media()[0]?.medium.record([digestOf(1)])) ?? []
  assert.match((await NO_MEDIUM.verify(record as RecordedDigest)) ?? '', /nothing here asks iota/)
})

test('a memo reads back, and anything else is no memo of ours', () => {
  const root = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const batch = fc.record({ root, count: fc.integer({ min: 1, max: 2 ** 32 - 1 }) }, { noNullPrototype: true })
  fc.assert(fc.property(batch, (one) => assert.deepEqual(decodeMemo(encodeMemo(one)), one)))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => assert.equal(decodeMemo(bytes), undefined)))
  const memo = encodeMemo({ root: digestOf(1), count: 2 })
  assert.equal(decodeMemo(memo.with(4, 0)), undefined, 'a digest of two')
  assert.equal(decodeMemo(memo.with(4, 2)), undefined, 'another kind')
  assert.equal(decodeMemo(memo.with(3, 0x32)), undefined, 'another version')
  assert.equal(decodeMemo(encodeMemo({ root: digestOf(1), count: 0 })), undefined)
  const inside = new Uint8Array(100)
  inside.set(memo, 11)
  assert.deepEqual(decodeMemo(inside.subarray(11, 52)), { root: digestOf(1), count: 2 }, 'a view of a larger buffer')
})

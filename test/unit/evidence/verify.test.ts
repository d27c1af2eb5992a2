import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { verifyBundle } from '../../../src/evidence/index.ts'
import { DdmError } from '../../../src/interface/index.ts'
import { BASE, ESCROW, FREE, JUDGES, makeBundle, makePeople, PER_KIB, type People } from './bundle.ts'
import { LIES } from './lies.ts'

let people: People
before(async () => {
  people = await makePeople()
})

test('a good bundle verifies from its bytes alone', async () => {
  const shown = await verifyBundle(await makeBundle(people), JUDGES)
  assert.equal(shown.records, 600n)
  assert.equal(shown.due, 60_000n)
  assert.equal(shown.credited, 60_000n)
  assert.equal(shown.buyer, people.buyer.peerId)
  assert.equal(shown.seller, people.seller.peerId)
  assert.equal(shown.title, 'Records of a test')
  assert.equal(shown.escrow, ESCROW)
  assert.equal(shown.network, 'eip155:31337')
  assert.equal(shown.acknowledged, true)
  assert.equal(shown.statements, 6)
  assert.deepEqual([shown.complete, shown.transcript, shown.unpaid, shown.start], [true, true, 0n, 40n])
  assert.deepEqual(shown.price, { amount: 100n, count: 1n, unit: 'record' })
  assert.deepEqual([shown.violation, shown.bytes, shown.base], [undefined, 4_800n, BASE])
  assert.equal(shown.voucher?.maxClaimableAmount, BASE + 60_000n)
})

test('free records, a price per KiB, money left over and a missing acknowledgement are no fault', async () => {
  const free = { freeRange: { from: 0, to: 140 } }
  const shown = await verifyBundle(
    await makeBundle(people, {
      document: free,
      offer: { free: { from: 0n, to: 140n } },
      invoice: { due: 50_000n },
      receipt: { due: 50_000n, unused: 10_000n },
      statements: (statements) => statements.filter(({ kind }) => kind !== 'receipt-ack')
    }),
    JUDGES
  )
  assert.deepEqual([shown.due, shown.unused, shown.acknowledged], [50_000n, 10_000n, false])
  const perKib = await verifyBundle(await makeBundle(people, PER_KIB), JUDGES)
  assert.equal(perKib.due, 157n)
})

test('a session on the free rail verifies without a voucher', async () => {
  const shown = await verifyBundle(await makeBundle(people, FREE), {
    verifyVoucher: () => assert.fail('there is no voucher to verify'),
    verifyChannel: () => assert.fail('there is no channel to verify'),
    verifyAccount: () => assert.fail('there is no account to verify'),
    validate: () => assert.fail('there is no record to check')
  })
  assert.deepEqual([shown.due, shown.payer], [0n, undefined])
})

for (const [name, [link, lie]] of Object.entries(LIES)) {
  test(`refused, and the first wrong link named: ${name}`, async () => {
    const file = await makeBundle(people, lie(people))
    await assert.rejects(verifyBundle(file, JUDGES), (error) => {
      assert.ok(error instanceof DdmError, String(error))
      assert.equal(error.code, 'evidence')
      assert.match(error.message, link)
      return true
    })
  })
}

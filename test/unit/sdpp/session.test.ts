import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLOSE_REASON } from '../../../src/protocols/sdpp/index.ts'
import { buyFrom, countingPayer, jsonRecords, makePair } from '../../support/sdpp.ts'

test('a finite product is sold whole: every record once, due = paid, receipt and acknowledgement on both sides', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(1000))
  await pair.log.finish()
  const payer = countingPayer()
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 10n ** 9n }
  const { buyer, sellerDone } = await buyFrom(pair, { wish }, payer)
  const seen: bigint[] = []
  for await (const batch of buyer.batches()) for (const record of batch) seen.push(record.offset)
  const outcome = await buyer.done
  await sellerDone
  assert.deepEqual(
    seen,
    Array.from({ length: 1000 }, (_, i) => BigInt(i))
  )
  assert.equal(outcome.due, 100_000n)
  assert.equal(outcome.paid, 100_000n)
  assert.equal(outcome.credited, 100_000n)
  assert.equal(outcome.reason, CLOSE_REASON.sourceEnded)
  for (const [ledger, role] of [
    [pair.sellerLedger, 'seller'],
    [pair.buyerLedger, 'buyer']
  ] as const) {
    const statements = await ledger.sessions.statements(outcome.id, role)
    assert.deepEqual(statements.map(({ kind }) => kind).sort(), [
      'accept',
      'invoice',
      'offer',
      'order',
      'receipt',
      'receipt-ack'
    ])
  }
})

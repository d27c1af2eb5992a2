import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Payer, PayerSession } from '../../../src/interface/index.ts'
import { readSession, STATUS } from '../../../src/protocols/sdpp/index.ts'
import type { CheckedStatement } from '../../../src/statements/index.ts'
import { countingPayer, jsonRecords, makeBuyer, makePair, openStreams, until, voucher } from '../../support/sdpp.ts'
import { RawSeller } from '../../support/sdpp-raw.ts'

/** A buyer's ledger was put back: its seller has been paid more than it knows of. */

const wish = { from: { offset: 0n }, prepay: 0n, maximum: 10n ** 9n }

/** 3 records of 100 are paid, the stream is lost, and the session goes on from its beginning with a payer that knows of 100. */
async function putBack(t: TestContext, learnt: bigint) {
  const pair = await makePair(t)
  const [outbound, inbound] = await openStreams()
  const seller = new RawSeller(pair, inbound)
  const first = makeBuyer(pair, outbound, { wish })
  const opened = first.open()
  await seller.begin({ base: 0n })
  await opened
  seller.data(jsonRecords(3))
  seller.invoice()
  await until('it is paid', () => first.status.paid === 300n)
  inbound.abort(new Error('cable cut'))
  await assert.rejects(first.done)
  const stored = await readSession(pair.buyerLedger.sessions, String(first.status.id), 'buyer')
  assert.ok(stored !== undefined)

  let known = 100n
  const paid: bigint[] = []
  const session: PayerSession = {
    order: { rail: 'evm' },
    channelId: `0x${'11'.repeat(32)}`,
    get paid() {
      return known
    },
    payload: voucher(100n),
    begin: async () => {},
    // The voucher that the seller shows was made by this side.
    accept: async () => {
      await sleep(5)
      known = learnt
    },
    pay: async (sessionPaid) => {
      paid.push(sessionPaid)
      return voucher(sessionPaid)
    },
    suspend: async () => {},
    end: async () => {}
  }
  const payer: Payer = { ...countingPayer(), resume: async () => session }
  const [second, inbound2] = await openStreams()
  t.after(() => inbound2.abort(new Error('the test is over')))
  const buyer = makeBuyer(pair, second, { wish, resume: { stored } }, { payer })
  const accepted = buyer.open()
  accepted.catch(() => {})
  const again = new RawSeller(pair, inbound2)
  await again.next('RESUME')
  again.offered = seller.offered
  again.ordered = seller.ordered as CheckedStatement<'order'>
  await again.accept({ base: 0n, credited: 300n, proof: voucher(300n) })
  again.invoice({ credited: 300n })
  return { buyer, accepted, again, paid }
}

test('a buyer goes on with a seller that shows what it has signed and does not know any more', async (t) => {
  const { buyer, accepted, again, paid } = await putBack(t, 300n)
  await accepted
  again.data(jsonRecords(3))
  again.data(jsonRecords(2))
  again.invoice({ credited: 300n })
  const { content } = await again.next('PAYMENT')
  assert.equal(content.sessionPaid, 500n)
  assert.deepEqual(paid, [500n])
  assert.equal(buyer.status.phase, 'streaming')
})

test('what a seller only says that it was paid counts for nothing', async (t) => {
  const { buyer, again, paid } = await putBack(t, 100n)
  assert.equal(await again.status(), STATUS.accountMismatch)
  await assert.rejects(buyer.done)
  assert.deepEqual(paid, [])
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as dagJson from '@ipld/dag-json'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { exportBundle, type VerifiedBundle, verifyBundle } from '../../../src/evidence/index.ts'
import type { SessionRole, Violation } from '../../../src/interface/index.ts'
import { freePayee, freePayer } from '../../../src/payments/index.ts'
import { CLOSE_REASON, readSession } from '../../../src/protocols/sdpp/index.ts'
import { sha256 } from '../../../src/statements/index.ts'
import { buyFrom, jsonRecords, makeBuyer, makePair, openStreams, type Pair, serve, until } from '../../support/sdpp.ts'
import { validate } from './bundle.ts'

/** What real sessions leave in both ledgers, exported and verified. The free rail: no chain is needed for the rest. */

const PRICE = { amount: '0', count: 1, unit: 'record' } as const
const SCHEMA = { properties: { i: { maximum: 700 } } }
const JUDGES = {
  verifyVoucher: () => assert.fail('there is no voucher'),
  verifyChannel: () => assert.fail('there is no channel'),
  verifyAccount: () => false,
  validate
}

async function freePair(t: TestContext): Promise<Pair & { listingBytes: Uint8Array }> {
  const pair = await makePair(t, {
    price: PRICE,
    payee: freePayee(),
    credit: 0n,
    document: { payment: [{ rail: 'free', price: PRICE }], schema: { encoding: 'json', jsonSchema: SCHEMA } }
  })
  const listingBytes = dagJson.encode(pair.listing.document)
  pair.listing.cid = CID.createV1(0x0129, Digest.create(0x12, sha256(listingBytes))).toString()
  return { ...pair, listingBytes }
}

async function evidenceOf(
  pair: Pair & { listingBytes: Uint8Array },
  id: string,
  role: SessionRole,
  violation?: Violation
): Promise<VerifiedBundle> {
  const { sessions } = role === 'buyer' ? pair.buyerLedger : pair.sellerLedger
  const session = await sessions.get(id, role)
  assert.ok(session !== undefined)
  const [statements, parts] = await Promise.all([sessions.statements(id, role), sessions.parts(id, role)])
  const listing = { cid: pair.listing.cid, bytes: pair.listingBytes }
  return verifyBundle(exportBundle({ session, statements, parts, listing, violation }), JUDGES)
}

const ROLES = ['buyer', 'seller'] as const
const wish = { from: { offset: 0n }, prepay: 0n, maximum: 0n }

test('a session to its end', async (t) => {
  const pair = await freePair(t)
  await pair.log.append(jsonRecords(1_000))
  await pair.log.finish()
  const { buyer, sellerDone } = await buyFrom(pair, { wish }, freePayer())
  for await (const _ of buyer.batches());
  const { id } = await buyer.done
  await sellerDone
  for (const role of ROLES) {
    const { complete, records, transcript, acknowledged, due } = await evidenceOf(pair, id, role)
    assert.deepEqual(
      { complete, records, transcript, acknowledged, due },
      {
        complete: true,
        records: 1_000n,
        transcript: true,
        acknowledged: true,
        due: 0n
      }
    )
  }
})

test('a session that was cut, and the same one resumed', async (t) => {
  const pair = await freePair(t)
  await pair.log.append(jsonRecords(700))
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const buyer = makeBuyer(pair, outbound, { wish: { ...wish, quantity: 1_000n, k: 10n } }, { payer: freePayer() })
  await buyer.open()
  const reading = (async () => {
    for await (const _ of buyer.batches());
  })()
  await until('an invoice says what was sent', () => buyer.status.handled === 700n && buyer.status.invoices > 0)
  outbound.abort(new Error('cut'))
  await assert.rejects(reading)
  await Promise.allSettled([buyer.done, done])
  const id = String(buyer.status.id)
  for (const role of ROLES) {
    const shown = await evidenceOf(pair, id, role)
    assert.deepEqual([shown.complete, shown.acknowledged, shown.reason], [false, false, undefined])
    assert.ok(shown.records <= 700n && shown.records >= 10n)
  }
  const stored = await readSession(pair.buyerLedger.sessions, id, 'buyer')
  assert.ok(stored !== undefined)
  await pair.log.append(jsonRecords(300, 700))
  const [again, served] = await openStreams()
  const second = serve(pair, served)
  const resumed = makeBuyer(pair, again, { wish, resume: { stored } }, { payer: freePayer() })
  await resumed.open()
  for await (const _ of resumed.batches());
  await resumed.done
  await second.done
  for (const role of ROLES) {
    const { complete, records, transcript } = await evidenceOf(pair, id, role)
    assert.deepEqual({ complete, records, transcript }, { complete: true, records: 1_000n, transcript: true })
  }
})

test('a record that breaks the schema ends the session, and the bundle shows it', async (t) => {
  const pair = await freePair(t)
  await pair.log.append(jsonRecords(1_000))
  const { buyer, sellerDone } = await buyFrom(pair, { wish }, freePayer())
  for await (const batch of buyer.batches())
    if (batch.first + BigInt(batch.length) > 701n) buyer.stop(CLOSE_REASON.schema)
  const { id } = await buyer.done
  await sellerDone
  const parts = await pair.buyerLedger.sessions.parts(id, 'buyer')
  const part = parts.find((one) => one.first + BigInt(one.count) > 701n)
  assert.ok(part !== undefined)
  const { first, count } = part
  const block = await pair.log.read(first)
  assert.equal(block?.count, count)
  const violation = { first, index: Number(701n - first), bytes: block.bytes, reason: 'as seen' }
  const shown = await evidenceOf(pair, id, 'buyer', violation)
  assert.deepEqual([shown.reason, shown.violation?.offset, shown.violation?.reason], [4, 701n, '/i must be <= 700'])
  await assert.rejects(evidenceOf(pair, id, 'buyer', { ...violation, index: violation.index - 1 }), /one that keeps it/)
})

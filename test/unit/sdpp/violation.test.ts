import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { createRecordValidator } from '../../../src/data/index.ts'
import { DdmError, type ListingPayment, type RecordValidator, splitRecords } from '../../../src/interface/index.ts'
import { type BuyerSession, CLOSE_REASON, type OrderWish, readSession } from '../../../src/protocols/sdpp/index.ts'
import { readAnyStatement, sha256, transcriptStart, transcriptStep } from '../../../src/statements/index.ts'
import {
  buyFrom,
  countingPayee,
  countingPayer,
  jsonRecords,
  makeBuyer,
  makePair,
  openStreams,
  type Pair,
  serve
} from '../../support/sdpp.ts'

/** A record that breaks the schema: what was before it is paid, it is not, and its proof is kept. */

const SCHEMA = { properties: { i: { type: 'integer' } } }
let validator: RecordValidator
before(async () => {
  validator = await createRecordValidator({ encoding: 'json', schema: SCHEMA })
})
after(() => validator.close())

const wish = (more: Partial<OrderWish> = {}): OrderWish => ({
  from: { offset: 0n },
  prepay: 0n,
  maximum: 10n ** 9n,
  ...more
})

const BAD = new TextEncoder().encode('{"i":"no number"}')

function withBad(count: number, at: number): Uint8Array[] {
  return jsonRecords(count).with(at, BAD)
}

async function consume(buyer: BuyerSession, seen: bigint[] = []): Promise<bigint[]> {
  for await (const batch of buyer.batches()) for (const { offset } of batch) seen.push(offset)
  return seen
}

const isViolation = (error: unknown): boolean => {
  assert.ok(error instanceof DdmError, String(error))
  assert.equal(error.code, 'schema')
  return true
}

/** What the buyer keeps proves it: the part is one of those that the seller signed, and holds the record. */
async function checkProof(pair: Pair, id: string, offset: bigint): Promise<void> {
  const { sessions } = pair.buyerLedger
  const [violation, parts, statements] = await Promise.all([
    sessions.violation(id, 'buyer'),
    sessions.parts(id, 'buyer'),
    sessions.statements(id, 'buyer')
  ])
  assert.ok(violation !== undefined, 'the violation is stored')
  const part = parts.find(({ first }) => first === violation.first)
  assert.ok(part !== undefined)
  assert.deepEqual(Buffer.from(part.digest), Buffer.from(sha256(violation.bytes)))
  assert.equal(violation.first + BigInt(violation.index), offset)
  assert.deepEqual(splitRecords(violation.bytes, part.count)[violation.index], BAD)
  assert.match(violation.reason, /^\/i must be integer$/)
  const receipt = statements.find(({ kind }) => kind === 'receipt')
  const order = statements.find(({ kind }) => kind === 'order')
  assert.ok(receipt !== undefined && order !== undefined)
  const { content } = readAnyStatement(receipt.payload, receipt.signature)
  const { link } = readAnyStatement(order.payload, order.signature)
  assert.ok('root' in content)
  const root = parts.reduce((c, one) => transcriptStep(c, one), transcriptStart(link.bytes))
  assert.deepEqual(Buffer.from(root), Buffer.from(content.root))
}

const RECORD = { amount: '100', count: 1, unit: 'record' } as const
const CASES: Array<[what: string, bad: number, price: ListingPayment['price'], wish: Partial<OrderWish>]> = [
  ['the first record', 0, RECORD, {}],
  ['the seventh', 6, RECORD, {}],
  ['one between two invoices', 203, RECORD, { k: 50n }],
  ['the last of a block', 255, RECORD, {}],
  ['the first of a block', 256, RECORD, { k: 1n }],
  ['the last of all', 999, RECORD, {}],
  ['one paid per KiB', 300, { amount: '5000', count: 1, unit: 'KiB' }, {}],
  ['one that is paid ahead', 40, RECORD, { prepay: 3_000n }]
]

for (const answering of ['newest', 'every'] as const) {
  for (const [what, bad, price, ordered] of CASES) {
    test(`${what} breaks the schema (${answering}): paid up to it, closed, receipt and proof kept`, async (t) => {
      const pair = await makePair(t, { price, credit: ordered.prepay === undefined ? 10_000n : 0n })
      await pair.log.append(withBad(1_000, bad))
      await pair.log.finish()
      const payer = countingPayer()
      const { buyer, sellerDone } = await buyFrom(pair, { wish: wish(ordered), validator, answering }, payer)
      const seen: bigint[] = []
      await assert.rejects(consume(buyer, seen), isViolation)
      await assert.rejects(buyer.done, isViolation)
      await sellerDone
      assert.deepEqual(
        seen,
        Array.from({ length: bad }, (_, i) => BigInt(i))
      )
      const { id } = buyer.status
      const bytes = jsonRecords(bad).reduce((sum, record) => sum + BigInt(record.length), 0n)
      const owed = price.unit === 'KiB' ? (bytes * 5_000n + 1_023n) / 1_024n : 100n * BigInt(bad)
      const paid = payer.paid.at(-1) ?? 0n
      assert.ok(paid >= owed && paid <= owed + (ordered.prepay ?? 0n), `${paid} paid of ${owed}`)
      if (ordered.prepay === undefined) assert.equal(paid, owed)
      await checkProof(pair, String(id), BigInt(bad))
      const records = await Promise.all([
        pair.buyerLedger.sessions.get(String(id), 'buyer'),
        pair.sellerLedger.sessions.get(String(id), 'seller')
      ])
      for (const record of records) assert.deepEqual([record?.state, record?.paid], ['closed', paid])
      assert.equal(records[0]?.position, BigInt(bad))
      const ended = (await readSession(pair.sellerLedger.sessions, String(id), 'seller'))?.receipt?.content
      assert.deepEqual([Number(ended?.reason), ended?.credited], [CLOSE_REASON.schema, paid])
      assert.ok(ended !== undefined && ended.n > BigInt(bad) && ended.due >= owed)
    })
  }
}

test('a seller that is owed something gives no refund: the session may be paid yet', async (t) => {
  for (const [records, isRefunded] of [
    [withBad(20, 19), false],
    [jsonRecords(20), true]
  ] as const) {
    const pair = await makePair(t, { credit: 100_000n, payee: countingPayee(10n ** 12n, { channelId: '0x0c' }) })
    await pair.log.append([...records])
    await pair.log.finish()
    const [outbound, inbound] = await openStreams()
    const { session, done } = serve(pair, inbound)
    const buyer = makeBuyer(pair, outbound, { wish: wish(), validator, refund: true })
    await buyer.open()
    await Promise.allSettled([consume(buyer), buyer.done])
    await done
    const { due, credited, refund } = session.status
    assert.deepEqual([due === credited, refund], [isRefunded, isRefunded ? '0x0c' : undefined])
  }
})

test('records that keep the schema are sold as without it, however they are cut', async (t) => {
  for (const credit of [200n, 100_000n]) {
    const pair = await makePair(t, { credit })
    await pair.log.append(jsonRecords(1_500))
    await pair.log.finish()
    const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ k: 7n }), validator })
    assert.equal((await consume(buyer)).length, 1_500)
    const { paid, credited } = await buyer.done
    await sellerDone
    assert.deepEqual([paid, credited], [150_000n, 150_000n])
    assert.equal(await pair.buyerLedger.sessions.violation(String(buyer.status.id), 'buyer'), undefined)
  }
})

test('a buyer that stopped learns of a bad record among those on their way: it is not paid', async (t) => {
  const pair = await makePair(t, { credit: 1_000_000n })
  await pair.log.append(withBad(1_000, 700))
  const payer = countingPayer()
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish({ k: 1_000n }), validator }, payer)
  for await (const batch of buyer.batches()) if (batch.first === 0n) break
  await assert.rejects(buyer.done, isViolation)
  await sellerDone
  assert.equal(payer.paid.at(-1), 70_000n)
  await checkProof(pair, String(buyer.status.id), 700n)
})

test('a schema that cannot judge a record ends the session without a claim; it is not tried again', async (t) => {
  const deep = await createRecordValidator({ encoding: 'json', schema: { items: { $ref: '#' } } })
  t.after(() => deep.close())
  const pair = await makePair(t, { document: { schema: { encoding: 'json' } } })
  await pair.log.append(jsonRecords(10))
  await pair.log.append([new TextEncoder().encode('['.repeat(200_000) + ']'.repeat(200_000))])
  await pair.log.finish()
  const { buyer, sellerDone } = await buyFrom(pair, { wish: wish(), validator: deep })
  await assert.rejects(consume(buyer), (error) => (error as DdmError).code === 'badRecord')
  await assert.rejects(buyer.done)
  await sellerDone
  assert.equal(buyer.resumable, false)
  assert.equal(await pair.buyerLedger.sessions.violation(String(buyer.status.id), 'buyer'), undefined)
})

test('a seller that leaves when it is caught: the record is kept, and found again when the session is resumed', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(withBad(600, 300))
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const slow: RecordValidator = {
    check: async (bytes, count) => {
      const bad = await validator.check(bytes, count)
      if (bad !== undefined) outbound.abort(new Error('cut'))
      return bad
    },
    checkEach: (bytes, count) => validator.checkEach(bytes, count),
    close: async () => {}
  }
  const payer = countingPayer()
  const buyer = makeBuyer(pair, outbound, { wish: wish(), validator: slow }, { payer })
  await buyer.open()
  await assert.rejects(consume(buyer), isViolation)
  await assert.rejects(buyer.done, isViolation)
  await done
  assert.equal(buyer.resumable, false)
  const id = String(buyer.status.id)
  const { sessions } = pair.buyerLedger
  const stored = await readSession(sessions, id, 'buyer')
  assert.ok(stored !== undefined)
  assert.equal(stored.record.state, 'suspended')
  assert.ok(stored.record.position <= 300n && stored.record.checkpoint.position <= 300n)
  assert.equal((await sessions.violation(id, 'buyer'))?.index, 44)
  const [again, served] = await openStreams()
  const second = serve(pair, served)
  const resumed = makeBuyer(pair, again, { wish: wish(), resume: { stored }, validator }, { payer })
  await resumed.open()
  await assert.rejects(consume(resumed), isViolation)
  await second.done
  await checkProof(pair, id, 300n)
})

test('property: wherever the record is, and however the rest is cut, the buyer pays exactly for what is before it', async (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 })
  const property = fc.asyncProperty(
    sizes,
    fc.nat(),
    fc.bigInt({ min: 1n, max: 40n }),
    fc.bigInt({ min: 1n, max: 50n }),
    fc.nat({ max: 1 }),
    async (blocks, where, k, credit, answering) => {
      const total = blocks.reduce((sum, size) => sum + size, 0)
      const bad = where % total
      const pair = await makePair(t, { credit: credit * 100n })
      const records = withBad(total, bad)
      let at = 0
      for (const size of blocks) {
        await pair.log.append(records.slice(at, at + size))
        at += size
      }
      await pair.log.finish()
      const payer = countingPayer()
      const request = { wish: wish({ k }), validator, answering: answering === 0 ? 'newest' : 'every' } as const
      const { buyer, sellerDone } = await buyFrom(pair, request, payer)
      const seen: bigint[] = []
      await assert.rejects(consume(buyer, seen), isViolation)
      await sellerDone
      assert.equal(seen.length, bad)
      assert.equal(payer.paid.at(-1) ?? 0n, 100n * BigInt(bad))
      await checkProof(pair, String(buyer.status.id), BigInt(bad))
    }
  )
  await fc.assert(property, { numRuns: 40 })
})

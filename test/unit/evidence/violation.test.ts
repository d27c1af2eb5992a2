import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRecordValidator } from '../../../src/data/index.ts'
import { verifyBundle } from '../../../src/evidence/index.ts'
import { DdmError, joinRecords, type ListingDocument, type RecordValidator } from '../../../src/interface/index.ts'
import { encodeCanonical, sha256 } from '../../../src/statements/index.ts'
import {
  BAD_RECORD,
  BASE,
  JUDGES,
  type Lie,
  makeBundle,
  makePeople,
  type People,
  SOLD,
  type SoldPart,
  VIOLATION,
  without
} from './bundle.ts'

let people: People
/** Keeps the thread of the schemas between the tests. */
let open: RecordValidator
before(async () => {
  people = await makePeople()
  open = await createRecordValidator({ encoding: 'bytes' })
})
after(() => open.close())

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

async function refused(lie: Lie, message: RegExp): Promise<void> {
  const file = await makeBundle(people, lie)
  await assert.rejects(verifyBundle(file, JUDGES), (error) => {
    assert.ok(error instanceof DdmError && error.code === 'evidence', String(error))
    assert.match(error.message, message)
    return true
  })
}

test('a session closed for its schema: the record is shown, and that it was not paid is no fault', async () => {
  const lie: Lie = {
    violation: VIOLATION,
    invoice: { credited: 22_100n },
    receipt: { credited: 22_100n, reason: 4n },
    voucher: { amount: BASE + 22_100n }
  }
  const shown = await verifyBundle(await makeBundle(people, lie), JUDGES)
  assert.deepEqual([shown.due, shown.credited, shown.unpaid, shown.reason], [60_000n, 22_100n, 37_900n, 4])
  assert.equal(shown.violation?.offset, 261n)
  assert.equal(new TextDecoder().decode(shown.violation.record), BAD_RECORD)
  assert.equal(shown.violation.reason, '/celsius must be number')
})

test('a session that was cut shows a violation, too, if an invoice covers it', async () => {
  const cut: Lie = { violation: VIOLATION, statements: without('receipt', 'receipt-ack') }
  const shown = await verifyBundle(await makeBundle(people, cut), JUDGES)
  assert.deepEqual([shown.complete, shown.violation?.offset], [false, 261n])
  const first = SOLD.slice(0, 1)
  const early: Lie = { ...cut, sold: first, invoice: { n: 216n, due: 21_600n, credited: 0n } }
  const uncovered = await verifyBundle(await makeBundle(people, early), JUDGES)
  assert.deepEqual([uncovered.records, uncovered.violation], [216n, undefined])
})

/** A sale of one record. */
function sale(
  record: Uint8Array,
  schema: ListingDocument['schema'],
  at: { index?: number; bytes?: Uint8Array } = {}
): Lie {
  const bytes = at.bytes ?? joinRecords([record])
  const sold: SoldPart[] = [{ first: 40n, count: 1, bytes, digest: sha256(bytes) }]
  const { jsonSchema, maxRecordBytes = 65_536 } = schema
  const digest = jsonSchema === undefined ? undefined : sha256(encodeCanonical(jsonSchema))
  const money = { n: 1n, due: 100n, credited: 100n }
  return {
    document: { schema },
    offer: { schema: digest, maxRecordBytes: BigInt(maxRecordBytes) } as never,
    sold,
    violation: { first: 40n, index: at.index ?? 0, bytes, reason: '' },
    invoice: money,
    receipt: money
  }
}

test('each rule for records can be broken: size, encoding, schema', async () => {
  const cases: Array<[record: string | Uint8Array, schema: ListingDocument['schema'], reason: RegExp]> = [
    ['{', { encoding: 'json' }, /^it is not JSON$/],
    [Uint8Array.of(0xff), { encoding: 'text' }, /^it is not UTF-8$/],
    ['four', { encoding: 'bytes', maxRecordBytes: 3 }, /^it has 4 bytes, at most 3 are allowed$/],
    ['"abc"', { encoding: 'json', jsonSchema: { pattern: '^[0-9]+$' } }, /^the record must match pattern/]
  ]
  for (const [record, schema, reason] of cases) {
    const bytes = typeof record === 'string' ? utf8(record) : record
    const { violation } = await verifyBundle(await makeBundle(people, sale(bytes, schema)), JUDGES)
    assert.match(violation?.reason ?? '', reason)
  }
})

test('a claim about a good record, or one that cannot be decided, is refused', async () => {
  const good = /^violation → record: expected one that breaks the schema, found one that keeps it/
  await refused({ violation: { ...VIOLATION, index: 4 } }, good)
  await refused(sale(utf8('{}'), { encoding: 'json' }), good)
  await refused(sale(utf8('{'), { encoding: 'bytes' }), good)
  const undecidable = { encoding: 'json' as const, jsonSchema: { $ref: 'http://example.org/schema' } }
  await refused(sale(utf8('{}'), undecidable), /^violation → schema: .*only pointers into the schema/)
  const deep = sale(utf8('['.repeat(60_000)), { encoding: 'json', jsonSchema: { items: { $ref: '#' } } })
  const shown = await verifyBundle(await makeBundle(people, deep), JUDGES)
  assert.equal(shown.violation?.reason, 'it is not JSON')
})

test('the records of the part are those that were signed for, as many as were signed for', async () => {
  await refused({ violation: { ...VIOLATION, index: 256 } }, /^violation → index: expected one of 256, found 256/)
  const schema = { encoding: 'json' as const }
  const more = sale(utf8('{'), schema, { bytes: joinRecords([utf8('{'), utf8('{')]) })
  await refused(more, /^violation → part: expected 1 records, found .* follow the last/)
  await refused(
    sale(utf8('{'), schema, { bytes: Uint8Array.of(0, 0, 0, 9, 1) }),
    /^violation → part: expected 1 records/
  )
  await refused(sale(utf8('{'), schema, { index: 1 }), /^violation → index: expected one of 1, found 1/)
})

test('what nobody signed for is left out of the file', async () => {
  const shown = async (violation: Lie['violation']) =>
    (await verifyBundle(await makeBundle(people, { violation } as Lie), JUDGES)).violation
  assert.notEqual(await shown(VIOLATION), undefined)
  assert.equal(await shown({ ...VIOLATION, bytes: VIOLATION.bytes.slice(1) }), undefined)
  assert.equal(await shown({ ...VIOLATION, first: 512n }), undefined)
  assert.equal(await shown({ ...VIOLATION, first: 640n }), undefined)
})

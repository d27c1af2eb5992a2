import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { CID } from 'multiformats/cid'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { exportBundle, verifyBundle } from '../../../src/evidence/index.ts'
import { DdmError, recordEnds, type SignedStatement, type TranscriptPart } from '../../../src/interface/index.ts'
import { sha256, signStatement, transcriptStart, transcriptStep } from '../../../src/statements/index.ts'
import {
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
before(async () => {
  people = await makePeople()
})

const CUT = without('receipt', 'receipt-ack')
const shown = async (lie: Lie) => verifyBundle(await makeBundle(people, lie), JUDGES)
const refused = async (lie: Lie, message: RegExp) => {
  await assert.rejects(shown(lie), (error) => {
    assert.ok(error instanceof DdmError && error.code === 'evidence', String(error))
    assert.match(error.message, message)
    return true
  })
}

test('a session without a receipt shows what the seller signed last, and what the buyer signed', async () => {
  const { complete, acknowledged, records, due, credited, unpaid, transcript, voucher, reason, statements } =
    await shown({ statements: CUT })
  assert.deepEqual([complete, acknowledged, reason, statements], [false, false, undefined, 4])
  assert.deepEqual([records, due, credited, unpaid], [600n, 60_000n, 58_000n, 2_000n])
  assert.deepEqual([transcript, voucher?.maxClaimableAmount], [true, BASE + 60_000n])
  assert.equal((await shown({ statements: CUT, held: 'none' })).voucher, undefined)
})

test('an invoice in the middle of a block is signed, but its transcript cannot be shown', async () => {
  const { transcript, records, root } = await shown({
    statements: CUT,
    invoice: { n: 300n, due: 30_000n, credited: 28_000n, root: new Uint8Array(32).fill(7) }
  })
  assert.deepEqual([transcript, records, root], [false, 300n, `0x${'07'.repeat(32)}`])
})

test("parts beyond the last invoice are nobody's word and left out", async () => {
  const { transcript, records } = await shown({
    statements: CUT,
    sold: SOLD.slice(0, 2),
    parts: (all) => [...all, { first: 512n, count: 9, digest: new Uint8Array(32) }],
    invoice: { n: 472n, due: 47_200n, credited: 0n }
  })
  assert.deepEqual([transcript, records], [true, 472n])
})

test('a session that was cut before its first invoice shows what was agreed', async () => {
  const { records, due, root, payer, transcript } = await shown({
    statements: without('invoice', 'receipt', 'receipt-ack')
  })
  assert.deepEqual([records, due, root, transcript], [0n, 0n, undefined, true])
  assert.match(payer ?? '', /^0x/)
})

test('an empty session has the root that every session begins with', async () => {
  const nothing = { n: 0n, bytes: 0n, due: 0n, credited: 0n }
  await refused({ sold: [], invoice: nothing, receipt: { ...nothing, root: new Uint8Array(32) } }, /^invoice → root: /)
  const file = await makeBundle(people, { sold: [], invoice: nothing, receipt: nothing })
  const { records, root, session } = await verifyBundle(file, JUDGES)
  const start = transcriptStart(CID.parse(session).bytes)
  assert.deepEqual([records, root], [0n, `0x${Buffer.from(start).toString('hex')}`])
})

test('a resumed session: the last ACCEPT counts, with what it credits', async () => {
  const accept = { credited: 20_000n, k: 5n, credit: 20_000n, ahead: 2_000n }
  const accepted = { amount: BASE + 20_000n }
  assert.equal((await shown({ accept, accepted })).complete, true)
  const cut = await shown({
    accept: { ...accept, credited: 59_000n },
    accepted: { amount: BASE + 59_000n },
    statements: CUT
  })
  assert.deepEqual([cut.credited, cut.complete], [59_000n, false])
})

test('of several of one kind the last counts, and a receipt after which the session went on is none', async () => {
  const { seller, buyer } = people
  const again = (kind: 'accept' | 'invoice' | 'receipt', change: object) => (all: SignedStatement[]) => {
    const old = all.find((one) => one.kind === kind) as never as { content: object }
    return signStatement(seller, kind, { ...old.content, ...change } as never, 1_790_000_000_001)
  }
  const credited = 58_001n
  const later = await shown({
    receipt: { credited },
    statements: (all) => [...all, again('receipt', { credited: 60_000n })(all)]
  })
  assert.deepEqual([later.credited, later.acknowledged, later.statements], [60_000n, false, 5])
  const both = await shown({
    statements: (all) => {
      const receipt = again('receipt', {})(all)
      const fields = { session: CID.parse(String(all[1]?.cid)), receipt: CID.parse(receipt.cid) }
      return [...all, receipt, signStatement(buyer, 'receipt-ack', fields, 1_790_000_000_002)]
    }
  })
  assert.deepEqual([both.acknowledged, both.statements], [true, 6])
  const more = (all: SignedStatement[]) => again('invoice', { credited: 59_000n })(all)
  const reopened = { receipt: { credited }, statements: (all: SignedStatement[]) => [...all, again('accept', {})(all)] }
  assert.equal((await shown(reopened)).complete, true)
  const wentOn = await shown({ ...reopened, statements: (all) => [...reopened.statements(all), more(all)] })
  assert.deepEqual([wentOn.complete, wentOn.credited], [false, 59_000n])
})

/** The INVOICE again, with other fields: `seller` signed it, the buyer refused it. */
const refusedInvoice = (change: object) => (all: SignedStatement[]) => {
  const { content } = all.find(({ kind }) => kind === 'invoice') as never as { content: object }
  return signStatement(people.seller, 'invoice', { ...content, ...change } as never, 1_790_000_000_003)
}
const LIES: Array<[what: string, change: object]> = [
  ['of more records, with a root of nothing', { n: 601n, due: 60_100n, root: new Uint8Array(32).fill(7) }],
  ['of no records', { n: 0n, bytes: 0n, due: 0n, credited: 0n }],
  ['that takes credit back', { credited: 1n }]
]
for (const [what, change] of LIES) {
  test(`an invoice that was refused, ${what}, hides nothing`, async () => {
    const lie = refusedInvoice(change)
    const open: Lie = { order: { quantity: 700n }, accept: { until: 740n }, violation: VIOLATION }
    const cut = await shown({ ...open, statements: (all) => [...CUT(all), lie(all)] })
    assert.deepEqual([cut.records, cut.credited, cut.transcript, cut.violation?.offset], [600n, 58_000n, true, 261n])
    const ended = await shown({ ...open, statements: (all) => [...all, lie(all)] })
    assert.deepEqual([ended.complete, ended.acknowledged, ended.violation?.offset], [true, true, 261n])
  })
}

test('a refused invoice of fewer records, with the root of then, hides nothing', async () => {
  const cut = await shown({
    violation: VIOLATION,
    statements: (all) => {
      const session = CID.parse(String(all[1]?.cid))
      const root = SOLD.slice(0, 1).reduce(transcriptStep, transcriptStart(session.bytes))
      const money = { n: 216n, bytes: 4_800n, due: 21_600n, credited: 58_000n }
      return [...CUT(all), refusedInvoice({ ...money, root })(all)]
    }
  })
  assert.deepEqual([cut.records, cut.violation?.offset], [600n, 261n])
})

test('more records of the block in which one is bad, after the last invoice, hide nothing', async () => {
  const [first, second] = SOLD as readonly [SoldPart, SoldPart]
  for (const [count, offset] of [
    [10, 261n],
    [6, 261n],
    [5, undefined]
  ] as const) {
    const end = recordEnds(second.bytes, second.count)[count - 1] as number
    const bytes = second.bytes.subarray(0, end)
    const n = BigInt(first.count + count)
    const cut = await shown({
      sold: [first, { first: second.first, count, bytes, digest: sha256(bytes) }],
      parts: ([before]) =>
        [before as TranscriptPart, { ...second }].map(({ first, count, digest }) => ({ first, count, digest })),
      invoice: { n, due: n * 100n, credited: 0n },
      violation: VIOLATION,
      statements: CUT
    })
    assert.deepEqual([cut.records, cut.transcript, cut.violation?.offset], [n, true, offset])
  }
})

const stranger = privateKeyToAccount(generatePrivateKey())

test('what it holds beside the statements is checked, too', async () => {
  const statements = CUT
  await refused({ statements, held: { signer: stranger } }, /^voucher → signer: /)
  await refused({ statements, held: { channelId: `0x${'99'.repeat(32)}` } }, /^voucher → channel: /)
  await refused(
    { statements, held: { amount: BASE + 57_999n } },
    /^voucher → amount: expected at least 63000, found 62999/
  )
  await refused({ statements, invoice: { due: 1n } }, /^invoice → due: expected 60000, found 1/)
  await refused({ statements, invoice: { n: 601n, due: 60_100n } }, /^invoice → n: expected at most 600, found 601/)
  await refused({ statements, order: { maximum: 50_000n } }, /^invoice → due: expected at most 50000/)
})

test('a session that was never accepted cannot be exported, and the message says what is missing', async () => {
  await assert.rejects(
    makeBundle(people, { statements: without('accept', 'invoice', 'receipt', 'receipt-ack') }),
    /has no accept: only a session that was accepted/
  )
  const id = 'bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
  const session = { id, role: 'buyer', state: 'failed' } as const
  const listing = { cid: id, bytes: new Uint8Array() }
  assert.throws(
    () => exportBundle({ session, statements: [], parts: [], listing }),
    (error) =>
      error instanceof DdmError && error.code === 'evidence' && /no offer, no order, no accept/.test(error.message)
  )
})

test('terms that no listing, offer or order may have are refused', async () => {
  const asset = `eip155:1/erc20:0x${'70'.repeat(20)}`
  await refused({ payment: { asset }, price: { asset } }, /^offer → asset: expected one of eip155:31337/)
  await refused(
    { payment: { price: { amount: '100', count: 0, unit: 'record' } } },
    /^listing → price: expected per 1 or more, found per 0/
  )
  await refused({ order: { from: { offset: 40n, live: true } } }, /^order → from: expected an offset, a time or live/)
  assert.equal((await shown({ order: { from: { offset: 40n, live: false } } })).complete, true)
})

import assert from 'node:assert/strict'
import { link, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeBundle } from '../../../src/evidence/bundle.ts'
import { DdmError, type SessionRecord, type SignedStatement } from '../../../src/interface/index.ts'
import { Receipts, verifyReceipt } from '../../../src/node/receipts.ts'
import { readAnyStatement, readStatement, signStatement } from '../../../src/statements/index.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { makeBundle, makePeople, without } from '../evidence/bundle.ts'

test('a session that ended over an invoice is exported up to the last one that holds; without any, the reason is told', async (t) => {
  const folder = await tempDir(t)
  const ledger = await openLedger({ path: join(folder, 'ledger.db') })
  t.after(() => ledger.close())
  const people = await makePeople()
  const content = decodeBundle(await makeBundle(people, { statements: without('receipt', 'receipt-ack') }))
  const id = content.session.toString()
  const statements = content.statements.map(({ payload, signature }): SignedStatement => {
    return readAnyStatement(payload, signature)
  })
  const invoice = statements.find(({ kind }) => kind === 'invoice')
  assert.ok(invoice !== undefined)
  const { n, bytes, due, credited, root } = readStatement('invoice', invoice.payload, invoice.signature).content
  const more = { session: content.session, n, bytes, due: due + 1n, credited, root }
  const wrong = signStatement(people.seller, 'invoice', more, 1_790_000_000_001)
  const session = (name: string): SessionRecord => ({
    id: name,
    role: 'buyer',
    listingId: `0x${'ab'.repeat(32)}`,
    listingCid: content.listing.toString(),
    peer: people.seller.peerId,
    state: 'disputed',
    rail: 'evm',
    start: 40n,
    position: 600n,
    checkpoint: { position: 0n, root: new Uint8Array(32), records: 0n, bytes: 0n },
    due,
    paid: due,
    credit: 0n,
    openedAt: 1,
    updatedAt: 1
  })
  const { sessions } = ledger
  await sessions.put(session(id), { statements: [...statements, wrong], parts: content.parts })
  const receipts = new Receipts({ ledger, blocks: { get: async () => content.listingBytes } })
  const file = join(folder, 'disputed.car')
  const shown = await receipts.export(id.slice(0, 30), file)
  assert.match(shown.disputed ?? '', /^invoice → due: expected 60000, found 60001/)
  assert.deepEqual([shown.complete, shown.records, shown.due], [false, 600n, 60_000n])
  const { disputed: _disputed, ...rest } = shown
  assert.deepEqual(await verifyReceipt(file), rest)
  // The earlier file is replaced when the new one is whole, never written over.
  const earlier = join(folder, 'earlier.car')
  await link(file, earlier)
  await receipts.export(id, file)
  assert.notEqual((await stat(file)).ino, (await stat(earlier)).ino)
  assert.deepEqual(await readFile(file), await readFile(earlier))
  await sessions.put(session(id), { statements: [wrong], replaces: ['invoice', 'accept'] })
  await assert.rejects(receipts.export(id, file), (error) => {
    assert.ok(error instanceof DdmError)
    assert.match(error.message, /has no accept: only a session that was accepted can be exported/)
    return true
  })
  const [first] = await receipts.list({ role: 'buyer', state: 'disputed' })
  assert.equal(first?.session, id)
  assert.deepEqual(await receipts.list({ role: 'seller' }), [])
})

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeBundle } from '../../../src/evidence/bundle.ts'
import type { SessionRecord } from '../../../src/interface/index.ts'
import { endedPurchase } from '../../../src/node/ended.ts'
import { readAnyStatement } from '../../../src/statements/index.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { makeBundle, makePeople, VIOLATION, without } from '../evidence/bundle.ts'

test('the ledger knows how a purchase ended once its receipt and all its records are here, or which record ended it', async (t) => {
  const folder = await tempDir(t)
  const ledger = await openLedger({ path: join(folder, 'ledger.db') })
  t.after(() => ledger.close())
  const { sessions } = ledger
  const people = await makePeople()
  const content = decodeBundle(await makeBundle(people))
  const id = content.session.toString()
  const record: SessionRecord = {
    id,
    role: 'buyer',
    listingId: `0x${'ab'.repeat(32)}`,
    listingCid: content.listing.toString(),
    peer: people.seller.peerId,
    state: 'receipted',
    rail: 'evm',
    start: 40n,
    position: 600n,
    checkpoint: { position: 0n, root: new Uint8Array(32), records: 0n, bytes: 0n },
    due: 60_000n,
    paid: 60_000n,
    credit: 0n,
    openedAt: 1,
    updatedAt: 5
  }
  const statements = content.statements.map(({ payload, signature }) => readAnyStatement(payload, signature))
  const unsettled = without('receipt', 'receipt-ack')(statements)
  assert.equal(await endedPurchase(id, sessions), undefined)
  await sessions.put(record, { statements: unsettled })
  assert.equal(await endedPurchase(id, sessions), undefined)
  await sessions.put({ ...record, position: 599n }, { statements })
  assert.equal(await endedPurchase(id, sessions), undefined, 'a record is missing')
  await sessions.put(record)
  const { records, due, paid, reason, seller, totalMs } = (await endedPurchase(id, sessions)) ?? assert.fail()
  assert.deepEqual([records, due, paid, seller, totalMs], [600n, 60_000n, 60_000n, people.seller.peerId, 4])
  assert.equal(reason, 'complete')
  await sessions.keepViolation(id, 'buyer', VIOLATION)
  await assert.rejects(endedPurchase(id, sessions), { code: 'schema', message: /record 261 .* as the buyer saw it/ })
})

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { exposureOf, type Grant, MAX_AMOUNT, type TrustRecord } from '../../../src/interface/index.ts'
import { type Ledger, openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const ASSET = 'eip155:1/erc20:0x00'

const grant = (session: string, change: Partial<Grant> = {}): Grant => ({
  role: 'seller',
  session,
  peer: 'p',
  credit: 10n,
  settled: 0n,
  debt: 0n,
  stranger: false,
  open: true,
  at: 1,
  ...change
})

async function opened(t: TestContext, path: string, readOnly = false): Promise<Ledger> {
  const ledger = await openLedger({ path, readOnly })
  t.after(() => ledger.close())
  return ledger
}

const ledgerOf = async (t: TestContext): Promise<Ledger> => opened(t, join(await tempDir(t), 'ledger.db'))

const amount = fc.bigInt({ min: 0n, max: MAX_AMOUNT })

test('grants and records keep amounts up to 2^128; the newest replaces', async (t) => {
  const { trust } = (await ledgerOf(t)).book(ASSET)
  const money = fc.record({ credit: amount, settled: amount, debt: amount, stranger: fc.boolean(), open: fc.boolean() })
  const record: fc.Arbitrary<TrustRecord> = fc.record(
    { settled: amount, halvings: fc.nat({ max: 10 }), halvedAt: amount, forgiveness: amount },
    { noNullPrototype: true }
  )
  await fc.assert(
    fc.asyncProperty(fc.uuid(), money, record, record, async (id, change, a, b) => {
      const peer = { by: 'peer', name: id } as const
      const account = { by: 'account', name: id } as const
      await trust.put(grant(id), [{ ...b, ...peer }])
      const known = { ...a, ...peer }
      await trust.put(grant(id, { ...change, account: id }), [known, { ...b, ...account }])
      assert.deepEqual(await trust.grant('seller', id), grant(id, change), 'peer and account of a session never change')
      assert.deepEqual(await trust.record('seller', peer), a)
      assert.deepEqual(await trust.record('seller', account), b)
      assert.equal(await trust.record('buyer', peer), undefined)
      assert.equal(await trust.grant('buyer', id), undefined)
    }),
    { numRuns: 40 }
  )
})

test('property: exposure is the sum over peer or account, apart for open and ended sessions, without the one named', async (t) => {
  const { trust } = (await ledgerOf(t)).book(ASSET)
  let round = 0
  const one = fc.record({
    peer: fc.constantFrom('a', 'b'),
    account: fc.constantFrom('x', 'y', undefined),
    credit: fc.oneof(fc.constant(0n), amount),
    debt: fc.oneof(fc.constant(0n), amount),
    stranger: fc.boolean(),
    open: fc.boolean(),
    role: fc.constantFrom('seller' as const, 'buyer' as const),
    at: fc.nat({ max: 10 })
  })
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 12 }), fc.nat({ max: 10 }), async (all, since) => {
      round++
      const grants = all.map(({ account, ...rest }, index) =>
        grant(`${round}-${index}`, {
          ...rest,
          peer: `${rest.peer}${round}`,
          ...(account === undefined ? {} : { account: `${account}${round}` }),
          at: round * 100 + rest.at
        })
      )
      await Promise.all(grants.map((each) => trust.put(each, [])))
      const [skip] = grants
      const sum = (test: (each: Grant) => boolean): bigint =>
        grants
          .filter((each) => each.role === 'seller' && each !== skip && test(each))
          .reduce((total, each) => total + exposureOf(each), 0n)
      for (const name of ['a', 'b'].map((peer) => `${peer}${round}`)) {
        assert.deepEqual(await trust.exposure('seller', { by: 'peer', name }, skip?.session), {
          debt: sum(({ peer, open }) => peer === name && !open),
          open: sum(({ peer, open }) => peer === name && open)
        })
      }
      for (const name of ['x', 'y'].map((account) => `${account}${round}`)) {
        assert.deepEqual(await trust.exposure('seller', { by: 'account', name }, skip?.session), {
          debt: sum(({ account, open }) => account === name && !open),
          open: sum(({ account, open }) => account === name && open)
        })
      }
      const strangers = await trust.strangers('seller', round * 100 + since, skip?.session)
      assert.equal(
        strangers,
        sum(({ stranger, at }) => stranger && at > round * 100 + since)
      )
      // Later rounds are later: nothing of this one is left in their hour.
      await Promise.all(grants.map((each) => trust.put({ ...each, credit: 0n, debt: 0n }, [])))
    }),
    { numRuns: 40 }
  )
})

test('what is outstanding survives a restart, oldest first, and can be read beside the owner', async (t) => {
  const path = join(await tempDir(t), 'ledger.db')
  const { book, close } = await opened(t, path)
  const { trust } = book(ASSET)
  const rows = [
    grant('owes', { at: 2, open: false, debt: 3n, account: 'x' }),
    grant('open', { at: 1 }),
    grant('open without credit', { at: 4, credit: 0n }),
    grant('buying', { at: 3, role: 'buyer' })
  ]
  for (const row of [...rows, grant('over', { open: false })]) await trust.put(row, [])
  await close()
  const again = await opened(t, path)
  const [owes, open, empty, buying] = rows
  assert.deepEqual(await again.book(ASSET).trust.outstanding(), [open, owes, buying, empty])
  const beside = await opened(t, path, true)
  assert.deepEqual(await beside.book(ASSET).trust.outstanding('buyer'), [buying])
  await assert.rejects(beside.book(ASSET).trust.put(grant('new'), []), /readonly|read-only/i)
})

test('a grant and its records are one commit: neither without the other', async (t) => {
  const { trust } = (await ledgerOf(t)).book(ASSET)
  const broken = { by: 'peer', name: 'p', settled: 1n, halvings: 0.5, halvedAt: 0n, forgiveness: 1n } as const
  await assert.rejects(trust.put(grant('s'), [broken]))
  assert.equal(await trust.grant('seller', 's'), undefined)
})

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { type BudgetInit, type BudgetLimits, createBudget } from '../../../src/payments/index.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const HOUR = 3_600_000
const START = Date.UTC(2026, 0, 1)

async function setup(t: TestContext, init: Omit<BudgetInit, 'spending' | 'now'>) {
  const path = join(await tempDir(t), 'ledger.db')
  const clock = { now: START }
  const open = async () => {
    const ledger = await openLedger({ path })
    t.after(() => ledger.close())
    return {
      ledger,
      budget: createBudget({ ...init, spending: ledger.book('eip155:1').spending, now: () => clock.now })
    }
  }
  return { ...(await open()), clock, reopen: open }
}

const CAPS = {
  budgetPerRecord: 'the most that one record can cost',
  budgetPerSession: 'the spending of this session',
  budgetPerSeller: 'the spending with this seller in a day',
  budgetPerHour: 'the spending of an hour',
  budgetPerDay: 'the spending of a day'
}

/** Names the cap, both numbers, and what to change. */
function exceeded(setting: keyof typeof CAPS, need: number, limit: number) {
  return {
    code: 'budget',
    message: `${CAPS[setting]} would be ${need} atomic units, ${setting} allows ${limit} atomic units; to allow more, raise ${setting}`,
    details: { setting, need: `${need}`, limit: `${limit}` }
  }
}

test('per record: the price, not the amount', async (t) => {
  const { budget } = await setup(t, { limits: () => ({ perRecord: 10n }) })
  await budget.reserve({ seller: 'a', session: '1', amount: 1000n, unitPrice: 10n })
  await budget.reserve({ seller: 'a', session: '1', amount: 1000n })
  const over = budget.reserve({ seller: 'a', session: '1', amount: 1n, unitPrice: 11n })
  await assert.rejects(over, exceeded('budgetPerRecord', 11, 10))
})

test('per session, per seller, per hour and per day, each with both numbers', async (t) => {
  const { budget, clock } = await setup(t, {
    limits: () => ({ perSession: 50n, perSeller: 80n, perHour: 100n, perDay: 150n })
  })
  const reserve = (seller: string, session: string, amount: bigint) => budget.reserve({ seller, session, amount })
  await reserve('a', '1', 50n)
  await assert.rejects(reserve('a', '1', 1n), exceeded('budgetPerSession', 51, 50))
  await assert.rejects(reserve('a', '2', 31n), exceeded('budgetPerSeller', 81, 80))
  await reserve('a', '2', 30n)
  await assert.rejects(reserve('b', '3', 21n), exceeded('budgetPerHour', 101, 100))
  await reserve('b', '3', 20n)
  clock.now += 2 * HOUR
  await assert.rejects(reserve('b', '4', 51n), exceeded('budgetPerSession', 51, 50))
  await reserve('b', '4', 50n)
  clock.now += 2 * HOUR
  await assert.rejects(reserve('c', '5', 1n), exceeded('budgetPerDay', 151, 150))
  clock.now += 24 * HOUR
  await reserve('a', '6', 50n)
})

test('only sellers on the list, nobody while frozen', async (t) => {
  let frozen = false
  const { budget } = await setup(t, { limits: () => ({}), allow: () => ['a'], frozen: () => frozen })
  await budget.reserve({ seller: 'a', session: '1', amount: 1n })
  await assert.rejects(budget.reserve({ seller: 'b', session: '2', amount: 0n }), {
    code: 'budget',
    message: 'seller b is not among those that may be paid; to allow it, add it to budgetSellers'
  })
  frozen = true
  const stopped = {
    code: 'budget',
    message: 'the wallet is frozen, nothing is signed; release it with: ddm wallet unfreeze'
  }
  await assert.rejects(budget.reserve({ seller: 'a', session: '1', amount: 0n }), stopped)
  assert.throws(() => budget.permit(), stopped)
  frozen = false
  budget.permit()
})

test('is durable: a restart gives no new budget', async (t) => {
  const { budget, ledger, reopen } = await setup(t, { limits: () => ({ perDay: 100n }) })
  await budget.reserve({ seller: 'a', session: '1', amount: 70n })
  await ledger.close()
  const { budget: again } = await reopen()
  const refused = again.reserve({ seller: 'b', session: '2', amount: 31n })
  await assert.rejects(refused, exceeded('budgetPerDay', 101, 100))
  await again.reserve({ seller: 'b', session: '2', amount: 30n })
})

test('asked for at the same time, amounts that do not both fit are not both given', async (t) => {
  const { budget, ledger } = await setup(t, { limits: () => ({ perDay: 1000n }) })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.bigInt({ min: 1n, max: 200n }), { maxLength: 12 }), async (amounts) => {
      const before = await ledger.book('eip155:1').spending.sum({})
      const results = await Promise.allSettled(
        amounts.map((amount, index) => budget.reserve({ seller: `${index}`, session: `${index}`, amount }))
      )
      const given = amounts.filter((_, index) => results[index]?.status === 'fulfilled')
      const sum = await ledger.book('eip155:1').spending.sum({})
      assert.equal(
        sum,
        given.reduce((total, amount) => total + amount, before)
      )
      assert.ok(sum <= 1000n)
    }),
    { numRuns: 20 }
  )
})

test('an aborted reservation is not waited for, and those behind it go on', async (t) => {
  const { budget } = await setup(t, { limits: () => ({ perDay: 100n }) })
  const signal = AbortSignal.abort()
  await assert.rejects(budget.reserve({ seller: 'a', session: '1', amount: 60n }, { signal }), { code: 'aborted' })
  await budget.reserve({ seller: 'a', session: '1', amount: 60n })
})

test('what was reserved and not used is there again, once, and no other session gains by it', async (t) => {
  const { budget, ledger, clock } = await setup(t, { limits: () => ({ perHour: 100n, perDay: 100n }) })
  await budget.reserve({ seller: 'a', session: '1', amount: 20n })
  clock.now += 10 * 60_000
  await budget.reserve({ seller: 'a', session: '1', amount: 40n })
  await budget.reserve({ seller: 'b', session: '2', amount: 30n })
  // The newest reservations go first: what was signed early stays in its hour.
  await budget.settle({ session: '1', used: 10n })
  await budget.settle({ session: '1', used: 10n })
  await budget.settle({ session: '1', used: 90n })
  assert.equal(await ledger.book('eip155:1').spending.sum({ session: '1' }), 10n)
  assert.equal(await ledger.book('eip155:1').spending.sum({ since: START + 5 * 60_000 }), 30n)
  await assert.rejects(budget.reserve({ seller: 'c', session: '3', amount: 61n }), exceeded('budgetPerHour', 101, 100))
  await budget.reserve({ seller: 'c', session: '3', amount: 60n })
})

test('the revision changes with caps and list, and with nothing else', async (t) => {
  const settings: { limits: BudgetLimits; sellers: string[] } = { limits: { perDay: 10n }, sellers: ['a'] }
  const { budget } = await setup(t, { limits: () => settings.limits, allow: () => settings.sellers })
  const first = budget.revision()
  await budget.reserve({ seller: 'a', session: '1', amount: 1n })
  assert.equal(budget.revision(), first)
  const seen = new Set([first])
  const changes = [
    { limits: { perDay: 9n } },
    { limits: { perHour: 9n } },
    { sellers: ['a', 'b'] },
    { sellers: ['c', 'b'] },
    { sellers: [] }
  ]
  for (const change of changes) {
    Object.assign(settings, change)
    seen.add(budget.revision())
    assert.equal(budget.revision(), budget.revision())
  }
  assert.equal(seen.size, changes.length + 1)
})

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { type BudgetInit, createBudget } from '../../../src/payments/index.ts'
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
    return { ledger, budget: createBudget({ ...init, spending: ledger.spending, now: () => clock.now }) }
  }
  return { ...(await open()), clock, reopen: open }
}

function exceeded(what: string, need: number, limit: number) {
  return {
    code: 'budget',
    message: `${what} would be ${need}, the budget allows ${limit} (atomic units)`,
    details: { need: `${need}`, limit: `${limit}` }
  }
}

test('per record: the price, not the amount', async (t) => {
  const { budget } = await setup(t, { limits: { perRecord: 10n } })
  await budget.reserve({ seller: 'a', session: '1', amount: 1000n, unitPrice: 10n })
  await budget.reserve({ seller: 'a', session: '1', amount: 1000n })
  const over = budget.reserve({ seller: 'a', session: '1', amount: 1n, unitPrice: 11n })
  await assert.rejects(over, exceeded('price of one record', 11, 10))
})

test('per session, per seller, per hour and per day, each with both numbers', async (t) => {
  const { budget, clock } = await setup(t, { limits: { perSession: 50n, perSeller: 80n, perHour: 100n, perDay: 150n } })
  const reserve = (seller: string, session: string, amount: bigint) => budget.reserve({ seller, session, amount })
  await reserve('a', '1', 50n)
  await assert.rejects(reserve('a', '1', 1n), exceeded('spending of this session', 51, 50))
  await assert.rejects(reserve('a', '2', 31n), exceeded('spending with this seller today', 81, 80))
  await reserve('a', '2', 30n)
  await assert.rejects(reserve('b', '3', 21n), exceeded('spending of this hour', 101, 100))
  await reserve('b', '3', 20n)
  clock.now += 2 * HOUR
  await assert.rejects(reserve('b', '4', 51n), exceeded('spending of this session', 51, 50))
  await reserve('b', '4', 50n)
  clock.now += 2 * HOUR
  await assert.rejects(reserve('c', '5', 1n), exceeded('spending of this day', 151, 150))
  clock.now += 24 * HOUR
  await reserve('a', '6', 50n)
})

test('only sellers on the list, nobody while frozen', async (t) => {
  let frozen = false
  const { budget } = await setup(t, { limits: {}, allow: ['a'], frozen: () => frozen })
  await budget.reserve({ seller: 'a', session: '1', amount: 1n })
  await assert.rejects(budget.reserve({ seller: 'b', session: '2', amount: 0n }), {
    code: 'budget',
    message: 'seller b is not on the list of allowed sellers'
  })
  frozen = true
  const stopped = { code: 'budget', message: 'the wallet is frozen; nothing is signed until it is thawed' }
  await assert.rejects(budget.reserve({ seller: 'a', session: '1', amount: 0n }), stopped)
})

test('is durable: a restart gives no new budget', async (t) => {
  const { budget, ledger, reopen } = await setup(t, { limits: { perDay: 100n } })
  await budget.reserve({ seller: 'a', session: '1', amount: 70n })
  await ledger.close()
  const { budget: again } = await reopen()
  const refused = again.reserve({ seller: 'b', session: '2', amount: 31n })
  await assert.rejects(refused, exceeded('spending of this day', 101, 100))
  await again.reserve({ seller: 'b', session: '2', amount: 30n })
})

test('asked for at the same time, amounts that do not both fit are not both given', async (t) => {
  const { budget, ledger } = await setup(t, { limits: { perDay: 1000n } })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.bigInt({ min: 1n, max: 200n }), { maxLength: 12 }), async (amounts) => {
      const before = await ledger.spending.sum({})
      const results = await Promise.allSettled(
        amounts.map((amount, index) => budget.reserve({ seller: `${index}`, session: `${index}`, amount }))
      )
      const given = amounts.filter((_, index) => results[index]?.status === 'fulfilled')
      const sum = await ledger.spending.sum({})
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
  const { budget } = await setup(t, { limits: { perDay: 100n } })
  const signal = AbortSignal.abort()
  await assert.rejects(budget.reserve({ seller: 'a', session: '1', amount: 60n }, { signal }), { code: 'aborted' })
  await budget.reserve({ seller: 'a', session: '1', amount: 60n })
})

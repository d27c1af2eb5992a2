import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Standing, TrustRecord } from '../../../src/interface/index.ts'
import { afterSession, creditFor, creditLimit, halvingsOf, NO_RECORD } from '../../../src/protocols/sdpp/trust.ts'
import { windowAdvice } from '../../../src/protocols/sdpp/window-advice.ts'

const stranger: Standing = { settled: 0n, halvings: 0, debt: 0n, open: 0n }
const known: Standing = { ...stranger, settled: 10_000n }
const terms = { one: 10n, cap: 1_000n }

function credit(standing: Partial<Standing>, request: Partial<Parameters<typeof creditFor>[1]> = {}, allowance = 0n) {
  return creditFor({ standings: [{ ...known, ...standing }], allowance }, { ...terms, ...request }).credit
}

test('a stranger gets the price of one record, while the allowance of strangers has that much left', () => {
  const ask = (allowance: bigint, request = terms) => creditFor({ standings: [stranger], allowance }, request)
  assert.deepEqual(ask(10n), { credit: 10n, stranger: true })
  assert.deepEqual(ask(9n), { credit: 0n, stranger: false })
  assert.deepEqual(ask(10n, { one: 10n, cap: 4n }), { credit: 4n, stranger: true })
  assert.deepEqual(ask(10n, { one: 10n, cap: 0n }), { credit: 0n, stranger: false })
  assert.deepEqual(ask(10n, { one: 0n, cap: 1_000n }), { credit: 0n, stranger: false })
})

test('what is owed elsewhere is taken off, also from a limit set by hand, and nobody with it is a stranger', () => {
  const ask = (standing: Standing, elsewhere: bigint, request: Partial<Parameters<typeof creditFor>[1]> = {}) =>
    creditFor({ standings: [standing], allowance: 10n, elsewhere }, { ...terms, ...request })
  assert.deepEqual(ask(known, 400n), { credit: 100n, stranger: false })
  assert.deepEqual(ask(known, 500n), { credit: 0n, stranger: false })
  assert.deepEqual(ask(known, 900n, { floor: 1_000n }), { credit: 100n, stranger: false })
  assert.deepEqual(ask(stranger, 1n), { credit: 0n, stranger: false })
})

test('credit is 5 % of what was settled and is covered, at most the cap', () => {
  assert.equal(credit({}), 500n)
  assert.equal(credit({ settled: 10_019n }), 500n)
  assert.equal(credit({ settled: 10_020n }), 501n)
  assert.equal(credit({}, { covered: 4_000n }), 200n)
  assert.equal(credit({}, { covered: 40_000n }), 500n)
  assert.equal(credit({ settled: 1_000_000n }), 1_000n)
  assert.equal(credit({}, { want: 30n }), 30n)
})

test('halvings, debt and open sessions use it up, to 0 and without a stranger’s record', () => {
  assert.equal(credit({ halvings: 1 }), 250n)
  assert.equal(credit({ settled: 1_000_000n, halvings: 1 }), 500n)
  assert.equal(credit({ debt: 100n, open: 50n }), 350n)
  assert.equal(credit({ debt: 499n }, {}, 1_000n), 1n)
  assert.equal(credit({ debt: 500n }, {}, 1_000n), 0n)
  assert.equal(credit({ open: 700n }, {}, 1_000n), 0n)
  assert.equal(credit({ settled: 100n }, {}, 1_000n), 10n, 'less than one record grown: as a stranger')
  assert.equal(credit({ settled: 100n, debt: 1n }, {}, 1_000n), 4n)
})

test('of peer and account the weaker counts', () => {
  const ask = (...standings: [Standing, ...Standing[]]) => creditFor({ standings, allowance: 10n }, terms).credit
  assert.equal(ask(known, known), 500n)
  assert.equal(ask(known, stranger), 10n)
  assert.equal(ask(stranger, known), 10n)
  assert.equal(ask({ ...known, open: 450n }, known), 50n)
  assert.equal(ask(known, { ...stranger, open: 10n }), 0n)
  assert.equal(ask({ ...known, open: 500n }, stranger), 0n)
})

test('a limit set by hand is one for each session: what is owed is taken off, the cap stays', () => {
  assert.equal(credit({ settled: 0n, open: 5_000n }, { floor: 300n }), 300n)
  assert.equal(credit({ open: 400n, debt: 10n }, { floor: 300n }), 290n)
  assert.equal(credit({ settled: 0n }, { floor: 300n }), 300n)
  assert.equal(credit({ settled: 0n, debt: 120n }, { floor: 300n }), 180n)
  assert.equal(credit({}, { floor: 300n }), 500n)
  assert.equal(credit({ settled: 0n }, { floor: 3_000n }), 1_000n)
})

const amount = fc.oneof(fc.bigInt({ min: 0n, max: 2_000n }), fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }))
const standing: fc.Arbitrary<Standing> = fc.record({
  settled: amount,
  halvings: fc.nat({ max: 12 }),
  debt: fc.oneof(fc.constant(0n), amount),
  open: fc.oneof(fc.constant(0n), amount)
})

test('property: credit is within the cap and within what is left of each limit; only strangers get more', () => {
  let grown = 0
  let given = 0
  fc.assert(
    fc.property(
      standing,
      standing,
      amount,
      fc.record({ one: amount, cap: amount, want: amount, covered: amount, floor: amount }),
      fc.constantFrom('covered', 'want', 'floor', undefined),
      (a, b, allowance, all, left) => {
        const request = { ...all, ...(left === undefined ? {} : { [left]: undefined }) } as Parameters<
          typeof creditFor
        >[1]
        const { credit: got, stranger: isStranger } = creditFor({ standings: [a, b], allowance }, request)
        assert.ok(got >= 0n && got <= request.cap && got <= (request.want ?? got))
        if (isStranger) {
          given++
          assert.ok(got <= request.one && got <= allowance)
          assert.equal(a.debt + a.open + b.debt + b.open, 0n)
        } else if (got > 0n) {
          grown++
          for (const side of [a, b]) {
            const limit = creditLimit(side, request)
            const byHand = request.floor ?? 0n
            const left = limit - side.open
            assert.ok(got + side.debt <= (left > byHand ? left : byHand))
          }
        }
        const reversed = creditFor({ standings: [b, a], allowance }, request)
        assert.deepEqual(reversed, { credit: got, stranger: isStranger })
        // Owing more, or having settled less, never gives more.
        const worse = { ...a, debt: a.debt + 1n, settled: a.settled / 2n }
        assert.ok(creditFor({ standings: [worse, b], allowance }, request).credit <= got)
      }
    ),
    { numRuns: 10_000 }
  )
  assert.ok(grown > 500 && given > 50, `${grown} grown, ${given} strangers`)
})

test('a time-out halves; 20 times the credit that timed out, settled since, forgives one', () => {
  const timedOut = { credit: 100n, debt: 60n }
  const settle = (record: TrustRecord, settled: bigint): TrustRecord => afterSession(record, { settled })
  let record = settle(NO_RECORD, 5_000n)
  assert.equal(halvingsOf(record), 0)
  record = afterSession(record, { settled: 0n, timedOut })
  record = afterSession(record, { settled: 0n, timedOut })
  assert.equal(halvingsOf(record), 2)
  assert.equal(halvingsOf(settle(record, 1_999n)), 2)
  assert.equal(halvingsOf(settle(settle(record, 1_999n), 1n)), 1)
  assert.equal(halvingsOf(settle(record, 4_000n)), 0)
  // What was forgiven before the next time-out stays forgiven.
  assert.equal(halvingsOf(afterSession(record, { settled: 2_500n, timedOut })), 2)
})

test('a small time-out does not make a large one cheaper', () => {
  const large = afterSession(NO_RECORD, { settled: 0n, timedOut: { credit: 1_000n, debt: 1n } })
  const both = afterSession(large, { settled: 0n, timedOut: { credit: 0n, debt: 0n } })
  assert.equal(halvingsOf(afterSession(both, { settled: 19_999n })), 2)
  const alone = afterSession(NO_RECORD, { settled: 0n, timedOut: { credit: 0n, debt: 0n } })
  assert.equal(halvingsOf(alone), 1)
  assert.equal(halvingsOf(afterSession(alone, { settled: 1n })), 0)
})

test('property: halvings never grow without a time-out, never shrink by one, and end at 10', () => {
  const session = fc.record({
    settled: fc.bigInt({ min: 0n, max: 5_000n }),
    timedOut: fc.option(
      fc.record({ credit: fc.bigInt({ min: 0n, max: 100n }), debt: fc.bigInt({ min: 0n, max: 100n }) }),
      {
        nil: undefined
      }
    )
  })
  fc.assert(
    fc.property(fc.array(session, { maxLength: 40 }), (sessions) => {
      let record = NO_RECORD
      for (const { settled, timedOut } of sessions) {
        const forgiven = halvingsOf(afterSession(record, { settled }))
        assert.ok(forgiven <= halvingsOf(record))
        record = afterSession(record, { settled, timedOut })
        assert.equal(halvingsOf(record), timedOut === undefined ? forgiven : Math.min(forgiven + 1, 10))
      }
      assert.equal(
        record.settled,
        sessions.reduce((sum, { settled }) => sum + settled, 0n)
      )
    })
  )
})

test('a window is too small when it does not cover what a round trip carries and one record more', () => {
  const price = { amount: 100n, count: 1n, unit: 'record' } as const
  const use = { price, recordsPerSecond: 50, roundTripMs: 200 }
  assert.deepEqual(windowAdvice({ ...use, window: 1_099n }), { tooSmall: true, need: 1_100n })
  assert.deepEqual(windowAdvice({ ...use, window: 1_100n }), { tooSmall: false, need: 1_100n })
  assert.deepEqual(windowAdvice({ ...use, recordsPerSecond: 0.1, window: 200n }), { tooSmall: false, need: 200n })
  assert.deepEqual(windowAdvice({ ...use, recordsPerSecond: 0, window: 99n }), { tooSmall: true, need: 100n })
  assert.deepEqual(windowAdvice({ ...use, recordsPerSecond: Number.NaN, window: 99n }), { tooSmall: true, need: 100n })
  const free = { ...price, amount: 0n }
  assert.deepEqual(windowAdvice({ ...use, price: free, window: 0n }), { tooSmall: false, need: 0n })
  const perKiB = { amount: 10n, count: 1n, unit: 'KiB' } as const
  assert.equal(windowAdvice({ ...use, price: perKiB, window: 0n, recordBytes: 512n }).need, 55n)
})

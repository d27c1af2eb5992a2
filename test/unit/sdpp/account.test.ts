import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  affordableUnits,
  due,
  isFree,
  NO_PROGRESS,
  type Price,
  type Progress,
  priceOfOneRecord
} from '../../../src/interface/index.ts'
import {
  advance,
  fitting,
  nextInvoiceAt,
  paymentTarget,
  type Records,
  type SessionTerms
} from '../../../src/protocols/sdpp/account.ts'

const price: fc.Arbitrary<Price> = fc.record({
  amount: fc.oneof(fc.constant(0n), fc.bigInt({ min: 1n, max: 50n }), fc.bigInt({ min: 1n, max: 1n << 100n })),
  count: fc.bigInt({ min: 1n, max: 40n }),
  unit: fc.constantFrom('record', 'KiB')
})
const free = fc.option(fc.record({ from: fc.bigInt({ min: 0n, max: 30n }), to: fc.bigInt({ min: 0n, max: 40n }) }), {
  nil: undefined
})
const sizes = fc.array(fc.nat({ max: 3_000 }), { minLength: 1, maxLength: 20 })

function recordsOf(first: bigint, lengths: number[]): Records {
  let at = 0
  const ends = Uint32Array.from(lengths, (length) => {
    at += 4 + length
    return at
  })
  return { first, count: lengths.length, ends }
}

function termsOf(price: Price, free: SessionTerms['free'], more: Partial<SessionTerms> = {}): SessionTerms {
  const base = { price, k: 10n, credit: 0n, prepay: 0n, ahead: 0n, maximum: 1n << 127n, start: 0n, ...more }
  return free === undefined ? base : { ...base, free }
}

/** ceil(a / b) said another way. */
function ceilDivide(a: bigint, b: bigint): bigint {
  return a % b === 0n ? a / b : a / b + 1n
}

/** What docs/specs/sdpp.md says, record by record. */
function dueByFormula(terms: SessionTerms, first: bigint, lengths: number[]): bigint {
  let records = 0n
  let bytes = 0n
  for (const [i, length] of lengths.entries()) {
    if (isFree(terms.free, first + BigInt(i))) continue
    records += 1n
    bytes += BigInt(length)
  }
  const { amount, count, unit } = terms.price
  return unit === 'record' ? ceilDivide(records * amount, count) : ceilDivide(bytes * amount, count * 1024n)
}

test('property: due is the formula, however the records were cut', () => {
  fc.assert(
    fc.property(
      price,
      free,
      sizes,
      fc.bigInt({ min: 0n, max: 35n }),
      fc.nat({ max: 20 }),
      (p, f, lengths, first, cut) => {
        const terms = termsOf(p, f)
        const records = recordsOf(first, lengths)
        const at = Math.min(cut, lengths.length)
        let progress: Progress = NO_PROGRESS
        if (at > 0) progress = advance(terms, progress, records, 0, at)
        assert.equal(due(p, progress), dueByFormula(terms, first, lengths.slice(0, at)))
        if (at < lengths.length) progress = advance(terms, progress, records, at, lengths.length)
        assert.equal(progress.n, BigInt(lengths.length))
        assert.equal(due(p, progress), dueByFormula(terms, first, lengths))
      }
    ),
    { numRuns: 500 }
  )
})

test('property: fitting is maximal and never too much', () => {
  fc.assert(
    fc.property(
      price,
      free,
      sizes,
      fc.bigInt({ min: 0n, max: 35n }),
      fc.nat({ max: 19 }),
      fc.bigInt({ min: -5n, max: 3_000n }),
      (p, f, lengths, first, already, limit) => {
        const terms = termsOf(p, f)
        const records = recordsOf(first, lengths)
        const from = Math.min(already, lengths.length - 1)
        const before = from === 0 ? NO_PROGRESS : advance(terms, NO_PROGRESS, records, 0, from)
        const room = fitting(terms, before, records, from, lengths.length, limit)
        const owedAfter = (count: number): bigint => dueByFormula(terms, first, lengths.slice(0, from + count))
        // A free record may follow even when the limit is passed already: it changes nothing.
        if (room > 0) assert.ok(owedAfter(room) <= limit || owedAfter(room) === owedAfter(0))
        if (from + room < lengths.length) assert.ok(owedAfter(room + 1) > limit)
      }
    ),
    { numRuns: 1_000 }
  )
})

test('property: affordableUnits is the last number of units whose due is within the limit', () => {
  fc.assert(
    fc.property(price, fc.bigInt({ min: 0n, max: 1n << 110n }), (p, limit) => {
      const units = affordableUnits(p, limit)
      if (p.amount === 0n) return assert.equal(units, undefined)
      const at = (n: bigint): bigint => due(p, { n, records: n, bytes: n })
      assert.ok(at(units as bigint) <= limit)
      assert.ok(at((units as bigint) + 1n) > limit)
    })
  )
})

test('due never shrinks, and one record never costs more than priceOfOneRecord', () => {
  fc.assert(
    fc.property(price, free, sizes, (p, f, lengths) => {
      const terms = termsOf(p, f)
      const records = recordsOf(0n, lengths)
      const one = priceOfOneRecord(p, 3_000n)
      let progress: Progress = NO_PROGRESS
      let last = 0n
      for (let i = 0; i < lengths.length; i++) {
        progress = advance(terms, progress, records, i, i + 1)
        const now = due(p, progress)
        assert.ok(now >= last && now - last <= one)
        last = now
      }
    })
  )
})

test('invoices fall on log offsets divisible by k, at most k records after the last', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 50n }),
      fc.bigInt({ min: 0n, max: 200n }),
      fc.bigInt({ min: 0n, max: 200n }),
      (k, start, invoicedAt) => {
        const next = nextInvoiceAt(
          termsOf({ amount: 1n, count: 1n, unit: 'record' }, undefined, { k, start }),
          invoicedAt
        )
        assert.ok(next > invoicedAt && next - invoicedAt <= k)
        assert.equal((start + next) % k, 0n)
      }
    )
  )
})

test('the buyer aims at due and ahead, and never above the maximum', () => {
  const terms = termsOf({ amount: 10n, count: 1n, unit: 'record' }, undefined, { maximum: 45n })
  const at = (n: bigint): Progress => ({ n, records: n, bytes: 0n })
  assert.equal(paymentTarget(terms, at(0n), 0n), 0n)
  assert.equal(paymentTarget(terms, at(3n), 5n), 35n)
  assert.equal(paymentTarget(terms, at(4n), 10n), 45n)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Price } from '../../../src/interface/index.ts'
import type { SessionTerms } from '../../../src/protocols/sdpp/account.ts'
import { agreeOnWindow } from '../../../src/protocols/sdpp/negotiation.ts'
import { SdppError, STATUS } from '../../../src/protocols/sdpp/status.ts'
import { Market, type Scenario } from '../../support/sdpp-model.ts'

const small = fc.nat({ max: 2_000 })
/** Sizes that fill the in-flight budget. */
const large = fc.oneof(small, fc.integer({ min: 60_000, max: 300_000 }), fc.constant((1 << 20) - 64))

function scenarios(size: fc.Arbitrary<number>, maxBlocks: number): fc.Arbitrary<Scenario | undefined> {
  return fc
    .record({
      amount: fc.oneof(fc.constant(0n), fc.bigInt({ min: 1n, max: 200n })),
      count: fc.bigInt({ min: 1n, max: 7n }),
      unit: fc.constantFrom<'record' | 'KiB'>('record', 'KiB'),
      k: fc.bigInt({ min: 1n, max: 30n }),
      credit: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 3_000n })),
      prepay: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 3_000n })),
      maximum: fc.oneof(fc.constant(10n ** 12n), fc.bigInt({ min: 0n, max: 4_000n })),
      available: fc.option(fc.bigInt({ min: 0n, max: 4_000n }), { nil: undefined, freq: 3 }),
      free: fc.option(fc.record({ from: fc.bigInt({ min: 0n, max: 10n }), to: fc.bigInt({ min: 0n, max: 40n }) }), {
        nil: undefined
      }),
      quantity: fc.option(fc.bigInt({ min: 0n, max: 60n }), { nil: undefined }),
      invoicing: fc.constantFrom('strict' as const, 'adaptive' as const),
      answering: fc.constantFrom('every' as const, 'newest' as const),
      blocks: fc.array(fc.array(size, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: maxBlocks }),
      present: fc.nat(),
      start: fc.nat(),
      stopAfter: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined, freq: 2 }),
      violates: fc.option(fc.bigInt({ min: 0n, max: 60n }), { nil: undefined, freq: 2 }),
      seed: fc.integer()
    })
    .map(({ amount, count, unit, k, credit, prepay, free, quantity, blocks, stopAfter, ...rest }) => {
      const price: Price = { amount, count, unit }
      // A block ends at 64 KiB; a larger record is a block of its own.
      const cut = blocks.flatMap((block) => (block.some((bytes) => bytes > 60_000) ? block.map((b) => [b]) : [block]))
      const present = 1 + (rest.present % cut.length)
      const head = cut.slice(0, present).reduce((sum, block) => sum + block.length, 0)
      const start = BigInt(rest.start % (head + 1))
      const maxRecordBytes = BigInt(Math.max(...cut.flat()))
      const order = { k, prepay, maximum: rest.maximum }
      let agreed: ReturnType<typeof agreeOnWindow>
      try {
        agreed = agreeOnWindow({ ...price, credit, rail: 'evm' }, order, maxRecordBytes)
      } catch (error) {
        assert.ok(error instanceof SdppError && error.code === STATUS.limitsIncompatible)
        assert.ok(BigInt(error.details.have ?? 0) < BigInt(error.details.need ?? 0))
        return undefined
      }
      assert.ok(agreed.k >= 1n && agreed.k <= k && agreed.ahead <= prepay)
      const terms: SessionTerms = {
        price,
        ...agreed,
        prepay,
        maximum: rest.maximum,
        start,
        ...(free === undefined ? {} : { free }),
        ...(quantity === undefined ? {} : { end: start + quantity })
      }
      const { available, invoicing, answering, seed, violates } = rest
      return {
        terms,
        available,
        invoicing,
        answering,
        blocks: cut,
        present,
        seed,
        ...(violates === undefined ? {} : { violates }),
        ...(stopAfter === undefined ? {} : { stopAfter })
      }
    })
}

function runAll(size: fc.Arbitrary<number>, maxBlocks: number, numRuns: number): { ran: number; inFlight: number } {
  let ran = 0
  let inFlight = 0
  fc.assert(
    fc.property(scenarios(size, maxBlocks), (scenario) => {
      if (scenario === undefined) return
      const market = new Market(scenario)
      market.run()
      market.checkEnd()
      ran++
      inFlight = Math.max(inFlight, market.maxInFlight)
    }),
    { numRuns }
  )
  return { ran, inFlight }
}

test('property: seller and buyer always finish, within their windows, whatever terms and schedule', () => {
  const { ran } = runAll(small, 6, 3_000)
  assert.ok(ran > 500, `only ${ran} scenarios had compatible limits`)
})

test('property: with large records too, and never more than 1 MiB unacknowledged', () => {
  const { ran, inFlight } = runAll(large, 10, 500)
  assert.ok(ran > 50, `only ${ran} scenarios had compatible limits`)
  assert.ok(inFlight > 900_000, 'the budget was never used')
})

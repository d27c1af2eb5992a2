import { type FreeRange, joinRecords, type Price, recordEnds } from '../../src/interface/index.ts'
import { fitting, paymentTarget } from '../../src/protocols/sdpp/account.ts'
import { agreeOnWindow, checkOfferedPrice, endOf } from '../../src/protocols/sdpp/negotiation.ts'
import { dueLimit } from '../../src/protocols/sdpp/seller-delivery.ts'
import { sellerStart } from '../../src/protocols/sdpp/seller-state.ts'
import { SdppError } from '../../src/protocols/sdpp/status.ts'

const U64 = (1n << 64n) - 1n
const U128 = (1n << 128n) - 1n

/** What two programs have to reckon alike before and between the messages. */
export function terms(): object {
  const price = (amount: bigint, count: bigint, unit: Price['unit']): Price => ({ amount, count, unit })
  const record = price(100n, 1n, 'record')
  const kib = price(100n, 3n, 'KiB')
  const agreement = (
    name: string,
    p: Price,
    [credit, k, prepay, maximum]: [bigint, bigint, bigint, bigint],
    maxRecordBytes = 65_536n
  ): object => {
    const order = { k, prepay, maximum }
    const given = { name, price: p, maxRecordBytes, credit, ...order }
    try {
      const { ahead, k: agreed } = agreeOnWindow({ ...p, rail: 'evm', credit }, order, maxRecordBytes)
      return { ...given, accept: { k: agreed, ahead } }
    } catch (error) {
      if (!(error instanceof SdppError)) throw error
      return { ...given, refused: { status: error.code, ...error.details } }
    }
  }
  const until = (start: bigint, order: { quantity?: bigint; until?: bigint }): object => ({
    start,
    order,
    until: endOf(order, start) ?? null
  })
  const offered = (listed: Price, offer: Price): object => {
    const document = { payment: [{ rail: 'free', price: { ...listed, amount: listed.amount.toString() } }] }
    try {
      checkOfferedPrice(document as never, { ...offer, rail: 'free', credit: 0n })
      return { listed, offer, status: null }
    } catch (error) {
      if (!(error instanceof SdppError)) throw error
      return { listed, offer, status: error.code }
    }
  }
  const bare = { k: 1n, credit: 0n, prepay: 0n, start: 0n }
  type Known = { free?: FreeRange; start?: bigint; until?: bigint; last?: bigint }
  const target = (
    name: string,
    p: Price,
    [records, bytes]: [bigint, bigint],
    [ahead, maximum]: [bigint, bigint],
    { until: end, ...known }: Known = {}
  ): object => {
    const all = { ...bare, ...known, ...(end === undefined ? {} : { end }), price: p, ahead, maximum }
    const sessionPaid = paymentTarget(all, { n: records, records, bytes }, ahead)
    const where = { start: all.start, until: end ?? null, last: known.last ?? null, free: known.free ?? null }
    return { name, price: p, ...where, records, bytes, ahead, maximum, target: sessionPaid }
  }
  const window = (
    name: string,
    p: Price,
    [credit, credited, maximum, available]: [bigint, bigint, bigint, bigint | undefined],
    [records, bytes]: [bigint, bigint],
    next: number[],
    free?: FreeRange
  ): object => {
    const all = { ...bare, price: p, credit, ahead: 0n, maximum, ...(free === undefined ? {} : { free }) }
    const joined = joinRecords(next.map((length) => new Uint8Array(length)))
    const block = { first: 100n, count: next.length, ends: recordEnds(joined, next.length) }
    const limit = dueLimit({ ...sellerStart(0, 'strict'), credited, available }, all)
    const slice = fitting(all, { n: records, records, bytes }, block, 0, next.length, limit)
    const given = { credit, credited, maximum, channel: available ?? null, records, bytes, free: free ?? null }
    return { name, price: p, ...given, first: 100n, next, slice }
  }
  const none: [bigint, bigint] = [0n, 0n]
  return {
    agreement: [
      agreement('credit covers k', record, [1_000n, 10n, 0n, U64]),
      agreement('credit is one short of k', record, [999n, 10n, 5n, U64]),
      agreement('paid ahead, k lowered', record, [500n, 100n, 300n, U64]),
      agreement('k halved, rounding up', record, [0n, 7n, 399n, U64]),
      agreement('down to 1', record, [100n, 1_000n, 0n, U64]),
      agreement('credit would do for the k that is left', record, [700n, 10n, 200n, U64]),
      agreement('exactly one record', record, [60n, 5n, 40n, U64]),
      agreement('one less than a record', record, [60n, 5n, 39n, U64]),
      agreement('nothing on either side', record, [0n, 1n, 0n, U64]),
      agreement('a maximum of 0', record, [0n, 10n, 0n, 0n]),
      agreement('a maximum below one record', record, [100n, 10n, 0n, 1n]),
      agreement('a price of 0', price(0n, 1n, 'record'), [0n, 10n, 0n, U64]),
      agreement('per KiB, largest records', kib, [10_000n, 20n, 2_000n, U64]),
      agreement('per KiB, one short', kib, [2_133n, 20n, 0n, U64]),
      agreement('per KiB, records of a byte', price(1n, 1n, 'KiB'), [1n, 1_024n, 0n, U64], 1n),
      agreement('2^128 - 1 for one', price(U128, 1n, 'record'), [U128, 2n, U128, U128])
    ],
    until: [
      until(7n, {}),
      until(7n, { quantity: 10n }),
      until(7n, { until: 10n }),
      until(7n, { quantity: 10n, until: 10n }),
      until(7n, { quantity: 2n, until: 10n }),
      until(7n, { quantity: 0n }),
      until(7n, { until: 7n }),
      until(7n, { until: 3n }),
      until(1n, { quantity: U64 }),
      until(U64, { quantity: U64, until: U64 })
    ],
    offered: [
      offered(record, record),
      offered(price(100n, 3n, 'record'), price(200n, 6n, 'record')),
      offered(price(100n, 3n, 'record'), price(33n, 1n, 'record')),
      offered(price(100n, 3n, 'record'), price(34n, 1n, 'record')),
      offered(price(U128, U64, 'KiB'), price(U128, U64 - 1n, 'KiB')),
      offered(record, price(100n, 0n, 'record')),
      offered(record, price(99n, 1n, 'KiB'))
    ],
    target: [
      target('nothing received, nothing ahead', record, none, [0n, U64]),
      target('nothing received', record, none, [500n, U64]),
      target('received and ahead', record, [7n, 70n], [500n, U64]),
      target('up to the maximum', record, [7n, 70n], [500n, 1_000n]),
      target('the end is known', record, [7n, 70n], [500n, U64], { start: 3n, until: 13n }),
      target('the end is known, and the log ends before', record, [7n, 70n], [500n, U64], {
        start: 3n,
        until: 13n,
        last: 12n
      }),
      target('the log ends', record, [7n, 70n], [500n, U64], { start: 3n, last: 11n }),
      target('the rest is free', record, [4n, 40n], [500n, U64], {
        start: 3n,
        until: 13n,
        free: { from: 8n, to: U64 }
      }),
      target('per KiB the cost of the whole is not known', kib, [7n, 3_072n], [500n, U64], { start: 3n, until: 13n }),
      target('rounded up', price(100n, 3n, 'record'), [4n, 0n], [1n, U64]),
      target('a price of 0', price(0n, 1n, 'record'), [7n, 70n], [0n, 0n]),
      target('an end at the start', record, none, [500n, U64], { start: 7n, until: 7n }),
      target('2^128 - 1', record, [U64, 0n], [U128, U128])
    ],
    window: [
      window('all of it', record, [1_000n, 0n, U64, undefined], none, [1, 1, 1]),
      window('part of it', record, [200n, 0n, U64, undefined], none, [1, 1, 1]),
      window('not one', record, [99n, 0n, U64, undefined], none, [1, 1, 1]),
      window('as what is credited grows', record, [99n, 1n, U64, undefined], none, [1, 1, 1]),
      window('used up', record, [200n, 500n, U64, undefined], [7n, 7n], [1, 1, 1]),
      window('one more', record, [200n, 600n, U64, undefined], [7n, 7n], [1, 1, 1]),
      window('the maximum', record, [10_000n, 0n, 850n, undefined], [7n, 7n], [1, 1, 1]),
      window('what the channel can pay', record, [10_000n, 0n, U64, 799n], [6n, 6n], [1, 1, 1]),
      window('free records fit', record, [0n, 0n, 0n, undefined], none, [1, 1, 1], { from: 100n, to: 102n }),
      window('free records behind one that is not', record, [99n, 0n, U64, undefined], none, [1, 1, 1], {
        from: 101n,
        to: 103n
      }),
      window('a price of 0', price(0n, 1n, 'record'), [0n, 0n, 0n, undefined], none, [1, 1, 1]),
      window('per KiB, to the byte', kib, [100n, 0n, U64, undefined], none, [3_000, 72, 1]),
      window('per KiB, empty records', kib, [0n, 0n, U64, undefined], none, [0, 0, 1]),
      window('rounded up', price(100n, 3n, 'record'), [66n, 0n, U64, undefined], none, [1, 1, 1]),
      window('rounded up, enough', price(100n, 3n, 'record'), [67n, 0n, U64, undefined], none, [1, 1, 1])
    ]
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DdmError, type ErrorCode, type Listing, type ListingPayment } from '../../../src/interface/index.ts'
import { judgeFailure, rank } from '../../../src/node/candidates.ts'
import type { FollowOptions } from '../../../src/node/follow-types.ts'
import { type FollowComponents, RunningFollowing } from '../../../src/node/following.ts'
import { handoverTime } from '../../../src/node/handover.ts'
import { createLogger } from '../../../src/node/logger.ts'
import { NOT_YET } from '../../../src/node/not-yet.ts'
import { RecentKeys } from '../../../src/node/recent-keys.ts'
import { silentLimit, whyLeave } from '../../../src/node/seller-limits.ts'
import type { PurchasedRecord, Quote } from '../../../src/node/types.ts'
import type { Unfinished } from '../../../src/node/unfinished.ts'
import { documentOf, PEER, salt } from '../registry/market.ts'

test('keys: the last so many, each once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.integer({ min: 0, max: 30 }), (keys, limit) => {
      const recent = new RecentKeys(limit)
      const model: number[] = []
      for (const key of keys) {
        assert.equal(recent.add(String(key)), !model.includes(key))
        if (model.includes(key)) continue
        model.push(key)
        if (model.length > limit) model.shift()
      }
    })
  )
})

const choice = (strikes: number, amount: string, count = 1, unit: 'record' | 'KiB' = 'record') => ({
  candidate: { strikes },
  price: { amount, count, unit } satisfies ListingPayment['price']
})

test('the cheapest of those with the fewest failures comes first; else as they were named', () => {
  const dear = choice(0, '30', 10)
  const cheap = choice(0, '29', 10)
  const failed = choice(1, '1')
  const free = choice(0, '0', 1, 'KiB')
  const bytes = choice(0, '5', 1, 'KiB')
  assert.deepEqual(rank([failed, dear, cheap]), [cheap, dear, failed])
  assert.deepEqual(rank([dear, free]), [free, dear])
  assert.deepEqual(rank([bytes, cheap]), [bytes, cheap])
  assert.deepEqual(rank([cheap, bytes]), [cheap, bytes])
})

test('failures: what is our own ends all, what lasts excludes the seller, the rest is tried again later', () => {
  const verdict = (code: ErrorCode) => judgeFailure(new DdmError(code, ''))
  for (const code of ['budget', 'funds', 'internal', 'aborted'] as const) assert.equal(verdict(code), 'end', code)
  for (const code of ['schema', 'priceAboveLimit', 'usage', 'notFound'] as const)
    assert.equal(verdict(code), 'out', code)
  for (const code of ['unreachable', 'refused', 'chain'] as const) assert.equal(verdict(code), 'strike', code)
  assert.equal(judgeFailure(new DdmError('notFound', 'not yet', { details: { status: 200 } })), 'strike')
  const over = (setting: string) => judgeFailure(new DdmError('budget', '', { details: { setting } }))
  for (const setting of ['PerRecord', 'PerSession', 'PerSeller', 'Sellers', 'Deposit'])
    assert.equal(over(`budget${setting}`), 'out', setting)
  assert.equal(over('maxWithdrawDelay'), 'out')
  for (const setting of ['PerHour', 'PerDay']) assert.equal(over(`budget${setting}`), 'end', setting)
  assert.equal(judgeFailure(new TypeError('a fault of this program')), 'end')
})

test('limits: each has its reason; without a period nobody has to speak', () => {
  const good = { invalid: 0, failures: 3, missing: 100, delayMs: { p50: 5, p95: 70_000 } }
  assert.equal(whyLeave(good, {}), undefined)
  assert.equal(whyLeave({ ...good, invalid: 1 }, {}), 'invalid')
  assert.equal(whyLeave({ ...good, invalid: 1 }, { invalid: 1, missing: 99 }), 'missing')
  assert.equal(whyLeave(good, { delayMs: 60_000 }), 'delayMs')
  assert.equal(whyLeave(good, { failures: 2 }), 'failures')
  assert.equal(whyLeave({ invalid: 0, failures: 0 }, { missing: 0, delayMs: 0, failures: 0 }), undefined)
  assert.equal(silentLimit({}, {}), undefined)
  assert.equal(silentLimit({}, { cadence: { mode: 'event' } }), undefined)
  assert.equal(silentLimit({}, { cadence: { mode: 'finite', periodMs: 100 } }), undefined)
  assert.equal(silentLimit({}, { cadence: { mode: 'periodic', periodMs: 100 } }), 5_000)
  assert.equal(silentLimit({}, { cadence: { mode: 'periodic', periodMs: 60_000 } }), 600_000)
  assert.equal(silentLimit({ silentMs: 7 }, { cadence: { mode: 'periodic', periodMs: 100 } }), 7)
})

test('the next seller starts before the last record, whenever that came; its own word for when it is has a limit', () => {
  const receivedAt = Date.parse('2026-01-01T00:10:00Z')
  const from = (record: string, path?: string[]): string =>
    new Date(handoverTime({ receivedAt, bytes: Buffer.from(record) }, path)).toISOString().slice(14, 19)
  const at = (time: string): string => JSON.stringify({ at: { time: `2026-01-01T00:${time}Z` } })
  assert.equal(from(at('09:50'), ['at', 'time']), '09:48')
  assert.equal(from(at('09:50')), '09:58')
  assert.equal(from(at('12:00'), ['at', 'time']), '09:58', 'a clock that is ahead')
  assert.equal(from(at('01:00'), ['at', 'time']), '08:58', 'no more than a minute')
  for (const broken of ['{', '{}', '{"at":{"time":7e999}}']) assert.equal(from(broken, ['at', 'time']), '09:58', broken)
})

const refuse = async (): Promise<never> => {
  throw new DdmError('notFound', 'there is no listing 0xabcd')
}

const components: FollowComponents = {
  find: refuse,
  quote: refuse,
  buy: () => {
    throw new Error('nothing is bought')
  },
  unfinished: async () => undefined,
  resume: refuse,
  perSession: () => 10n ** 9n,
  currency: () => ({ symbol: 'T', decimals: 6 }),
  logger: createLogger({ level: 'silent' })
}

test('options that cannot work are refused at once', () => {
  const cases: Array<[listings: string[], options: object, said: RegExp]> = [
    [[], { max: '1' }, /at least one listing/],
    [['0xabcd'], {}, /"max" says/],
    [['0xabcd'], { max: '1', records: 0 }, /records 0/],
    [['0xabcd'], { max: '1', window: -1 }, /window -1/],
    [['0xabcd'], { max: '1', patience: Number.NaN }, /patience NaN/],
    [['0xabcd'], { max: '1', leave: { silentMs: -1 } }, /silentMs -1/]
  ]
  for (const [listings, options, message] of cases) {
    assert.throws(() => new RunningFollowing(listings, options as FollowOptions, components), {
      code: 'usage',
      message
    })
  }
})

test('a product that nobody sells says so, in the iteration and in done; it is iterated once', async () => {
  const following = new RunningFollowing(['0xabcd', '0xabcd'], { max: '1' }, components)
  const read = async (): Promise<void> => {
    for await (const _ of following);
  }
  await assert.rejects(read(), { code: 'notFound', message: /no listing 0xabcd/ })
  await assert.rejects(following.done, { code: 'notFound' })
  await assert.rejects(read(), { code: 'usage', message: /iterated once/ })
})

test('stopped before it began, it ends without an error', async () => {
  const following = new RunningFollowing(['0xabcd'], { max: '1' }, components)
  following.stop()
  for await (const _ of following) assert.fail('a record')
  const { reason, records, purchases } = await following.done
  assert.deepEqual([reason, records, purchases], ['stopped', 0n, []])
})

const listings = [1, 2].map(
  (n) => ({ id: salt(n), peerId: PEER, status: 'active', document: documentOf(n) }) as Listing
)

/** Two sellers that take nothing for it. */
const market: FollowComponents = {
  ...components,
  find: async (id) => listings.find((listing) => listing.id === id) as Listing,
  quote: async ({ document }) => ({ rail: 'free', payment: document.payment[0] as ListingPayment }) as Quote
}

function purchaseOf(reason: string | Error, records: string[] = [], start = 0n): ReturnType<FollowComponents['buy']> {
  const done = reason instanceof Error ? Promise.reject(reason) : Promise.resolve({ reason })
  done.catch(() => {})
  return {
    batches: async function* () {
      for (const [n, record] of records.entries()) {
        const offset = start + BigInt(n)
        yield [{ offset, bytes: Buffer.from(record), receivedAt: 0 } as unknown as PurchasedRecord]
      }
      await done
    },
    done,
    status: NOT_YET,
    stop: () => {},
    cut: () => {}
  } as unknown as ReturnType<FollowComponents['buy']>
}

const cutAt = (amount: bigint, rest: Partial<Unfinished> = {}): Unfinished => {
  return { id: 'cut', rail: 'evm', price: { amount, count: 1n, unit: 'record' }, paid: 0n, maximum: 5n, ...rest }
}

test('a session that was stopped and lost is ended first; its seller is asked again, before the others', async () => {
  const said: string[] = []
  const waiting = [cutAt(0n, { id: 'stopped', rail: 'free' })]
  const following = new RunningFollowing(
    listings,
    { max: '1', records: 2 },
    {
      ...market,
      unfinished: async () => waiting.shift(),
      resume: async (id) => {
        said.push(id)
        return purchaseOf('buyerDone', ['a'])
      },
      buy: ({ id }) => {
        said.push(id)
        return purchaseOf('complete', ['b'])
      }
    }
  )
  for await (const _ of following);
  assert.deepEqual(said, ['stopped', salt(1)])
  assert.equal((await following.done).reason, 'complete')
})

test('a session that was cut goes on only within the limits of whoever follows now, and as checked as it was asked for', async () => {
  const taken = async (cut: Unfinished, options: Partial<FollowOptions>) => {
    let how: unknown
    const following = new RunningFollowing(
      listings.slice(0, 1),
      { max: '0.00001', records: 1, ...options },
      {
        ...market,
        quote: async ({ document }) => ({ rail: 'evm', payment: document.payment[0] as ListingPayment }) as Quote,
        unfinished: async () => cut,
        resume: async (_id, { checkSchema }) => {
          how = { checkSchema }
          return purchaseOf('complete', ['a'])
        },
        buy: () => {
          how = 'ordered'
          return purchaseOf('complete', ['a'])
        }
      }
    )
    for await (const _ of following);
    return how
  }
  assert.equal(await taken(cutAt(2n), { maxPrice: '0.000001' }), 'ordered')
  assert.deepEqual(await taken(cutAt(1n), { maxPrice: '0.000001', checkSchema: false }), { checkSchema: false })
  assert.deepEqual(await taken(cutAt(2n), {}), { checkSchema: undefined })
  assert.deepEqual(await taken(cutAt(2n, { maximum: 11n, paid: 1n }), {}), { checkSchema: undefined })
  assert.equal(await taken(cutAt(2n, { maximum: 11n }), {}), 'ordered')
  assert.equal(await taken(cutAt(2n, { rail: 'iota' }), {}), 'ordered')
})

test('a session that budgetPerSession ends is followed by the next one, from its next record, until the maximum of all', async () => {
  const PRICE = 10n
  const bought = async (max: bigint, cap: bigint, mode: 'finite' | 'periodic', have = 100n) => {
    const orders: Array<[max: unknown, from: unknown]> = []
    const document = documentOf(1)
    const price = { amount: String(PRICE), count: 1, unit: 'record' } as const
    const payment = { rail: 'evm', price } as ListingPayment
    const listing = { ...listings[0], document: { ...document, cadence: { mode } } } as Listing
    const following = new RunningFollowing(
      [listing],
      { max, patience: 0 },
      {
        ...market,
        find: async () => listing,
        quote: async () => ({ rail: 'evm', payment }) as Quote,
        perSession: () => cap,
        buy: (_listing, { max: wanted, from }) => {
          orders.push([wanted, from])
          const start = typeof from === 'bigint' ? from : 0n
          const most = (wanted as bigint) < cap ? (wanted as bigint) : cap
          const count = most / PRICE < have - start ? most / PRICE : have - start
          const records = Array.from({ length: Number(count) }, (_, n) => String(start + BigInt(n)))
          const reason = start + count === have ? 'sourceEnded' : 'maximum'
          return { ...purchaseOf(reason, records, start), status: { ...NOT_YET, signed: count * PRICE } }
        }
      }
    )
    const seen: string[] = []
    for await (const { bytes } of following) seen.push(Buffer.from(bytes).toString())
    assert.deepEqual(
      seen,
      seen.map((_, n) => String(n))
    )
    const { reason, paid, duplicates } = await following.done
    return { reason, paid, duplicates, orders }
  }
  const thrice = (max: bigint) => [
    [max, undefined],
    [max - 30n, 3n],
    [max - 60n, 6n]
  ]
  for (const mode of ['finite', 'periodic'] as const) {
    const common = { duplicates: 0n, orders: thrice(75n) }
    assert.deepEqual(await bought(75n, 35n, mode), { reason: 'maximum', paid: 70n, ...common })
  }
  const whole = { reason: 'sourceEnded', paid: 80n, duplicates: 0n, orders: thrice(900n) }
  assert.deepEqual(await bought(900n, 35n, 'finite', 8n), whole)
  const once = { reason: 'maximum', paid: 30n, duplicates: 0n, orders: [[35n, undefined]] }
  assert.deepEqual(await bought(35n, 35n, 'periodic'), once)
  // Nothing for all that a session may cost.
  const none = { reason: 'maximum', paid: 0n, duplicates: 0n, orders: [[75n, undefined]] }
  assert.deepEqual(await bought(75n, 5n, 'periodic'), none)
})

test('a seller whom a cap leaves out is passed over for the next; when it leaves all out, it is said', async () => {
  const over = (id: string) =>
    new DdmError('budget', `not with ${id}`, { details: { setting: 'maxWithdrawDelay', need: '2', limit: '1' } })
  const said: string[] = []
  const buy = (locked: readonly string[]): FollowComponents['buy'] => {
    return ({ id }) => {
      said.push(id)
      return locked.includes(id) ? purchaseOf(over(id)) : purchaseOf('complete', ['a'])
    }
  }
  const following = new RunningFollowing(listings, { max: '1', records: 1 }, { ...market, buy: buy([salt(1)]) })
  for await (const _ of following);
  assert.deepEqual(said, [salt(1), salt(2)])
  const all = buy([salt(1), salt(2)])
  const outside = new RunningFollowing(listings, { max: '1', records: 1 }, { ...market, buy: all })
  await assert.rejects(outside.batches().next(), { code: 'budget', message: `not with ${salt(2)}` })
})

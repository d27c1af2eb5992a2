import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type OpenProductLog, openProductLog } from '../../../src/data/index.ts'
import { DdmError, type ListingPayment } from '../../../src/interface/index.ts'
import { orderWish } from '../../../src/node/order-wish.ts'
import { Retention, type RetentionComponents } from '../../../src/node/retention.ts'
import { readSession, STATUS } from '../../../src/protocols/sdpp/index.ts'
import {
  countingPayer,
  makeBuyer,
  makePair,
  openStreams,
  type Pair,
  type Request,
  serve,
  silent,
  until
} from '../../support/sdpp.ts'

const DAY = 86_400_000
const NOW = Date.now()

interface Market {
  pair: Pair
  log: OpenProductLog
  retention: (change?: Partial<RetentionComponents>) => Retention
}

/** A stream that had ten blocks of ten records on each of the last ten days; a few blocks are acknowledged at a time. */
async function market(t: TestContext): Promise<Market> {
  const pair = await makePair(t, { credit: 10n ** 6n })
  let time = 0
  const log = await openProductLog({
    id: `${pair.log.id}/old`,
    store: pair.sellerLedger.blocks,
    blockRecords: 10,
    clock: {
      soon: (callback) => {
        const turn = setImmediate(callback)
        return () => clearImmediate(turn)
      },
      after: () => () => {},
      wallTime: () => time
    }
  })
  t.after(() => log.close())
  for (let day = 10; day > 0; day--) {
    time = NOW - day * DAY + 60_000
    await log.append(Array.from({ length: 100 }, () => new Uint8Array(1_000)))
  }
  pair.product = { ...pair.product, log }
  const { id: listing } = pair.listing
  const retention = (change: Partial<RetentionComponents> = {}): Retention => {
    const { sessions } = pair.sellerLedger
    return new Retention({
      products: () => [{ listing, finite: false, log }],
      // Of this test only.
      sessions: {
        ...sessions,
        list: async (...args) => (await sessions.list(...args)).filter(({ peer }) => peer === pair.buyerSigner.peerId)
      },
      keepRecords: 3 * DAY,
      logger: silent,
      now: () => NOW,
      ...change
    })
  }
  return { pair, log, retention }
}

async function open(pair: Pair, request: Omit<Request, 'wish'> & Partial<Request>, payer = countingPayer()) {
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound)
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 10n ** 9n }
  const buyer = makeBuyer(pair, outbound, { wish, ...request }, { payer })
  return { buyer, outbound, done }
}

/** A buyer of everything from the start that has handled `handled` records, and paid for some, when its stream is cut. */
async function cutAt(pair: Pair, handled: bigint, payer = countingPayer()): Promise<string> {
  const { buyer, outbound, done } = await open(pair, {}, payer)
  await buyer.open()
  const id = buyer.status.id as string
  const batches = buyer.batches()
  while (buyer.status.handled < handled) await batches.next()
  await until('it has paid', () => payer.paid.length > 0)
  // All that was acknowledged arrives before the end of the stream does.
  await outbound.close()
  await done
  outbound.abort(new Error('cable cut'))
  await buyer.done.catch(() => {})
  return id
}

test('records of streams are kept for ever unless the setting says how long', async (t) => {
  const { log, retention } = await market(t)
  await retention({ keepRecords: undefined }).look()
  assert.equal(log.tail, 0n)
  await retention().look()
  assert.equal(log.tail, 700n)
  assert.equal(log.head, 1_000n)
  await retention({ now: () => NOW + 30 * DAY }).look()
  assert.equal(log.tail, 1_000n)
})

test('a finite product is kept whole', async (t) => {
  const { pair, log, retention } = await market(t)
  await retention({ products: () => [{ listing: pair.listing.id, finite: true, log }] }).look()
  assert.equal(log.tail, 0n)
})

test('an order from before the tail is told what there is', async (t) => {
  const { pair, log, retention } = await market(t)
  await retention().look()
  const { buyer } = await open(pair, {})
  await assert.rejects(buyer.open(), (error: unknown) => {
    assert.ok(error instanceof DdmError)
    assert.equal(error.details?.status, STATUS.offsetPruned)
    return true
  })
  await assert.rejects(log.read(699n), { code: 'notFound' })
  const later = await open(pair, { wish: { from: { offset: 700n }, quantity: 5n, prepay: 0n, maximum: 10n ** 6n } })
  await later.buyer.open()
  for await (const _ of later.buyer.batches());
  assert.equal((await later.buyer.done).received, 5n)
})

test('whoever wants what is kept of the free records gets that; when none is left both sides are told', async (t) => {
  const { pair, log, retention } = await market(t)
  const free = { from: 695, to: 720 }
  const { id: listing, document } = pair.listing
  const offered = { ...pair.listing, document: { ...document, freeRange: free } }
  const warned: unknown[] = []
  const products = () => [{ listing, finite: false, log, free }]
  const logger = { ...silent, warn: (_message: string, details?: object) => warned.push(details) }
  // Nobody resumes a sample.
  const sessions = { ...pair.sellerLedger.sessions, list: async () => [] }
  const look = (days: number) => retention({ products, sessions, logger, now: () => NOW + days * DAY }).look()
  const sample = async () => {
    const nothing = { records: 25, from: 695, max: 0n, prepay: 0n }
    const [payment] = document.payment as [ListingPayment]
    const currency = { symbol: 'T', decimals: 6 }
    const wish = orderWish(offered, payment, nothing, { currency, prepay: 1n, maximum: 1n })
    pair.product = { ...pair.product, listing: offered }
    const { buyer } = await open(pair, { wish, listing: offered })
    await buyer.open()
    const offsets: bigint[] = []
    for await (const { first, length } of buyer.batches())
      for (let i = 0; i < length; i++) offsets.push(first + BigInt(i))
    return { offsets, due: (await buyer.done).due }
  }
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => BigInt(from + i))
  assert.deepEqual(await sample(), { offsets: range(695, 720), due: 0n })
  await look(0)
  assert.equal(log.tail, 700n)
  assert.deepEqual(await sample(), { offsets: range(700, 720), due: 0n })
  assert.deepEqual(warned, [])
  await look(1)
  assert.deepEqual(warned, [{ listing, gone: '695-720', tail: '800' }])
  await assert.rejects(sample(), { code: 'refused', message: /forgotten records 695…720, it keeps 800…1000/ })
})

test('what a session that was cut has not acknowledged stays until nobody can resume it', async (t) => {
  const { pair, log, retention } = await market(t)
  const payer = countingPayer()
  const id = await cutAt(pair, 500n, payer)
  const { sessions } = pair.sellerLedger
  const row = (await sessions.get(id, 'seller')) ?? assert.fail()
  assert.ok(row.checkpoint.position <= 1_000n && row.state === 'suspended')
  await retention().look()
  assert.ok(log.tail > 0n, 'blocks that were acknowledged are gone')
  assert.ok(log.tail <= row.checkpoint.position, `${log.tail} is after ${row.checkpoint.position}`)
  assert.ok(log.tail < 700n)

  const stored = (await readSession(pair.buyerLedger.sessions, id, 'buyer')) ?? assert.fail()
  // What it has paid before the cut it knows.
  const again = await open(pair, { resume: { stored } }, payer)
  await again.buyer.open()
  const seen: bigint[] = []
  for await (const batch of again.buyer.batches()) {
    for (let i = 0; i < batch.length; i++) seen.push(batch.first + BigInt(i))
    if (seen.at(-1) === 999n) break
  }
  assert.equal(seen.length, 1_000 - Number(stored.record.position))
  await Promise.all([again.buyer.done, again.done])
  await retention().look()
  assert.ok(log.tail >= 690n, 'all of it is acknowledged')
})

test('one that was given up holds nothing, one that is only old does; its checkpoints do not stay', async (t) => {
  const { pair, log, retention } = await market(t)
  const id = await cutAt(pair, 500n)
  const { sessions } = pair.sellerLedger
  assert.ok(((await sessions.checkpoint(id, 'seller', 500n))?.position ?? 0n) > 0n)
  const later = retention({ now: () => NOW + 2 * DAY })
  await later.look()
  assert.ok(log.tail <= 500n, `${log.tail}: a clock may be wrong`)
  const record = await sessions.get(id, 'seller')
  assert.ok(record)
  await sessions.put({ ...record, state: 'abandoned' })
  await later.look()
  assert.equal(log.tail, 900n)
  assert.equal(await sessions.checkpoint(id, 'seller', 500n), undefined)
  assert.ok((await sessions.parts(id, 'seller')).length > 0, 'its evidence stays')
})

test('a log that cannot be pruned keeps no other from it', async (t) => {
  const { pair, log, retention } = await market(t)
  const warned: unknown[] = []
  const broken = { ...log, tail: 0n, offsetAt: async () => Promise.reject(new Error('disk full')) }
  await retention({
    products: () => [
      { listing: '0xbad', finite: false, log: { ...broken, prune: async () => {} } },
      { listing: pair.listing.id, finite: false, log }
    ],
    logger: { ...silent, warn: (_message, details) => warned.push(details?.listing) }
  }).look()
  assert.deepEqual(warned, ['0xbad'])
  assert.equal(log.tail, 700n)
})

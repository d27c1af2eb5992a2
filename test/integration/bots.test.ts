import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connectNode, serveNode } from '../../src/api/index.ts'
import {
  createNode,
  EXIT_CODES,
  type FollowEvent,
  type LocalNode,
  type Purchase,
  type PurchaseEvent
} from '../../src/index.ts'
import { ddm } from './cli-process.ts'
import { startWindMarket, type WindMarket } from './wind-market.ts'

/** A bot and sellers of one product, each a process of its own: one is killed, one sends what breaks its schema. */

const PRICE = 100n

const startedAt = Date.now()
let market: WindMarket
let node: LocalNode
const listings = new Map<string, string>()

async function startSeller(name: string, price: string, kind: 'good' | 'bad' = 'good'): Promise<void> {
  listings.set(name, await market.start(name, price, kind))
}

/** A machine under load is silent for seconds; here a seller is left for what it does. */
const PATIENT = { silentMs: 60_000 }

const listingOf = (name: string): string => listings.get(name) ?? assert.fail(name)

before(async () => {
  market = await startWindMarket()
  await Promise.all([
    startSeller('north', '0.0001'),
    startSeller('south', '0.0002'),
    startSeller('broken', '0.00005', 'bad')
  ])
  const config = { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'error' as const }
  node = await createNode({
    home: join(market.network.folder, 'bot'),
    network: market.network.profile,
    insecureDevKeys: true,
    config
  })
  await node.listings.synced()
})

after(async () => {
  await node?.stop()
  await market?.close()
})

interface Wind {
  time: string
  n: number
}

const byTime = (record: { json: <T>() => T }): string => record.json<Wind>().time

test('the events of a purchase come in order, and its quality is that of the listing', async () => {
  const events: PurchaseEvent[] = []
  const purchase = node.buy(listingOf('south'), {
    records: 40,
    max: '0.05',
    k: 10,
    onEvent: (event) => events.push(event)
  })
  let count = 0
  for await (const { receivedAt } of purchase) {
    assert.ok(Math.abs(Date.now() - receivedAt) < 60_000)
    count++
  }
  const outcome = await purchase.done
  assert.equal(count, 40)
  const records = events.flatMap((event) => (event.type === 'records' ? [event] : []))
  assert.equal(
    records.reduce((sum, one) => sum + one.count, 0),
    40
  )
  assert.ok(records.every((one, i) => i === 0 || one.first > (records[i - 1]?.first ?? 0n)))
  const payments = events.flatMap((event) => (event.type === 'payment' ? [event.paid] : []))
  assert.ok(payments.length >= 2)
  assert.equal(payments.at(-1), 2n * PRICE * 40n)
  assert.deepEqual(events.at(-1), { type: 'ended', outcome })
  // A connection that a machine under load loses is a failure, and is taken up again.
  const { invalid, missing, delayMs } = outcome.quality
  assert.deepEqual([invalid, missing], [0, 0])
  // Records are younger than the market; how long a machine takes to start one is another matter.
  assert.ok(delayMs !== undefined && delayMs.p50 <= delayMs.p95 && delayMs.p95 < Date.now() - startedAt)
})

test('a listener that fails harms nothing', async () => {
  const onEvent = (): void => {
    throw new Error('a fault of the bot')
  }
  const purchase = node.buy(listingOf('south'), { records: 3, max: '0.05', onEvent })
  for await (const _ of purchase);
  assert.equal((await purchase.done).records, 3n)
})

async function windOf(purchase: Purchase): Promise<Wind[]> {
  const seen: Wind[] = []
  for await (const record of purchase) seen.push(record.json<Wind>())
  return seen
}

test('records that break the schema: by default they end the purchase unpaid; dropped they are paid for and counted', async () => {
  const events: PurchaseEvent[] = []
  const stopping = node.buy(listingOf('broken'), { max: '0.05', records: 100, onEvent: (event) => events.push(event) })
  await assert.rejects(windOf(stopping), { code: 'schema' })
  assert.equal(stopping.status.quality.invalid, 1)
  assert.equal((events.at(-1) as { error?: { code: string } }).error?.code, 'schema')

  const dropping = node.buy(listingOf('broken'), {
    max: '0.05',
    records: 100,
    onInvalid: 'drop',
    onEvent: (event) => events.push(event)
  })
  const seen = await windOf(dropping)
  const { records, paid, quality } = await dropping.done
  assert.equal(records, 100n)
  assert.equal(paid, (PRICE / 2n) * 100n)
  assert.equal(quality.invalid, 10)
  assert.equal(seen.length, 90)
  assert.ok(seen.every(({ n }) => Number.isInteger(n)))
  assert.ok(events.some((event) => event.type === 'quality' && event.quality.invalid === 10))
})

test('through the API of a running node a bot sees the same', async () => {
  const served = await serveNode({ node, version: '0.0.0' })
  try {
    const connected = await connectNode(node.home)
    assert.ok(connected !== undefined)
    const types = new Set<string>()
    const onEvent = ({ type }: PurchaseEvent): void => void types.add(type)
    const options = { max: '0.05', records: 60, onInvalid: 'drop', onEvent } as const
    const purchase = connected.node.buy(listingOf('broken'), options)
    assert.equal((await windOf(purchase)).length, 54)
    const { quality, paid } = await purchase.done
    assert.deepEqual([quality.invalid, paid], [6, (PRICE / 2n) * 60n])
    await new Promise((resolve) => setImmediate(resolve))
    for (const type of ['records', 'payment', 'quality', 'ended']) assert.ok(types.has(type), type)
  } finally {
    await served?.stop()
  }
})

test('through the API several sellers are followed as here: one is left, every record once, one budget', async () => {
  const served = await serveNode({ node, version: '0.0.0' })
  try {
    const connected = await connectNode(node.home)
    assert.ok(connected !== undefined)
    const events: FollowEvent[] = []
    const wind = connected.node.follow(['broken', 'south'].map(listingOf), {
      max: '0.05',
      records: 30,
      key: 'time',
      leave: PATIENT,
      onEvent: (event) => events.push(event)
    })
    const times = new Set<string>()
    for await (const record of wind) times.add(byTime(record))
    const { reason, records, paid, purchases } = await wind.done
    assert.deepEqual([reason, records, times.size], ['complete', 30n, 30])
    assert.deepEqual([wind.status.records, wind.status.paid], [records, paid])
    assert.equal(
      paid,
      purchases.reduce((sum, one) => sum + one.paid, 0n)
    )
    assert.deepEqual(
      purchases.map(({ listing, left }) => [listing, left]),
      [
        [listingOf('broken'), 'invalid'],
        [listingOf('south'), undefined]
      ]
    )
    await new Promise((resolve) => setImmediate(resolve))
    const types = new Set(events.map(({ type }) => type))
    for (const type of ['joined', 'left', 'records', 'payment', 'ended'] as const) assert.ok(types.has(type), type)
    const left = events.find((event) => event.type === 'left')
    assert.equal((left?.error as { code?: string } | undefined)?.code, 'schema')

    // Whoever leaves the loop learns how it ended; what cannot be sent is said here.
    const some = connected.node.follow([listingOf('south')], { max: '0.05' })
    for await (const _ of some) break
    assert.equal((await some.done).reason, 'stopped')
    assert.throws(() => connected.node.follow([listingOf('south')], { max: '1', key: byTime }), { code: 'usage' })
    const none = connected.node.follow(['0xdeadbeef'], { max: '1' })
    await assert.rejects(
      async () => {
        for await (const _ of none);
      },
      { code: 'notFound' }
    )
    await assert.rejects(none.done, { code: 'notFound' })

    const lines = await ddm([
      ...['follow', listingOf('broken'), listingOf('south'), '--home', node.home, '--json'],
      ...['--max', '0.05', '-n', '20', '--key', 'time']
    ])
    assert.equal(lines.code, 0, lines.stderr)
    const wanted = lines.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as Wind).time)
    assert.equal(new Set(wanted).size, 20)
  } finally {
    await served?.stop()
  }
})

test('ddm follow: several sellers into one file, and what each cost', async () => {
  const file = join(market.network.folder, 'wind.jsonl')
  const flags = ['--max', '0.05', '-n', '25', '--key', 'time', '--silent', '1m', '--resume-for', '1m', '-o', file]
  flags.push(...market.network.as('follower'))
  const refusedOne = await ddm(['follow', listingOf('south'), '-n', '1', '--json', ...market.network.as('follower')])
  assert.equal(refusedOne.code, EXIT_CODES.usage)
  const followed = await ddm(['follow', listingOf('broken'), listingOf('south'), '--json', ...flags])
  assert.equal(followed.code, 0, followed.stderr)
  assert.equal((await readFile(file, 'utf8')).trim().split('\n').length, 25)
  const said = followed.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    said.flatMap(({ event, why }) => (event === 'joined' ? ['joined'] : event === 'left' ? [why] : [])),
    ['joined', 'invalid', 'joined'],
    followed.stderr
  )
  const { records, reason, purchases } = said.at(-1) as { records: number; reason: string; purchases: unknown[] }
  assert.deepEqual([records, reason, purchases.length], [25, 'complete', 2])
})

test('a seller that is killed, and one that breaks its schema, are left: every record once, within one budget', async () => {
  const events: FollowEvent[] = []
  const wind = node.follow(['broken', 'north', 'south'].map(listingOf), {
    max: '0.1',
    records: 200,
    key: byTime,
    resumeFor: 500,
    leave: PATIENT,
    onEvent: (event) => events.push(event)
  })
  const times: number[] = []
  let killed = false
  for await (const record of wind) {
    times.push(Date.parse(record.json<Wind>().time))
    if (killed || wind.status.seller === undefined || wind.status.listing !== listingOf('north')) continue
    if (times.length < 60) continue
    killed = true
    await market.end('north', 'SIGKILL')
  }
  const { reason, records, paid, purchases } = await wind.done
  assert.deepEqual([reason, records, times.length], ['complete', 200n, 200])
  assert.equal(new Set(times).size, 200, 'every record once')
  const order = events.flatMap((event) => (event.type === 'joined' ? [event.listing] : []))
  assert.deepEqual(order.slice(0, 3), ['broken', 'north', 'south'].map(listingOf))
  const left = events.flatMap((event) => (event.type === 'left' ? [[event.listing, event.why]] : []))
  assert.deepEqual(left.slice(0, 2), [
    [listingOf('broken'), 'invalid'],
    [listingOf('north'), 'failed']
  ])
  assert.equal(
    paid,
    purchases.reduce((sum, one) => sum + one.paid, 0n)
  )
  assert.ok(paid <= 100_000n)
  const sorted = times.toSorted((a, b) => a - b)
  const lost = sorted.slice(1).filter((time, i) => time - (sorted[i] as number) > 50)
  assert.deepEqual(lost, [], 'the next seller starts before the last record of the one before')
})

test('sessions that budgetPerSession ends follow each other without a gap or a duplicate', async () => {
  // Ten records of this seller.
  await node.wallet.setBudget({ perSession: '0.002' })
  const wind = node.follow([listingOf('south')], { max: 25n * 200n, leave: PATIENT })
  const offsets: bigint[] = []
  for await (const { offset } of wind) offsets.push(offset)
  await node.wallet.setBudget({ perSession: '10' })
  const { reason, paid, duplicates, purchases } = await wind.done
  assert.deepEqual(
    purchases.map(({ records, paid: cost }) => [records, cost]),
    [10n, 10n, 5n].map((records) => [records, records * 200n])
  )
  assert.deepEqual([reason, paid, duplicates], ['maximum', 5_000n, 0n])
  const [first = 0n] = offsets
  assert.deepEqual(
    offsets,
    offsets.map((_, i) => first + BigInt(i))
  )
})

test('a session that was cut goes on when the seller is back; one budget holds over all of it', async () => {
  await startSeller('north', '0.0001')
  const events: FollowEvent[] = []
  const max = 20n * PRICE
  const wind = node.follow([listingOf('north')], {
    max,
    key: byTime,
    resumeFor: 0,
    onEvent: (event) => events.push(event)
  })
  const times = new Set<string>()
  let killed: Promise<unknown> | undefined
  for await (const record of wind) {
    times.add(byTime(record))
    if (times.size === 5) killed = market.end('north', 'SIGKILL').then(() => startSeller('north', '0.0001'))
  }
  await killed
  const { reason, records, paid } = await wind.done
  assert.equal(reason, 'maximum')
  assert.equal(records, BigInt(times.size))
  assert.ok(paid <= max, `${paid} of ${max}`)
  assert.ok(events.some((event) => event.type === 'joined' && event.session !== undefined))
})

test('a seller that is there and says nothing is cut off, and what it may still ask for is not promised to the next', async () => {
  const events: FollowEvent[] = []
  const wind = node.follow(['north', 'south'].map(listingOf), {
    max: '0.1',
    // More than may have come at once when a machine under load catches up.
    records: 200,
    key: byTime,
    leave: { silentMs: 8_000 },
    onEvent: (event) => events.push(event)
  })
  let seen = 0
  try {
    for await (const _ of wind) if (++seen === 20) market.freeze('north')
  } finally {
    market.thaw('north')
  }
  const { reason, paid, purchases } = await wind.done
  assert.deepEqual([reason, seen], ['complete', 200])
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'left' ? [event.why] : [])),
    ['silentMs']
  )
  const [first, second] = purchases
  assert.ok(first !== undefined && second !== undefined && paid === first.paid + second.paid)
  assert.ok(first.paid <= first.due)
})

test('leaving the loop settles; a watch tells of a new listing under a price', async () => {
  const wind = node.follow([listingOf('south')], { max: '0.01', from: 'live' })
  for await (const _ of wind) break
  const { reason, purchases } = await wind.done
  assert.equal(reason, 'stopped')
  assert.equal(purchases[0]?.paid, purchases[0]?.due)

  const stop = new AbortController()
  const west = Promise.withResolvers<void>()
  const news = node.listings.watch({ text: 'west wind', maxPrice: 150n }, { signal: stop.signal })
  const bought = (async () => {
    for await (const { type, listing } of news) {
      if (type === 'removed') continue
      // It is told of before its seller has opened its log.
      await west.promise
      const purchase = node.buy(listing, { records: 5, max: '0.01' })
      await windOf(purchase)
      return (await purchase.done).records
    }
    return 0n
  })()
  await startSeller('west', '0.0001')
  west.resolve()
  assert.equal(await bought, 5n)
  stop.abort()
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { teeSource } from '../../../src/data/index.ts'
import type { DataSource, SourceReadOptions, SourceRecord } from '../../../src/interface/index.ts'

/** A source that counts how often it is opened and how far it was read. */
function counting(length = Number.POSITIVE_INFINITY): DataSource & { opened: string[]; read: number; told: string[] } {
  const source = {
    name: 'counter',
    finite: Number.isFinite(length),
    opened: [] as string[],
    read: 0,
    told: [] as string[],
    durable: (position: string): void => void source.told.push(position),
    async *records({ from, signal }: SourceReadOptions = {}): AsyncGenerator<SourceRecord> {
      source.opened.push(from ?? 'start')
      for (let n = Number(from ?? -1) + 1; n < length; n++) {
        if (signal?.aborted === true) throw signal.reason
        source.read++
        yield { bytes: Buffer.from(String(n)), position: String(n) }
        await turn()
      }
    }
  }
  return source
}

async function take(source: DataSource, count: number, options?: SourceReadOptions): Promise<number[]> {
  const seen: number[] = []
  for await (const { bytes } of source.records(options)) {
    seen.push(Number(Buffer.from(bytes).toString()))
    if (seen.length === count) break
  }
  return seen
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => n + from)

test('a source opened once gives every branch everything', async () => {
  const source = counting(500)
  const [one, two, three] = teeSource(source, 3) as [DataSource, DataSource, DataSource]
  const all = await Promise.all([one, two, three].map((branch) => take(branch, Number.POSITIVE_INFINITY)))
  for (const seen of all) assert.deepEqual(seen, upTo(500))
  assert.deepEqual(source.opened, ['start'])
  assert.equal(source.read, 500)
})

test('it waits for all branches, is read as fast as the slowest, and goes on when that one leaves', async () => {
  const source = counting(2_000)
  const [fast, slow] = teeSource(source, 2) as [DataSource, DataSource]
  const all = take(fast, Number.POSITIVE_INFINITY)
  for (let i = 0; i < 20; i++) await turn()
  assert.deepEqual(source.opened, [], 'the second has not asked')
  const stuck = slow.records()[Symbol.asyncIterator]()
  await stuck.next()
  for (let i = 0; i < 1_000; i++) await turn()
  assert.ok(source.read < 300, `${source.read} read while one branch stands still`)
  await stuck.return?.()
  assert.deepEqual(await all, upTo(2_000))
})

test('when the last branch leaves, the source is closed', async () => {
  const source = counting()
  const [one, two] = teeSource(source, 2) as [DataSource, DataSource]
  await Promise.all([take(one, 3), take(two, 5)])
  const { read } = source
  for (let i = 0; i < 20; i++) await turn()
  assert.ok(source.read <= read + 2, 'it stands still')
})

test('a position is durable when it is in every branch; one that left is not waited for', async () => {
  const source = counting(400)
  const [one, two] = teeSource(source, 2) as [DataSource, DataSource]
  const first = one.records()[Symbol.asyncIterator]()
  const second = two.records()[Symbol.asyncIterator]()
  for (let n = 0; n < 10; n++) await Promise.all([first.next(), second.next()])
  one.durable?.('6')
  assert.deepEqual(source.told, [])
  two.durable?.('3')
  two.durable?.('2')
  one.durable?.('nobody knows it')
  assert.deepEqual(source.told, ['3'])
  two.durable?.('9')
  assert.deepEqual(source.told, ['3', '6'])
  await second.return?.()
  for (let n = 10; n < 400; n++) await first.next()
  one.durable?.('399')
  assert.equal(source.told.at(-1), '399')
})

test('branches that go on from different positions are read for separately', async () => {
  const source = counting(20)
  const [one, two, three] = teeSource(source, 3) as [DataSource, DataSource, DataSource]
  const all = await Promise.all([
    take(one, Number.POSITIVE_INFINITY, { from: '9' }),
    take(two, Number.POSITIVE_INFINITY, { from: '4' }),
    take(three, Number.POSITIVE_INFINITY, { from: '9' })
  ])
  assert.deepEqual(all, [upTo(10, 10), upTo(15, 5), upTo(10, 10)])
  assert.deepEqual(source.opened.sort(), ['4', '9'])
})

test('an error of the source is one of each branch, after what came before it; so is an abort of one its own', async () => {
  const broken: DataSource = {
    name: 'broken',
    finite: false,
    async *records() {
      yield { bytes: Buffer.from('0') }
      throw new Error('the broker is gone')
    }
  }
  const branches = teeSource(broken, 2)
  const seen = await Promise.allSettled(branches.map((branch) => take(branch, 2)))
  for (const one of seen) assert.match(String((one as PromiseRejectedResult).reason), /the broker is gone/)
  const stop = new AbortController()
  const [one, two] = teeSource(counting(50), 2) as [DataSource, DataSource]
  const stopped = take(one, 100, { signal: stop.signal })
  const other = take(two, 100)
  stop.abort()
  await assert.rejects(stopped, { code: 'aborted' })
  assert.deepEqual(await other, upTo(50))
})

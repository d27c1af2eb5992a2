import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { encodeBlock, type OpenProductLog, openProductLog } from '../../../src/data/index.ts'
import {
  type Block,
  type BlockStore,
  DdmError,
  MAX_RECORD_BYTES,
  type ProductLog,
  splitRecords
} from '../../../src/interface/index.ts'
import { openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

async function storeOf(t: TestContext): Promise<BlockStore> {
  const ledger = await openLedger({ path: join(await tempDir(t), 'ledger.db') })
  t.after(() => ledger.close())
  return ledger.blocks
}

async function blocksOf(log: ProductLog): Promise<Block[]> {
  const blocks: Block[] = []
  for (let at = log.tail; at < log.head; ) {
    const block = await log.read(at)
    assert.ok(block !== undefined)
    assert.equal(block.first, at, 'blocks follow each other without a gap')
    blocks.push(block)
    at += BigInt(block.count)
  }
  return blocks
}

const record = (text: string): Uint8Array => Buffer.from(text)

/** A store in memory whose appends are answered by the test. */
function heldStore(): { store: BlockStore; waiting: Array<{ block: Block; answer: (error?: Error) => void }> } {
  const waiting: Array<{ block: Block; answer: (error?: Error) => void }> = []
  const store: BlockStore = {
    open: async () => ({ epoch: 1n, range: { tail: 0n, head: 0n }, finished: false }),
    append: (_, block) =>
      new Promise((resolve, reject) => {
        waiting.push({ block, answer: (error) => (error === undefined ? resolve() : reject(error)) })
      }),
    readMany: async () => [],
    offsetAt: async () => 0n,
    finish: async () => {},
    prune: async () => {}
  }
  return { store, waiting }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

test('whatever is appended in whatever pieces is read back as one sequence', async (t) => {
  const store = await storeOf(t)
  let number = 0
  const size = fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 60 }) }, { weight: 1, arbitrary: fc.constant(700) })
  const batch = fc.record({ sizes: fc.array(size, { maxLength: 30 }), wait: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 12 }), async (batches) => {
      const init = { id: `log${number++}`, store, blockRecords: 16, blockBytes: 512, cacheBytes: 3_000 }
      const log = await openProductLog(init)
      const all: Uint8Array[] = []
      const appends: Promise<void>[] = []
      for (const { sizes, wait } of batches) {
        const records = sizes.map((length) => new Uint8Array(length).fill(all.length))
        all.push(...records)
        appends.push(log.append(records))
        if (wait) await appends.at(-1)
      }
      await Promise.all(appends)
      assert.equal(log.head, BigInt(all.length))
      await log.close()
      const again = await openProductLog(init)
      assert.equal(again.epoch, log.epoch)
      for (const reader of [log, again]) {
        const blocks = await blocksOf(reader)
        assert.deepEqual(
          blocks.flatMap(({ bytes, count }) => splitRecords(bytes, count)),
          all
        )
        for (const { count, bytes, digest, first } of blocks) {
          assert.ok(
            count <= 16 && (bytes.byteLength <= 512 || count === 1),
            `${count} records, ${bytes.byteLength} bytes`
          )
          assert.deepEqual(encodeBlock(all.slice(Number(first), Number(first) + count), first, 0).digest, digest)
        }
      }
    }),
    { numRuns: 25 }
  )
})

test('blocks close at 256 records and at 64 KiB; a larger record is a block of its own', async (t) => {
  const log = await openProductLog({ id: 'log', store: await storeOf(t) })
  await log.append(Array.from({ length: 600 }, () => new Uint8Array(10)))
  assert.deepEqual(
    (await blocksOf(log)).map(({ count }) => count),
    [256, 256, 88]
  )
  const before = log.head
  const sizes = [60_000, 5_524, 5_525, 100, MAX_RECORD_BYTES, 100]
  await log.append(sizes.map((length) => new Uint8Array(length)))
  const blocks = (await blocksOf(log)).filter(({ first }) => first >= before)
  // 60,000 + 5,524 and two lengths are 64 KiB less 4 bytes.
  assert.deepEqual(
    blocks.map(({ count }) => count),
    [2, 2, 1, 1]
  )
})

test('a record over the limit is refused, and nothing of its batch is taken', async (t) => {
  const log = await openProductLog({ id: 'log', store: await storeOf(t) })
  const large = new Uint8Array(MAX_RECORD_BYTES + 1)
  await assert.rejects(log.append([record('good'), large]), {
    code: 'badRecord',
    message: `record 1 has ${MAX_RECORD_BYTES + 1} bytes; at most ${MAX_RECORD_BYTES} fit`
  })
  await log.append([record('next')])
  assert.deepEqual(
    (await blocksOf(log))
      .flatMap(({ bytes, count }) => splitRecords(bytes, count))
      .map((bytes) => Buffer.from(bytes).toString()),
    ['next']
  )
})

test('a record that waits alone becomes a block at once; records that come meanwhile share the next', async () => {
  const { store, waiting } = heldStore()
  const log = await openProductLog({ id: 'log', store, blockDelayMs: 60_000 })
  const appends = [log.append([record('a')])]
  await turn()
  assert.equal(waiting.length, 1)
  for (const text of ['b', 'c', 'd']) appends.push(log.append([record(text)]))
  await turn()
  assert.equal(waiting.length, 1, 'they gather while the first is on its way')
  assert.equal(log.head, 0n, 'nothing is readable before it is durable')
  assert.equal(await log.read(0n), undefined)
  waiting[0]?.answer()
  await appends[0]
  assert.equal(log.head, 1n)
  assert.deepEqual(
    waiting.map(({ block }) => block.count),
    [1, 3]
  )
  waiting[1]?.answer()
  await Promise.all(appends)
  assert.equal(log.head, 4n)
})

test('records never wait longer than the delay for their block to close', async () => {
  const { store, waiting } = heldStore()
  const log = await openProductLog({ id: 'log', store, blockDelayMs: 20 })
  const appends = [log.append([record('a')])]
  await turn()
  appends.push(log.append([record('b')]))
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.equal(waiting.length, 2)
  for (const { answer } of waiting) answer()
  await Promise.all(appends)
})

test('many blocks are on their way at once, but not more than 16', async () => {
  const { store, waiting } = heldStore()
  const log = await openProductLog({ id: 'log', store, blockRecords: 1 })
  const append = log.append(Array.from({ length: 40 }, () => record('x')))
  assert.equal(waiting.length, 16)
  for (let answered = 0; answered < 40; answered++) {
    assert.ok(waiting.length - answered <= 16)
    waiting[answered]?.answer()
    await turn()
  }
  await append
  assert.equal(log.head, 40n)
})

test('when the store fails, every waiting append fails and the log takes no more', async () => {
  const { store, waiting } = heldStore()
  const log = await openProductLog({ id: 'log', store, blockRecords: 1 })
  const first = log.append([record('a')])
  const others = Promise.allSettled([log.append([record('b')]), log.append([record('c')])])
  waiting[0]?.answer()
  await first
  waiting[1]?.answer(new DdmError('config', 'the disk is full'))
  for (const answer of await others) {
    assert.ok(answer.status === 'rejected')
    assert.equal(answer.reason.code, 'config')
    assert.match(answer.reason.message, /log log could not store a block: the disk is full/)
  }
  await assert.rejects(log.append([record('d')]), { code: 'config' })
  await assert.rejects(log.finish(), { code: 'config' })
  assert.equal(log.head, 1n)
  waiting[2]?.answer(new Error('the block does not continue the log'))
  await log.close()
})

test('a finished log says so, after a restart too, and takes no more', async (t) => {
  const store = await storeOf(t)
  const log = await openProductLog({ id: 'log', store })
  const append = log.append([record('a')])
  await Promise.all([log.finish(), log.finish(), append])
  for (const one of [log, await openProductLog({ id: 'log', store })] satisfies OpenProductLog[]) {
    assert.equal(one.finished, true)
    assert.equal(one.head, 1n)
    await assert.rejects(one.append([record('b')]), { code: 'usage' })
    await one.finish()
  }
})

test('listeners hear of each durable append and of the end', async (t) => {
  const log = await openProductLog({ id: 'log', store: await storeOf(t) })
  const heads: Array<[bigint, boolean]> = []
  const stop = log.onAppend(() => heads.push([log.head, log.finished]))
  await log.append([record('a')])
  await log.append([record('b'), record('c')])
  await log.finish()
  stop()
  assert.deepEqual(heads, [
    [1n, false],
    [3n, false],
    [3n, true]
  ])
})

test('pruned offsets are gone for readers, the rest stays', async (t) => {
  const log = await openProductLog({ id: 'log', store: await storeOf(t), blockRecords: 4 })
  await log.append(Array.from({ length: 10 }, (_, index) => record(String(index))))
  await log.prune(6n)
  assert.equal(log.tail, 4n)
  await assert.rejects(log.read(3n), {
    code: 'notFound',
    message: /offset 3 of product log log is gone; it starts at 4/
  })
  assert.equal((await log.read(4n))?.first, 4n)
})

test('offsets are found by time', async (t) => {
  const log = await openProductLog({ id: 'log', store: await storeOf(t) })
  await log.append([record('a')])
  await new Promise((resolve) => setTimeout(resolve, 10))
  const between = Date.now()
  await new Promise((resolve) => setTimeout(resolve, 10))
  await log.append([record('b')])
  assert.equal(await log.offsetAt(0), 0n)
  assert.equal(await log.offsetAt(between), 1n)
  assert.equal(await log.offsetAt(Date.now() + 1_000), 2n)
})

test('readers that miss the cache at the same time share one read', async (t) => {
  const store = await storeOf(t)
  const writer = await openProductLog({ id: 'log', store })
  await writer.append([record('a'), record('b')])
  await writer.close()
  await assert.rejects(writer.append([record('c')]), /closed/)
  let reads = 0
  const counting: BlockStore = {
    ...store,
    readMany: (...args) => {
      reads += 1
      return store.readMany(...args)
    }
  }
  const log = await openProductLog({ id: 'log', store: counting })
  const blocks = await Promise.all([log.read(1n), log.read(1n), log.read(1n)])
  assert.equal(new Set([...blocks, await log.read(0n)]).size, 1)
  assert.equal(reads, 1)
})

test('a reader that goes through a stored log finds most of it read ahead', async (t) => {
  const store = await storeOf(t)
  const writer = await openProductLog({ id: 'log', store, blockRecords: 1 })
  const size = 64 * 1024 - 4
  for (let i = 0; i < 100; i++) await writer.append([new Uint8Array(size).fill(i)])
  await writer.close()
  let reads = 0
  const counting: BlockStore = {
    ...store,
    readMany: (...args) => {
      reads += 1
      return store.readMany(...args)
    }
  }
  const log = await openProductLog({ id: 'log', store: counting })
  for (let offset = 0n; offset < 100n; offset++) {
    assert.equal((await log.read(offset))?.bytes[4], Number(offset))
  }
  assert.ok(reads <= 5, `${reads} reads for 100 blocks of 64 KiB`)
})

test('aborted calls ask nothing', async (t) => {
  const log = await openProductLog({ id: 'log', store: await storeOf(t) })
  const signal = AbortSignal.abort()
  await assert.rejects(log.append([record('a')], { signal }), { code: 'aborted' })
  assert.equal(log.head, 0n)
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseSink, resumeFileSink, type SinkOptions } from '../../../src/data/index.ts'
import type { DataRecord, DataSink, DdmError, ErrorCode } from '../../../src/interface/index.ts'
import { recordsOf } from '../../support/connectors.ts'

/** Where a sink writes in a test. */
export interface SinkWorld {
  spec: string
  options?: SinkOptions
  /** What has arrived, as JSON texts in order. */
  arrived: () => Promise<string[]>
  /** The other side takes nothing any more, until `release`. */
  hold?: () => void
  release?: () => void
  /** Loses the connection while it is in use. */
  cut?: () => Promise<void> | void
}

export interface SinkCompliance {
  /** What its world can do. */
  able: ReadonlyArray<'hold' | 'cut'>
  /** Undefined when it cannot run here, after the test was told so. */
  start: (t: TestContext) => Promise<SinkWorld | undefined>
  /** Whether a later run goes on from a mark. */
  resumes?: boolean
  refused?: (t: TestContext) => Promise<Array<{ spec: string; code: ErrorCode; message?: RegExp }>>
}

/** What a sink may take at once while nothing leaves it. */
const MAX_HELD_BYTES = 32 * 1024 * 1024

const PROMPT_MS = 5_000

export function batchOf(from: number, to: number): DataRecord[] {
  return recordsOf(from, to).map((text, index) => ({ offset: BigInt(from + index), bytes: Buffer.from(text) }))
}

const sinkOf = ({ spec, options }: SinkWorld): Promise<DataSink> => parseSink(spec, options)

/** What every sink does, wherever its records go. */
export function dataSinkCompliance(name: string, { start, able, resumes = false, refused }: SinkCompliance): void {
  test(`${name}: records arrive in order, each once`, async (t) => {
    const world = await start(t)
    if (world === undefined) return
    const sink = await sinkOf(world)
    await sink.write([])
    await Promise.all([sink.write(batchOf(0, 300)), sink.write(batchOf(300, 301)), sink.write(batchOf(301, 2_500))])
    await sink.flush()
    await sink.close()
    assert.deepEqual(await world.arrived(), recordsOf(0, 2_500))
    await assert.rejects(sink.write(batchOf(0, 1)))
    const stopped = await sinkOf(await must(start(t)))
    await assert.rejects(stopped.write(batchOf(0, 1), { signal: AbortSignal.abort() }), { code: 'aborted' })
    await stopped.close()
  })

  const ableTo = (what: SinkCompliance['able'][number], title: string, run: (world: SinkWorld) => Promise<void>) => {
    if (!able.includes(what)) return
    test(`${name}: ${title}`, async (t) => {
      const world = await start(t)
      if (world !== undefined) await run(world)
    })
  }

  ableTo('hold', 'a write waits for the other side, and its wait can be ended', async (world) => {
    const sink = await sinkOf(world)
    world.hold?.()
    const payload = Buffer.from(JSON.stringify('x'.repeat(100_000)))
    let taken = 0
    const stop = new AbortController()
    const writing = (async () => {
      for (let n = 0; taken < 10 * MAX_HELD_BYTES; n++) {
        await sink.write([{ offset: BigInt(n), bytes: payload }], { signal: stop.signal })
        taken += payload.byteLength
      }
    })()
    const ended = assert.rejects(writing, { code: 'aborted' })
    let before = -1
    while (before !== taken) {
      before = taken
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    assert.ok(taken < MAX_HELD_BYTES, `${taken} bytes were taken and did not leave`)
    stop.abort()
    await Promise.race([
      ended,
      new Promise((_resolve, reject) => {
        setTimeout(() => reject(new Error('it goes on')), PROMPT_MS).unref()
      })
    ])
    world.release?.()
    await sink.close().catch(() => {})
  })

  ableTo('cut', 'nothing is lost with a connection', async (world) => {
    const { cut } = world
    assert.ok(cut !== undefined)
    const sink = await sinkOf(world)
    for (let n = 0; n < 3; n++) {
      const writing = sink.write(batchOf(n * 100, n * 100 + 100))
      await cut()
      await writing
    }
    await sink.flush()
    await sink.close()
    assert.deepEqual([...new Set(await world.arrived())], recordsOf(0, 300))
  })

  ableTo('cut', 'a mark names the server once it has all that was written before', async (world) => {
    const sink = await sinkOf(world)
    await sink.write(batchOf(0, 500))
    const mark = (await sink.mark?.()) ?? '{}'
    assert.deepEqual(await world.arrived(), recordsOf(0, 500))
    assert.equal((JSON.parse(mark) as { to?: string }).to, sink.name)
    assert.doesNotMatch(mark, /secret/)
    await sink.close()
  })

  if (resumes) {
    for (const end of ['is cut', 'is closed'] as const) {
      test(`${name}: a run that ${end} is gone on with exactly at its mark`, async (t) => {
        const world = await must(start(t))
        const first = await sinkOf(world)
        const empty = await first.mark?.()
        assert.ok(empty !== undefined)
        await first.write(batchOf(0, 50))
        const mark = await first.mark?.()
        assert.ok(mark !== undefined)
        // These come again, because nobody knows that they were written.
        await first.write(batchOf(50, 70))
        await (end === 'is cut' ? first.flush() : first.close())
        const second = await resumeFileSink(mark)
        await second.write(batchOf(50, 100))
        await second.close()
        assert.deepEqual(await world.arrived(), recordsOf(0, 100))
        const anew = await resumeFileSink(empty)
        await anew.write(batchOf(0, 3))
        await anew.close()
        assert.deepEqual(await world.arrived(), recordsOf(0, 3))
      })
    }
  }

  if (refused === undefined) return
  test(`${name}: what cannot be opened says why, at once`, async (t) => {
    for (const { spec, code, message = /./ } of await refused(t)) {
      const opening = (async () => {
        const sink = await parseSink(spec)
        await sink.write(batchOf(0, 1))
        await sink.flush()
      })()
      await assert.rejects(opening, (error: DdmError) => {
        assert.equal(error.code, code, error.message)
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /secret/, 'a password is never shown')
        return true
      })
    }
  })
}

async function must<T>(value: Promise<T | undefined>): Promise<T> {
  const found = await value
  assert.ok(found !== undefined)
  return found
}

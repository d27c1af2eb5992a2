import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseSource, type SourceOptions } from '../../../src/data/index.ts'
import type { DataSource, DdmError, ErrorCode } from '../../../src/interface/index.ts'
import { collect, recordsOf } from '../../support/connectors.ts'

/** What a source reads in a test. */
export interface SourceWorld {
  spec: string
  options?: SourceOptions
  /** Makes the records `{"n":from}` up to before `to` come. A finite source must have them before it is read. */
  send: (from: number, to: number) => Promise<void>
  /** What was sent, where a record says more than that. */
  sent?: (text: string) => string
  /** Loses the connection; what is sent later comes all the same. */
  cut?: () => Promise<void> | void
  /** Sends one record that is larger than a record may be, or none at all. */
  oversized?: () => Promise<void>
  malformed?: () => Promise<void>
  /** Offers records without end; returns how many bytes have left so far. */
  flood?: () => Promise<() => number>
}

/** What is sent while a source is read; to a finite one before. */
async function during<T>(source: DataSource, read: () => Promise<T>, send: () => Promise<void>): Promise<T> {
  if (source.finite) {
    await send()
    return read()
  }
  const reading = read()
  // It may fail before everything is sent.
  reading.catch(() => {})
  await send()
  return reading
}

const sentOf = ({ sent = (text) => text }: SourceWorld, texts: string[]): string[] => texts.map(sent)

export interface SourceCompliance {
  /** What its world can do. */
  able: ReadonlyArray<'cut' | 'oversized' | 'malformed' | 'flood'>
  /** Undefined when it cannot run here, after the test was told so. */
  start: (t: TestContext) => Promise<SourceWorld | undefined>
  /** Whether a later run goes on from a position. */
  resumes?: boolean
  /** Names of sources that cannot be opened, and how they fail. */
  refused?: (t: TestContext) => Promise<Array<{ spec: string; code: ErrorCode; message?: RegExp }> | undefined>
}

/** A stop must not take longer. */
const PROMPT_MS = 2_000

/** What a source and the sockets under it may hold for a reader that takes nothing. */
const MAX_HELD_BYTES = 32 * 1024 * 1024

const sourceOf = ({ spec, options }: SourceWorld, more: SourceOptions = {}): Promise<DataSource> =>
  parseSource(spec, { ...options, ...more })

/** What every source does, over whatever its records come. */
export function dataSourceCompliance(name: string, { start, able, resumes = false, refused }: SourceCompliance): void {
  const cases = (what: string, run: (t: TestContext, world: SourceWorld) => Promise<void>): void => {
    test(`${name}: ${what}`, async (t) => {
      const world = await start(t)
      if (world !== undefined) await run(t, world)
    })
  }

  cases('records come in order, each once', async (_t, world) => {
    const source = await sourceOf(world)
    const read = () => collect(source, { until: (all) => all.length >= 500 })
    const { texts } = await during(source, read, () => world.send(0, 500))
    assert.deepEqual(sentOf(world, texts), recordsOf(0, 500))
  })

  cases('a reader that leaves, and one that is told to stop, end at once', async (_t, world) => {
    await world.send(0, 10)
    const left = await sourceOf(world)
    for await (const _record of left.records()) break
    const stop = new AbortController()
    const reading = (async () => {
      for await (const _record of (await sourceOf(world)).records({ signal: stop.signal })) {
        stop.abort()
        // A finite source may be at its end before it hears.
        if (left.finite) await new Promise(() => {}).catch(() => {})
      }
    })()
    const late = new Promise((_resolve, reject) => {
      setTimeout(() => reject(new Error('it goes on')), PROMPT_MS).unref()
    })
    if (!left.finite) await assert.rejects(Promise.race([reading, late]), { code: 'aborted' })
    const aborted = (async () => {
      for await (const _record of (await sourceOf(world)).records({ signal: AbortSignal.abort() }));
    })()
    await assert.rejects(Promise.race([aborted, late]), { code: 'aborted' })
  })

  if (resumes) {
    cases('a later run goes on from a position', async (_t, world) => {
      const first = collect(await sourceOf(world), { until: (all) => all.length >= 60, durableTo: 40 })
      await world.send(0, 60)
      const { position } = await first
      assert.ok(position !== undefined)
      const second = collect(await sourceOf(world), { from: position, until: (all) => all.length >= 60 })
      await world.send(60, 100)
      const { texts } = await second
      assert.deepEqual(sentOf(world, texts), recordsOf(40, 100))
    })
  }

  const ableTo = (
    what: SourceCompliance['able'][number],
    title: string,
    run: (t: TestContext, world: SourceWorld) => Promise<void>
  ) => {
    if (able.includes(what)) cases(title, run)
  }

  ableTo('cut', 'a lost connection is found again, and told', async (_t, world) => {
    const { cut } = world
    assert.ok(cut !== undefined)
    const problems: DdmError[] = []
    const source = await sourceOf(world, { onProblem: (error) => problems.push(error) })
    const seen = new Set<string>()
    const reading = collect(source, { until: (all) => seen.add(all.at(-1) ?? '').size >= 30 })
    for (let n = 0; n < 3; n++) {
      await world.send(n * 10, n * 10 + 10)
      while (seen.size < n * 10 + 10) await new Promise((resolve) => setTimeout(resolve, 10))
      if (n < 2) await cut()
    }
    await reading
    assert.deepEqual(sentOf(world, [...seen]), recordsOf(0, 30))
    assert.ok(problems.length >= 2)
    for (const { code } of problems) assert.equal(code, 'unreachable')
  })

  for (const kind of ['oversized', 'malformed'] as const) {
    ableTo(kind, `a record that is ${kind} stops the source, or is left out`, async (t, strict) => {
      assert.ok(strict[kind] !== undefined)
      const stopping = await sourceOf(strict)
      const readAll = () => collect(stopping, { until: () => false })
      await assert.rejects(during(stopping, readAll, strict[kind]), { code: 'badRecord' })
      const lax = await start(t)
      assert.ok(lax?.[kind] !== undefined)
      const skipped: number[] = []
      const source = await sourceOf(lax, { onError: 'skip', onSkip: (count) => skipped.push(count) })
      const read = () => collect(source, { until: (all) => all.length >= 10 })
      const { texts } = await during(source, read, async () => {
        await lax[kind]?.()
        await lax.send(0, 10)
      })
      assert.deepEqual(sentOf(lax, texts), recordsOf(0, 10))
      assert.ok(skipped.length >= 1)
    })
  }

  ableTo('flood', 'a slow reader holds the other side back', async (_t, world) => {
    assert.ok(world.flood !== undefined)
    const sent = await world.flood()
    const reader = (await sourceOf(world)).records()[Symbol.asyncIterator]()
    await reader.next()
    let before = -1
    while (sent() !== before) {
      before = sent()
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    assert.ok(before < MAX_HELD_BYTES, `${before} bytes were taken for a reader of one record`)
    await reader.return?.()
  })

  if (refused === undefined) return
  test(`${name}: what cannot be opened says why, at once`, async (t) => {
    for (const { spec, code, message = /./ } of (await refused(t)) ?? []) {
      const reading = (async () => {
        for await (const _record of (await parseSource(spec)).records());
      })()
      await assert.rejects(reading, (error: DdmError) => {
        assert.equal(error.code, code, error.message)
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /secret/, 'a password is never shown')
        return true
      })
    }
  })
}

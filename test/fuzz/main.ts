import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FuzzFailure, FuzzInput, FuzzReport } from './worker.ts'

/**
 * npm run fuzz -- --frames N [--seed S] [--first CASE] [--workers N]
 *
 * Gives N inputs to the decoders of everything that strangers send, in processes of their own. Each must be taken, and be
 * the one encoding of what was read, or be refused with the decoder's own error. Ends with one line of JSON; exits with 1
 * when a decoder failed, ended its process, or kept memory.
 */

/** More than this share of the heap kept at the end is a leak. */
const MAX_GROWTH = 0.05
/** Inputs of one request to a process. */
const BATCH = 10_000
/** A process that is at the same input for this long hangs in it. */
const HANG_MS = 120_000

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    workers: { type: 'string' }
  }
})
const frames = Number(values.frames)
const seed = Number(values.seed)
const first = Number(values.first)
const workers = Math.max(1, Math.min(Number(values.workers ?? availableParallelism()), Math.ceil(frames / 100)))

const inputs: Record<string, number> = {}
const taken: Record<string, number> = {}
const heap = { early: 0, late: 0 }
let done = 0
let exits = 0
let flaws = 0
let next = first
let end = first + frames
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // What is done so far is told.
    end = next
  })
}

function add(sums: Record<string, number>, more: Record<string, number>): void {
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count
}

function show({ case: number, target, problem, input }: FuzzFailure): void {
  flaws++
  process.stderr.write(
    `${target}: ${problem}\n  input: ${input}\n  again: npm run fuzz -- --frames 1 --seed ${seed} --first ${number}\n`
  )
}

/** A process that decodes, and the file in which it says with what it is busy. */
class Fuzzer {
  readonly #child: ChildProcess
  readonly #fd: number

  constructor(file: string) {
    this.#fd = openSync(file, 'w+')
    this.#child = fork(new URL('./worker.ts', import.meta.url), {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', this.#fd]
    })
  }

  /** The report; undefined when the process ended instead. */
  async run(input: FuzzInput | undefined): Promise<FuzzReport | undefined> {
    if (input !== undefined) this.#child.send(input)
    const over = new AbortController()
    const { signal } = over
    let at = -1
    const watch = setInterval(() => {
      if (this.at === at) over.abort()
      at = this.at
    }, HANG_MS)
    const answer = once(this.#child, 'message', { signal }).then(([report]) => report as FuzzReport)
    const exit = once(this.#child, 'exit', { signal }).then(() => undefined)
    exit.catch(() => {})
    try {
      return await Promise.race([answer, exit])
    } catch {
      return undefined
    } finally {
      clearInterval(watch)
      over.abort()
    }
  }

  /** Number of the case at which it is. */
  get at(): number {
    const bytes = new Uint8Array(8)
    readSync(this.#fd, bytes, 0, 8, 0)
    return new DataView(bytes.buffer).getFloat64(0)
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

/** Caches fill and code is compiled during the first fifth, or what of a short run takes as long. */
const warmUp = Math.max(frames / 5, Math.min(frames / 2, 200_000))
const folder = mkdtempSync(join(tmpdir(), 'ddm-fuzz-'))
const batch = Math.max(1, Math.min(BATCH, Math.ceil(frames / workers / 10)))

/** One process after another: where one ends, the next goes on behind the input that ended it. */
async function work(index: number): Promise<void> {
  let fuzzer = new Fuzzer(join(folder, `${index}`))
  await fuzzer.run(undefined)
  let early: number | undefined
  let late = 0
  let mine = 0
  while (next < end && exits < 10 && flaws < 100) {
    let from = next
    next = Math.min(end, next + batch)
    const to = next
    while (from < to && exits < 10) {
      const report = await fuzzer.run({ seed, first: from, count: to - from })
      if (report === undefined) {
        exits++
        const { at } = fuzzer
        process.stderr.write(`ended its process\n  again: npm run fuzz -- --frames 1 --seed ${seed} --first ${at}\n`)
        fuzzer.stop()
        done += at + 1 - from
        from = at + 1
        early = undefined
        fuzzer = new Fuzzer(join(folder, `${index}`))
        await fuzzer.run(undefined)
        continue
      }
      done += report.inputs === undefined ? 0 : to - from
      from = to
      add(inputs, report.inputs)
      add(taken, report.taken)
      report.failures.forEach(show)
      if (++mine >= 2 && mine * batch * workers >= warmUp) early ??= report.heap
      late = report.heap
    }
  }
  fuzzer.stop()
  if (early !== undefined) {
    heap.early += early
    heap.late += late
  }
}

const startedAt = performance.now()
try {
  await Promise.all(Array.from({ length: workers }, (_, index) => work(index)))
} finally {
  rmSync(folder, { recursive: true })
}
const heapGrowth = heap.early === 0 ? 0 : Math.round(((heap.late - heap.early) / heap.early) * 10_000) / 10_000
for (const name of Object.keys(inputs)) process.stderr.write(`${name}: ${taken[name] ?? 0} of ${inputs[name]} taken\n`)
process.stderr.write(`seed ${seed}, ${Math.round((done * 1_000) / (performance.now() - startedAt))} frames/s\n`)
process.stdout.write(`${JSON.stringify({ frames: done, exits: exits + flaws, heapGrowth })}\n`)
process.exitCode = exits + flaws > 0 || heapGrowth >= MAX_GROWTH ? 1 : 0

import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { FAULTS } from './faults.ts'
import type { RunResult } from './run.ts'
import { ADVERSARIES } from './scenario.ts'
import type { Report, WorkerInput } from './worker.ts'

/**
 * npm run sim -- --seeds N [--seed FIRST] [--real-crypto] [--workers N] [--failures N] [--trace] [--any]
 *
 * Runs the production state machines of buyers and sellers N times in virtual time, with faults and cheats that the seed
 * decides. Ends with one line of JSON; exits with 1 when a promise was broken, or when a large run missed a fault, a cheat or
 * a transition.
 */

/** From this many runs on everything that can go wrong must have, and each kind of cheat have tried. */
const VARIED_FROM = 1_000
const TELL_MS = 60_000
/** From this many on every legal transition must have been taken. */
const COMPLETE_FROM = 10_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    'real-crypto': { type: 'boolean', default: false },
    workers: { type: 'string' },
    /** Ends after so many. */
    failures: { type: 'string', default: '10' },
    trace: { type: 'boolean', default: false },
    /** Whatever faults, cheats and transitions there are will do. */
    any: { type: 'boolean', default: false }
  }
})
const seeds = Number(values.seeds)
const first = Number(values.seed)
const realCrypto = values['real-crypto']
const workers = Math.max(1, Math.min(Number(values.workers ?? availableParallelism()), seeds))

const total: Report = { seeds: 0, steps: 0, all: [], reached: [], faults: {}, adversaries: {}, failures: [] }
const startedAt = performance.now()

function add(sums: Record<string, number>, more: Record<string, number>): void {
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count
}

function take(report: Report): void {
  total.seeds += report.seeds
  total.steps += report.steps
  total.all = report.all
  total.reached = [...new Set([...total.reached, ...report.reached])]
  add(total.faults, report.faults)
  add(total.adversaries, report.adversaries)
  for (const failure of report.failures) show(failure)
  total.failures.push(...report.failures)
}

function show({ seed, violation }: RunResult): void {
  const flags = realCrypto ? ' --real-crypto' : ''
  process.stderr.write(`seed ${seed}: ${violation}\n  again: npm run sim -- --seeds 1 --seed ${seed}${flags}\n`)
}

let toldAt = startedAt
/** Who watches knows that it goes on; a log is not filled with it. */
function tell(): void {
  const { isTTY } = process.stderr
  if (!isTTY && performance.now() - toldAt < TELL_MS) return
  toldAt = performance.now()
  process.stderr.write(`${isTTY ? '\r' : ''}${total.seeds} of ${seeds}${isTTY ? '' : '\n'}`)
}

let next = first
let end = first + seeds
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // What is done so far is told.
    end = next
  })
}
/** Small enough that all workers end at about the same time. */
const batch = Math.max(1, Math.min(50, Math.ceil(seeds / workers / 8)))

await Promise.all(
  Array.from({ length: workers }, async () => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 96 }
    })
    while (next < end && total.failures.length < Number(values.failures)) {
      const input: WorkerInput = { first: next, count: Math.min(batch, end - next), realCrypto, trace: values.trace }
      next += input.count
      worker.postMessage(input)
      const [report] = (await once(worker, 'message')) as [Report]
      take(report)
      tell()
    }
    await worker.terminate()
  })
)

const missed = total.all.filter((name) => !total.reached.includes(name))
if (missed.length > 0) process.stderr.write(`not reached: ${missed.join(', ')}\n`)
const untried = [
  ...FAULTS.filter((fault) => total.faults[fault] === undefined),
  ...ADVERSARIES.filter((adversary) => total.adversaries[adversary] === undefined)
]
if (untried.length > 0) process.stderr.write(`did not happen: ${untried.join(', ')}\n`)
process.stderr.write(`${Math.round((total.seeds * 1000) / (performance.now() - startedAt))} seeds/s\n`)
const violations = total.failures.length
process.stdout.write(
  `${JSON.stringify({
    seeds: total.seeds,
    steps: total.steps,
    transitions: total.all.length,
    transitionsReached: total.reached.length,
    faults: total.faults,
    adversaries: total.adversaries,
    violations
  })}\n`
)
const isPoor = (seeds >= VARIED_FROM && untried.length > 0) || (seeds >= COMPLETE_FROM && missed.length > 0)
process.exitCode = violations > 0 || (isPoor && !values.any) ? 1 : 0

import { writeSync } from 'node:fs'
import { Random } from '../simulation/random.ts'
import { bundleTarget } from './bundle-target.ts'
import { marketTargets } from './market-targets.ts'
import { schemaTargets } from './schema-targets.ts'
import { Flaw, type Target } from './target.ts'
import { wireTargets } from './wire-targets.ts'

/** Cases `first` … `first + count − 1` of a seed. */
export interface FuzzInput {
  seed: number
  first: number
  count: number
}

export interface FuzzFailure {
  case: number
  target: string
  problem: string
  input: string
}

export interface FuzzReport {
  inputs: Record<string, number>
  taken: Record<string, number>
  failures: FuzzFailure[]
  /** Bytes in use after a collection. */
  heap: number
}

/** Where the number of the case at hand is kept, for whoever finds this process dead. */
const CASE_FD = 4
/**
 * An input that keeps the decoder busy for longer than this, milliseconds of CPU, is a failure: it would hold up everybody
 * else's sessions. Not of the clock: on a busy machine any input may take that long.
 */
const SLOW_MS = 2_000

const targets: Target[] = [...wireTargets, ...(await marketTargets()), ...schemaTargets, await bundleTarget()]
const weights = targets.reduce((sum, { weight }) => sum + weight, 0)

/** A bijection, so that no two cases of a run begin alike (the finalizer of MurmurHash3). */
function mixed(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

function busyMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

function pickTarget(random: Random): Target {
  let left = random.next() * weights
  for (const target of targets) {
    left -= target.weight
    if (left < 0) return target
  }
  return targets[0] as Target
}

async function run({ seed, first, count }: FuzzInput): Promise<FuzzReport> {
  const report: FuzzReport = { inputs: {}, taken: {}, failures: [], heap: 0 }
  const now = new Uint8Array(8)
  for (let index = first; index < first + count; index++) {
    new DataView(now.buffer).setFloat64(0, index)
    writeSync(CASE_FD, now, 0, 8, 0)
    const random = new Random(mixed(mixed(seed) + index))
    const { name, make, read, refusal } = pickTarget(random)
    const input = make(random)
    const fail = (problem: string): void => {
      const hex = Buffer.from(input).toString('hex')
      if (report.failures.length < 10) report.failures.push({ case: index, target: name, problem, input: hex })
    }
    report.inputs[name] = (report.inputs[name] ?? 0) + 1
    const before = busyMs()
    try {
      const taken = read(input)
      if (typeof taken === 'boolean' ? taken : await taken) report.taken[name] = (report.taken[name] ?? 0) + 1
    } catch (error) {
      if (error instanceof Flaw || !refusal(error))
        fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
    const took = busyMs() - before
    if (took > SLOW_MS) fail(`took ${Math.round(took)} ms`)
  }
  globalThis.gc?.()
  report.heap = process.memoryUsage().heapUsed
  return report
}

process.on('message', (input: FuzzInput) => {
  void run(input).then((report) => process.send?.(report))
})
process.send?.('ready')

import { parentPort } from 'node:worker_threads'
import { createCrypto } from './crypto.ts'
import { countTransitions, type RunResult, runSeed } from './run.ts'

export interface WorkerInput {
  first: number
  count: number
  realCrypto: boolean
  /** Prints the hash of each run. */
  trace: boolean
}

export interface Report {
  seeds: number
  steps: number
  /** Rows of the transition tables, and those that were followed. */
  all: string[]
  reached: string[]
  faults: Record<string, number>
  adversaries: Record<string, number>
  failures: RunResult[]
}

const transitions = countTransitions()

async function runAll({ first, count, realCrypto, trace }: WorkerInput): Promise<Report> {
  // Faults are errors by the thousand; a seed that is run alone has their stacks.
  if (count > 1) Error.stackTraceLimit = 0
  const crypto = await createCrypto(realCrypto)
  const report: Report = {
    seeds: 0,
    steps: 0,
    all: transitions.all,
    reached: [],
    faults: {},
    adversaries: {},
    failures: []
  }
  for (let seed = first; seed < first + count; seed++) {
    const result = await runSeed(seed, crypto)
    if (trace) process.stderr.write(`seed ${seed} ${result.trace}\n`)
    report.seeds++
    report.steps += result.steps
    for (const [kind, times] of Object.entries(result.faults)) report.faults[kind] = (report.faults[kind] ?? 0) + times
    if (result.adversary !== undefined) {
      report.adversaries[result.adversary] = (report.adversaries[result.adversary] ?? 0) + 1
    }
    if (result.violation !== undefined) report.failures.push(result)
  }
  report.reached = [...transitions.reached]
  return report
}

parentPort?.on('message', (input: WorkerInput) => {
  runAll(input).then(
    (report) => parentPort?.postMessage(report),
    (error: unknown) => {
      throw error
    }
  )
})

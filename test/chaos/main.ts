import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Coverage } from './points.ts'
import { prepare } from './surroundings.ts'
import { World } from './world.ts'

/**
 * npm run chaos -- --kills N [--seed S] [--workers N] [--trace] [--keep]
 *
 * Sellers and buyers as processes, killed with SIGKILL at named points, their connections cut on the way. Ends with one line of
 * JSON: `kills`, how many died at each of the `points`, `cuts` (connections that were cut while they were used), `violations`.
 * Exits with 1 when a promise was broken, or when nobody died at one of the points.
 */

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '34' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string' },
    trace: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false }
  }
})
const kills = Number(values.kills)
const seed = Number(values.seed)
const workers = Number(values.workers ?? Math.max(2, availableParallelism()))
/** After so many kills it is clear that a point is not passed any more. */
const most = Math.max(2 * kills, kills + 40)

const startedAt = performance.now()
const violations: string[] = []

function say(text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stderr.write(`${seconds.padStart(6)} ${text}\n`)
}

function violated(what: string): void {
  violations.push(what)
  say(
    `VIOLATED ${what}\n       again: npm run chaos -- --kills ${kills} --seed ${seed} --workers ${workers} --trace --keep`
  )
}

const folder = await mkdtemp(join(tmpdir(), 'ddm-chaos-'))
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DDM_')))
// Hundreds of starts: modules are compiled once.
environment.NODE_COMPILE_CACHE = join(folder, 'modules')
const coverage = new Coverage()
const worlds: World[] = []
const cuts: number[] = []
const total = (): number => worlds.reduce((sum, world) => sum + world.kills, 0)
const isEnough = (): boolean => total() >= kills && coverage.missed.length === 0

async function live(index: number): Promise<void> {
  const surroundings = await prepare(join(folder, `world-${index}`), seed * 1000 + index)
  const note = (what: string): void => {
    if (values.trace) say(what)
  }
  const world = new World({ ...surroundings, index, coverage, environment, violated, note })
  worlds.push(world)
  try {
    await world.start()
    note(`world ${index} has started`)
    while (violations.length < 10 && total() < most && !isEnough()) await world.round()
  } catch (error) {
    violated(`world ${index}: ${(error as Error).stack ?? error}`)
  } finally {
    await world.stop()
    await surroundings.close()
    cuts.push(surroundings.proxy.cuts)
  }
}

process.once('exit', () => {
  for (const world of worlds) world.abort()
  if (values.keep) say(folder)
  else rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
await Promise.all(Array.from({ length: workers }, (_, index) => live(index)))

const { hits, missed } = coverage
const cut = cuts.reduce((sum, count) => sum + count, 0)
if (missed.length > 0) say(`nobody died at ${missed.join(', ')}`)
process.stdout.write(
  `${JSON.stringify({
    kills: total(),
    points: hits,
    cuts: cut,
    violations: violations.length
  })}\n`
)
if (cut === 0) say('no connection was cut')
process.exitCode = violations.length > 0 || missed.length > 0 || total() < kills || cut === 0 ? 1 : 0

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { deployContracts, devAccounts, startLocalChain, writeProfile } from '../../src/node/index.ts'
import { Random } from '../simulation/random.ts'
import { viewChain } from './chain-view.ts'
import { Coverage } from './points.ts'
import { CuttingProxy } from './proxy.ts'
import { World } from './world.ts'

/**
 * npm run chaos -- --kills N [--seed S] [--workers N] [--trace] [--keep]
 *
 * Sellers and buyers as processes on one local chain, killed with SIGKILL at named points, their connections cut on the
 * way. Ends with one line of JSON; exits with 1 when a promise was broken, or when nobody died at one of the points.
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
const workers = Number(values.workers ?? Math.max(2, Math.min(12, availableParallelism() + 2)))
/** After so many kills it is clear that a point is not passed any more. */
const enough = Math.max(2 * kills, kills + 40)

const RECORDS = 400
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: console.error }
const startedAt = performance.now()
const violations: string[] = []

function say(text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stderr.write(`${seconds.padStart(6)} ${text}\n`)
}

function violated(what: string): void {
  violations.push(what)
  say(`VIOLATED ${what}\n       again: npm run chaos -- --kills ${kills} --seed ${seed} --workers ${workers} --trace`)
}

/** Records of all sizes, each another. */
function published(random: Random): string[] {
  return Array.from({ length: RECORDS }, (_, n) => JSON.stringify({ n, text: 'x'.repeat(random.int(0, 300)) }))
}

/** Below the range from which systems take ports for outgoing connections: it is still free after a kill. */
async function freePort(random: Random): Promise<number> {
  for (;;) {
    const port = random.int(20_000, 32_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}

const folder = await mkdtemp(join(tmpdir(), 'ddm-chaos-'))
const local = await startLocalChain()
const coverage = new Coverage()
const worlds: World[] = []
const proxies: CuttingProxy[] = []
const total = (): number => worlds.reduce((sum, world) => sum + world.kills, 0)

try {
  const [deployer] = await devAccounts(1)
  if (deployer === undefined) throw new Error('no dev account')
  const { rpcUrl } = local
  const profile = await deployContracts({
    rpcUrl,
    privateKey: deployer.privateKey,
    name: 'chaos',
    dev: true,
    logger: silent
  })
  const network = join(folder, 'network.json')
  await writeProfile(network, profile)
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DDM_')))
  // Hundreds of starts: modules are compiled once.
  environment.NODE_COMPILE_CACHE = join(folder, 'modules')

  const live = async (index: number): Promise<void> => {
    const random = new Random(seed * 1000 + index)
    const place = join(folder, `world-${index}`)
    await mkdir(place)
    const lines = published(random)
    const product = { file: join(place, 'product.jsonl'), lines }
    await writeFile(product.file, `${lines.join('\n')}\n`)
    const proxy = await CuttingProxy.start(new Random(seed * 1000 + 500 + index))
    proxies.push(proxy)
    proxy.target = await freePort(random)
    const world = new World({
      index,
      folder: place,
      network,
      product,
      port: proxy.target,
      proxy,
      random,
      coverage,
      chain: viewChain(profile),
      environment,
      violated,
      note: (what) => {
        if (values.trace) say(what)
      }
    })
    worlds.push(world)
    try {
      await world.start()
      say(`world ${index} started`)
      while (violations.length < 10 && total() < enough && (total() < kills || coverage.missed.length > 0)) {
        await world.round()
      }
    } catch (error) {
      violated(`world ${index}: ${(error as Error).stack ?? error}`)
    } finally {
      say(`world ${index} stops`)
      await world.stop()
      say(`world ${index} stopped`)
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, index) => live(index)))
} finally {
  say('closing')
  for (const proxy of proxies) await proxy.close()
  say('chain')
  await local.close()
  if (values.keep) say(folder)
  else await rm(folder, { recursive: true, force: true })
}

const { hits, missed } = coverage
if (missed.length > 0) say(`nobody died at ${missed.join(', ')}`)
say(`${workers} worlds`)
process.stdout.write(
  `${JSON.stringify({
    kills: total(),
    points: hits,
    cuts: proxies.reduce((sum, { cuts }) => sum + cuts, 0),
    violations: violations.length
  })}\n`
)
process.exitCode = violations.length > 0 || missed.length > 0 || total() < kills ? 1 : 0

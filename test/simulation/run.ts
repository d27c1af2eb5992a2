import { onFaultPoint } from '../../src/interface/index.ts'
import { STATUS } from '../../src/protocols/sdpp/index.ts'
import { BUYER_TRANSITIONS, SELLER_TRANSITIONS } from '../../src/protocols/sdpp/transitions.ts'
import { BuyerNode, type Outcome } from './buyer.ts'
import { Chain, MAX_LAG } from './chain.ts'
import type { Crypto } from './crypto.ts'
import { Disk } from './disk.ts'
import { type Fault, killChance } from './faults.ts'
import { type LinkFaults, Network } from './network.ts'
import { Oracles } from './oracles.ts'
import { makeScenario, type Purchase, type Scenario } from './scenario.ts'
import { SellerNode, type Surroundings } from './seller.ts'
import { turn, World } from './world.ts'

export interface RunResult {
  seed: number
  steps: number
  faults: Partial<Record<Fault, number>>
  /** Of a run whose cheat had occasion to. */
  adversary: string | undefined
  /** Hash of all that happened. */
  trace: string
  violation: string | undefined
}

/** Virtual time after the last fault within which whoever is honest must have ended. */
const PROGRESS_MS = 3_600_000

const reached = new Set<string>()

/** Notes which rows of the tables are followed; done once for the process. */
export function countTransitions(): { all: string[]; reached: Set<string> } {
  const all: string[] = []
  for (const [name, table] of Object.entries({ seller: SELLER_TRANSITIONS, buyer: BUYER_TRANSITIONS })) {
    for (const [phase, row] of Object.entries(table as Record<string, Record<string, string>>)) {
      all.push(...Object.keys(row).map((event) => `${name} ${phase} ${event}`))
      ;(table as Record<string, object>)[phase] = new Proxy(row, {
        get(target, event) {
          if (Object.hasOwn(target, event)) reached.add(`${name} ${phase} ${String(event)}`)
          return Reflect.get(target, event)
        }
      })
    }
  }
  return { all, reached }
}

export async function runSeed(seed: number, crypto: Crypto): Promise<RunResult> {
  const world = new World(seed)
  const scenario = makeScenario(world.random)
  const oracles = new Oracles(world, scenario)
  const chain = new Chain(
    world,
    crypto.eip712,
    [...scenario.buyers.map(({ account }) => account)].map((account) => [crypto.account(account).address, 10n ** 12n])
  )
  const network = new Network(world, oracles, () => linkFaults(world, scenario))
  const around: Surroundings = { world, scenario, chain, crypto, network, oracles }
  const seller = new SellerNode(around)
  // Accomplices share wallet and disk: one node with many peer IDs, all on one channel.
  const shared = scenario.adversary === 'manyPeers' ? new Disk(world) : undefined
  const buyers = scenario.buyers.map((plan) => new BuyerNode(plan, around, seller, plan.honest ? undefined : shared))
  const nodes = [seller, ...buyers]
  onFaultPoint((point) => {
    const { current } = world
    if (current === undefined || !current.alive || world.now > scenario.faultsUntil) return
    if (!world.random.chance(killChance(point) * scenario.intensity)) return
    const node = nodes.find(({ process }) => process === current)
    if (node === undefined) return
    world.fault(`kill at ${point}`)
    node.kill()
  })
  seller.start()
  for (const buyer of buyers) buyer.start()
  scheduleFaults(around, nodes)
  world.check = () => {
    if (!chain.balanced) world.violated('money was made or lost')
  }
  const onRejection = (error: unknown): void => world.violated(`unhandled: ${(error as Error)?.stack ?? error}`)
  process.on('unhandledRejection', onRejection)
  process.on('uncaughtException', onRejection)
  try {
    const honest = buyers.filter(({ plan }) => plan.honest)
    await world.run(scenario.faultsUntil + PROGRESS_MS, () => buyers.every((buyer) => buyer.finished))
    if (world.violation === undefined) {
      for (const buyer of honest) checkOutcomes(buyer, around, seller)
      if (scenario.adversary === 'withdrawAndRun') {
        // Long enough for the withdrawal to be taken; the seller watches.
        await world.run(world.now + (scenario.withdrawDelay + 300) * 1000, () => false)
      }
      await settle(around, seller)
    }
  } finally {
    onFaultPoint(undefined)
    for (const node of nodes) node.process?.kill()
    await turn()
    process.off('unhandledRejection', onRejection)
    process.off('uncaughtException', onRejection)
  }
  const { steps, faults, trace, violation, hasCheated } = world
  return {
    seed,
    steps,
    faults,
    adversary: hasCheated ? scenario.adversary : undefined,
    trace,
    violation: violation?.message
  }
}

function linkFaults({ random, now }: World, { intensity, faultsUntil }: Scenario): LinkFaults {
  const calm = now > faultsUntil
  return {
    latency: random.pick([2, 20, 120]),
    chunks: random.chance(0.5),
    unnoticed: calm ? 50 : random.pick([50, 20_000, 60_000]),
    ...(!calm && random.chance(0.6 * intensity)
      ? { cutAfter: random.int(0, random.pick([300, 1_500, 4_000, 12_000])) }
      : {})
  }
}

function scheduleFaults({ world, scenario, chain, network }: Surroundings, nodes: Array<SellerNode | BuyerNode>): void {
  const { random } = world
  const { intensity, faultsUntil } = scenario
  const again = (mean: number, act: () => void): void => {
    const next = (): void => {
      // They end earlier when the run is over before.
      if (world.now > scenario.faultsUntil) return
      act()
      world.after(random.int(1, mean * 2), next)
    }
    if (intensity > 0) world.after(random.int(1, (mean * 2) / intensity), next)
  }
  again(12_000, () => random.pick(nodes).kill())
  again(8_000, () => network.links.at(-1)?.cut())
  again(9_000, () => chain.reorg())
  again(30_000, () => {
    world.fault('silentChain')
    chain.silentUntil = world.now + random.int(100, 8_000)
  })
  again(20_000, () => {
    world.fault('lag')
    chain.lag = random.int(0, MAX_LAG)
  })
  world.after(faultsUntil, () => {
    chain.lag = 0
  })
}

/** Refusals that an honest buyer may get from an honest seller. */
function mayBeRefused(
  { unknown, prepayForAll, from }: Purchase,
  { creditForAll, present }: Scenario,
  status: number,
  owes: boolean
): boolean {
  if (status === STATUS.unknownListing) return unknown
  if (status === STATUS.limitsIncompatible) return !creditForAll || !prepayForAll || owes
  if (status === STATUS.offsetPruned) return from !== undefined && from > BigInt(present)
  return false
}

function checkOutcomes(buyer: BuyerNode, { world, scenario, oracles }: Surroundings, seller: SellerNode): void {
  const { peer, purchases } = buyer.plan
  for (const [index, purchase] of purchases.entries()) {
    const outcome = buyer.outcomes.get(index)
    const name = `buyer${peer} purchase ${index}`
    if (outcome === undefined) {
      if (seller.honest) world.violated(`${name} has not ended`)
      continue
    }
    const { n, start = 0n, session, refused, failed } = outcome
    if (n === undefined) {
      // A session that was cut after a bad record is not taken up again: the good ones before it may be unpaid.
      const owes = purchases.slice(0, index).some(({ badAt }) => badAt !== undefined)
      const expected =
        !seller.honest ||
        (refused !== undefined && mayBeRefused(purchase, scenario, refused, owes)) ||
        (refused === STATUS.channelUnfunded && (world.faults.orphanedDeposit ?? world.faults.lag) !== undefined) ||
        (failed?.startsWith('schema') === true && purchase.badAt !== undefined)
      if (!expected) world.violated(`${name} ended with ${refused ?? failed}`)
      continue
    }
    // What a lying seller sends is what the file has; its lies show in the roots.
    if (!seller.honest || session === undefined) continue
    checkFile(buyer, index, { start, n }, purchase, world, scenario)
    const receipt = oracles.sessions.get(session)?.receipt
    if (receipt === undefined || receipt.n !== n) world.violated(`${name} has no receipt of ${n}`)
    const kinds = (seller.disk.statementRows.get(`seller ${session}`) ?? []).map(({ kind }) => kind)
    if (!kinds.includes('receipt')) world.violated(`${name}: the seller has no receipt`)
  }
}

function checkFile(
  buyer: BuyerNode,
  index: number,
  { start, n }: Required<Pick<Outcome, 'start' | 'n'>>,
  { stopAfter, badAt }: Purchase,
  world: World,
  { records }: Scenario
): void {
  const file = buyer.disk.files.get(`file${index}`)
  const all = [...(file?.synced ?? []), ...(file?.written ?? [])]
  const wrong = all.findIndex(
    (record, at) => Buffer.compare(record, records[Number(start) + at] ?? new Uint8Array(0)) !== 0
  )
  if (wrong !== -1) world.violated(`buyer${buyer.plan.peer} file ${index}: record ${wrong} is another`)
  if (stopAfter === undefined && badAt === undefined && all.length !== Number(n)) {
    world.violated(`buyer${buyer.plan.peer} file ${index} has ${all.length} records, the session ${n}`)
  }
}

/** Tries to claim, among all that still goes wrong. */
const CLAIM_TRIES = 5

/** Everything is claimed, and then the books are compared. */
async function settle({ world, scenario, chain, oracles }: Surroundings, seller: SellerNode): Promise<void> {
  const claim = async (): Promise<void> => {
    const answered = { yet: false }
    const answer = (): void => {
      answered.yet = true
    }
    seller.payee?.claim().then(answer, answer)
    await turn()
    await world.run(world.now + 60_000, () => answered.yet)
    await world.run(world.now + 10_000, () => false)
  }
  for (let tries = 0; tries < CLAIM_TRIES; tries++) await claim()
  scenario.faultsUntil = world.now
  chain.lag = 0
  chain.silentUntil = 0
  // A seller that was killed comes back, and what nodes had seen settles.
  await world.run(world.now + 30_000, () => false)
  await claim()
  await claim()
  if (!chain.balanced) world.violated('money was made or lost')
  oracles.checkChannels((channelId) => chain.head.channels.get(channelId) ?? { balance: 0n, claimed: 0n })
}

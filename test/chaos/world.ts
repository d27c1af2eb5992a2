import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, FAULT_POINTS, type FaultPoint, type Listing } from '../../src/interface/index.ts'
import { STATUS } from '../../src/protocols/sdpp/index.ts'
import type { Wish } from './buyer-peer.ts'
import { type Arm, type Failure, type PeerInit, UNREACHABLE_EXIT } from './child.ts'
import { readLedger } from './ledger.ts'
import { fileOf, Oracles } from './oracles.ts'
import { type Exit, Failed, Gone, Peer } from './peer.ts'
import { type Coverage, isClaim, type Kill, type Role } from './points.ts'
import type { Surroundings } from './surroundings.ts'

export interface WorldInit extends Surroundings {
  index: number
  coverage: Coverage
  environment: NodeJS.ProcessEnv
  violated: (what: string) => void
  note: (what: string) => void
}

/** Atomic units of a record. */
const PRICE = 100n
const PRICE_TEXT = '0.0001'
const ROUND_MS = 120_000
/** Starts of a process in one round that fail because nobody is there to connect to. */
const FAILED_STARTS = 10
/** How likely it is that who dies at a point takes the other along, that somebody dies at no point, that lines are cut. */
const BOTH = 0.1
const ANYWHERE = 0.15
const CUTTING = 0.5

const other = (role: Role): Role => (role === 'buyer' ? 'seller' : 'buyer')

/** One seller and one buyer, their homes, and everything that happens to them. */
export class World {
  readonly #init: WorldInit
  readonly #oracles: Oracles
  readonly #homes: Record<Role, string>
  readonly #peers = new Map<Role, { peer: Peer; ready: Promise<Peer> }>()
  readonly #keepers: Promise<void>[] = []
  /** What a process is armed with, also when it starts anew. */
  readonly #armed = new Map<Role, Arm>()
  /** Killed by this process, not by itself. */
  readonly #condemned = new Set<Peer>()
  /** Orders that the seller has never seen. */
  readonly #lost = new Set<string>()
  /** What one side would have lost if the other had never come back, as of its death. */
  readonly #atRisk = new Map<Role, { id: string; amount: bigint }>()
  #plan: Kill[] = []
  #round = 0
  #file = ''
  #listing: Listing | undefined
  #sellerId = ''
  readonly #accounts: Record<Role, Address> = { buyer: '0x', seller: '0x' }
  #failedStarts = 0
  #stopping = false
  #claimKilled = false
  readonly #failed = Promise.withResolvers<never>()
  kills = 0

  constructor(init: WorldInit) {
    this.#init = init
    const { folder, chain } = init
    this.#homes = { buyer: join(folder, 'buyer'), seller: join(folder, 'seller') }
    this.#oracles = new Oracles({
      homes: this.#homes,
      price: PRICE,
      chain,
      violated: (what) => init.violated(`world ${init.index} ${what}`)
    })
    this.#failed.promise.catch(() => {})
  }

  async start(): Promise<void> {
    this.#keepers.push(this.#keep('seller'))
    await this.#ready('seller')
    this.#keepers.push(this.#keep('buyer'))
    await this.#ready('buyer')
    await this.#oracles.begin(this.#accounts)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all([...this.#peers.values()].map(({ peer }) => peer.stop()))
    await Promise.all(this.#keepers)
  }

  /** At once, when this process ends. */
  abort(): void {
    this.#stopping = true
    for (const { peer } of this.#peers.values()) peer.kill()
  }

  /** One purchase, with all that is planned to happen meanwhile. Rejects when this world cannot go on. */
  async round(): Promise<void> {
    const { random, coverage, proxy, product, folder } = this.#init
    this.#round++
    const plan = coverage.plan(random)
    this.#plan = [...plan]
    const records = random.int(20, 60)
    const from = random.int(0, product.lines.length - records)
    this.#file = join(folder, `bought-${this.#round}.jsonl`)
    proxy.cutting = random.chance(CUTTING) ? 0.7 : 0
    const k = random.int(1, 7)
    const prepay = random.chance(0.5) ? '0.0005' : undefined
    this.#note(
      `${plan.map(({ role, point, passing }) => `${role ?? 'same'} ${point} ${passing}`).join(', ')}; ` +
        `${records} from ${from}, k ${k}, prepay ${prepay}, cutting ${proxy.cutting}`
    )
    const stray = random.chance(ANYWHERE) ? this.#stray(random.pick(['buyer', 'seller'] as const)) : undefined
    this.#failedStarts = 0
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not over after ${ROUND_MS} ms`)), ROUND_MS)
    })
    try {
      const wish = {
        from,
        records,
        k,
        max: PRICE * BigInt(records),
        file: this.#file,
        ...(prepay === undefined ? {} : { prepay })
      }
      await Promise.race([this.#run(wish), late, this.#failed.promise])
    } finally {
      clearTimeout(timer)
      clearTimeout(stray)
      coverage.release(plan)
    }
  }

  async #run(wish: Omit<Wish, 'listing'>): Promise<void> {
    const { product, proxy } = this.#init
    await this.#armNext('buyer')
    await this.#purchase(wish)
    proxy.cutting = 0
    await this.#claim(BigInt(wish.records) * PRICE)
    const lines = product.lines.slice(wish.from, wish.from + wish.records)
    await this.#oracles.settled(this.#when('the end'), { file: wish.file, lines }, this.#accounts)
    rmSync(wish.file)
  }

  /** Goes on until the purchase is whole, with as many processes as that takes. */
  async #purchase(wish: Omit<Wish, 'listing'>): Promise<void> {
    for (;;) {
      const buyer = await this.#ready('buyer')
      const session = this.#session()
      if (session?.complete === true && session.position === BigInt(wish.records)) return
      const listing = this.#listing as Listing
      try {
        await buyer.ask('buy', { ...wish, listing, ...(session === undefined ? {} : { session: session.id }) })
        return
      } catch (error) {
        const { code, details }: Partial<Failure> = error instanceof Failed ? error.failure : {}
        const status = Number(details?.status)
        // A seller that was never met is not waited for, nor one that has just started and does not sell yet.
        const early = code === 'unreachable' || details?.protocol !== undefined || status === STATUS.unknownListing
        if (error instanceof Gone || (session === undefined && early)) await sleep(50)
        else if (session !== undefined && status === STATUS.unknownSession) this.#lost.add(session.id)
        else throw error
      }
    }
  }

  /** The newest session of the file that goes on, if any. */
  #session(): { id: string; complete: boolean; position: bigint } | undefined {
    const { sessions } = readLedger(this.#homes.buyer, 'buyer')
    const [newest] = [...sessions]
      .filter(([id, { sink }]) => sink !== undefined && fileOf(sink) === this.#file && !this.#lost.has(id))
      .sort(([, a], [, b]) => b.openedAt - a.openedAt)
    if (newest === undefined) return undefined
    const [id, { receipted, position }] = newest
    return { id, complete: receipted, position }
  }

  /** Presents what was earned. Once a claim was killed, the seller must make it again by itself. */
  async #claim(earned: bigint): Promise<void> {
    this.#plan = this.#plan.filter(isClaim)
    for (const role of ['buyer', 'seller'] as const) await this.#arm(role, undefined)
    await this.#armNext('seller')
    this.#claimKilled = false
    for (;;) {
      const seller = await this.#ready('seller')
      if (this.#claimKilled && this.#plan.length === 0) {
        if (await this.#oracles.claimed(earned)) return
        this.#violated('a claim that was killed is not made again')
      }
      try {
        await seller.ask('claim')
        return
      } catch (error) {
        if (!(error instanceof Gone)) throw error
        await sleep(20)
      }
    }
  }

  /** The process of this role once it serves; a new one takes its place when it dies. */
  async #ready(role: Role): Promise<Peer> {
    for (;;) {
      if (this.#stopping) throw new Error('this world has been stopped')
      try {
        const peer = await this.#peers.get(role)?.ready
        if (peer?.alive === true) return peer
      } catch (error) {
        if (!(error instanceof Gone)) throw error
      }
      await sleep(20)
    }
  }

  async #keep(role: Role): Promise<void> {
    try {
      while (!this.#stopping) {
        const peer = this.#spawn(role)
        const exit = await peer.exited
        if (!this.#stopping) await this.#ended(role, peer, exit)
      }
    } catch (error) {
      this.#failed.reject(error)
    }
  }

  #spawn(role: Role): Peer {
    const { network, folder, proxy, environment } = this.#init
    const proxied = `/ip4/127.0.0.1/tcp/${proxy.port}`
    const armed = this.#armed.get(role)
    const init: PeerInit = {
      home: this.#homes[role],
      network,
      log: join(folder, `${role}.log`),
      deaths: this.#deaths(role),
      ...(armed === undefined ? {} : { arm: armed }),
      listen: role === 'seller' ? [`/ip4/127.0.0.1/tcp/${proxy.target}`] : [],
      announce: role === 'seller' ? [proxied] : [],
      bootstrap: role === 'seller' ? [] : [`${proxied}/p2p/${this.#sellerId}`]
    }
    const peer = new Peer(`./${role}-peer.ts`, init, environment)
    const ready = this.#introduce(role, peer).then(() => this.#bound(role, peer))
    ready.catch(() => {})
    this.#peers.set(role, { peer, ready })
    return peer
  }

  async #introduce(role: Role, peer: Peer): Promise<void> {
    const { product, index } = this.#init
    if (role === 'buyer') {
      const { account } = await peer.ask<{ account: Address }>('ready')
      this.#accounts.buyer = account
      this.#note('the buyer is there')
      return
    }
    // Half of the sellers give every buyer the same credit, the others let it grow.
    const credit = index % 2 === 0 ? { credit: '0.001' } : {}
    const sold = await peer.ask<{ listing: Listing; peerId: string; account: Address }>('sell', {
      file: product.file,
      price: PRICE_TEXT,
      ...credit
    })
    this.#listing = sold.listing
    this.#sellerId = sold.peerId
    this.#accounts.seller = sold.account
    this.#note('the seller is there')
  }

  /** What it might have lost when it died is within the bound that it shows. */
  async #bound(role: Role, peer: Peer): Promise<Peer> {
    const atRisk = this.#atRisk.get(role)
    this.#atRisk.delete(role)
    if (atRisk === undefined || atRisk.amount <= 0n) return peer
    const { window } = await peer.ask<{ window: bigint }>('bound', atRisk.id)
    if (window < atRisk.amount) this.#violated(`the ${role} shows a window of ${window}, ${atRisk.amount} was at risk`)
    return peer
  }

  async #ended(role: Role, peer: Peer, { code, signal, stderr }: Exit): Promise<void> {
    const { coverage, random } = this.#init
    const point = this.#pointOf(role)
    if (signal !== 'SIGKILL') {
      if (code === UNREACHABLE_EXIT && ++this.#failedStarts <= FAILED_STARTS) return
      throw new Error(`the ${role} ended with ${code ?? signal}: ${stderr}`)
    }
    this.kills++
    const when = this.#when(`${role} killed at ${point ?? 'no point'}`)
    if (point === undefined && !this.#condemned.has(peer)) throw new Error(`${when}, by nobody`)
    if (point !== undefined) coverage.hit(point)
    this.#note(`${role} died at ${point ?? 'no point'}`)
    if (point !== undefined && random.chance(BOTH)) this.#kill(other(role))
    await this.#judge(role, when)
    if (point !== undefined) {
      if (point.startsWith('claim.')) this.#claimKilled = true
      this.#armed.delete(role)
      if (this.#plan[0]?.point === point) this.#plan.shift()
      await this.#armNext(role)
    }
  }

  /** While the dead one lies there. */
  async #judge(dead: Role, when: string): Promise<void> {
    this.#oracles.look(when)
    const id = this.#session()?.id
    if (id === undefined) return
    const alive = this.#peers.get(other(dead))?.peer
    let amount = 0n
    if (dead === 'seller') {
      const status = await alive?.ask<{ id?: string; received: bigint } | undefined>('status').catch(() => undefined)
      if (status?.id !== undefined) this.#oracles.received(status.id, status.received)
      amount = this.#oracles.owed(when, id)
    } else {
      amount = await this.#oracles.ahead(when, id, async () => {
        const selling = await alive?.ask<Array<{ id?: string; sent: bigint }>>('sessions').catch(() => undefined)
        return selling?.find((session) => session.id === id)?.sent ?? 0n
      })
    }
    this.#atRisk.set(dead, { id, amount })
  }

  #deaths(role: Role): string {
    return join(this.#init.folder, `${role}.death`)
  }

  /** What a process wrote right before it killed itself. */
  #pointOf(role: Role): FaultPoint | undefined {
    const file = this.#deaths(role)
    if (!existsSync(file)) return undefined
    const text = readFileSync(file, 'utf8').trim()
    rmSync(file)
    return FAULT_POINTS.find((point) => point === text)
  }

  /** Arms who the plan names next; what goes for nobody in particular goes for the one that has just died. */
  async #armNext(died: Role): Promise<void> {
    const [next] = this.#plan
    if (next !== undefined) await this.#arm(next.role ?? died, { point: next.point, passing: next.passing })
  }

  async #arm(role: Role, to: Arm | undefined): Promise<void> {
    if (to === undefined) this.#armed.delete(role)
    else this.#armed.set(role, to)
    await this.#peers
      .get(role)
      ?.peer.arm(to)
      .catch((error: unknown) => {
        // It reads what it is armed with when it starts.
        if (!(error instanceof Gone)) throw error
      })
  }

  /** Kills at no point in particular. */
  #stray(role: Role): NodeJS.Timeout {
    return setTimeout(() => this.#kill(role), this.#init.random.int(0, 3000))
  }

  #kill(role: Role): void {
    const peer = this.#peers.get(role)?.peer
    if (peer?.alive !== true) return
    this.#condemned.add(peer)
    peer.kill()
  }

  #when(what: string): string {
    return `round ${this.#round}, ${what}`
  }

  #violated(what: string): void {
    this.#init.violated(`world ${this.#init.index} ${this.#when(what)}`)
  }

  #note(what: string): void {
    this.#init.note(`world ${this.#init.index} round ${this.#round}: ${what}`)
  }
}

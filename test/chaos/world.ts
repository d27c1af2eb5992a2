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
import { type Coverage, isClaim, isReturn, isShort, type Kill, type Role } from './points.ts'
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
/** Records of a long purchase. */
const LONG = 60
/** Deposited for each order beyond its cost: so that there is something to give back. */
const SPARE = 7n * PRICE
/** More than is on its way or paid ahead: who takes that back may not go on with the session. */
const RISKED = 20n * PRICE
/** Longer than a deposit stays in its channel once it is asked back, seconds. */
const WITHDRAW_DELAY = 86_400 + 60
const PRICE_TEXT = '0.0001'
const ROUND_MS = 120_000
/** Starts of a process in one round that fail because nobody is there to connect to. */
const FAILED_STARTS = 10
/** How likely it is that who dies at a point takes the other along, that somebody dies at no point, that lines are cut. */
const BOTH = 0.1
const ANYWHERE = 0.15
const CUTTING = 0.5

const other = (role: Role): Role => (role === 'buyer' ? 'seller' : 'buyer')

function unlessGone(error: unknown): void {
  if (!(error instanceof Gone)) throw error
}

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
  /** Of the plan what comes when the purchase is over and claimed. */
  #returns: Kill[] = []
  /** The buyer has asked for its deposit. */
  #asked = false
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
    this.#plan = plan.filter((kill) => !isReturn(kill))
    this.#returns = plan.filter(isReturn)
    this.#asked = false
    const records = plan.some(isShort) ? LONG : random.int(20, LONG)
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
        max: PRICE * BigInt(records) + SPARE,
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
    await this.#return()
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
        if (session !== undefined && this.#plan[0] !== undefined && isShort(this.#plan[0])) {
          this.#asked = true
          await buyer.ask('withdraw', RISKED)
        }
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
      // Its order never left, or its seller never got it, and the buyer died before it could say so; never one that was paid.
      .filter(([, { state, position, paid }]) => state !== 'abandoned' || position > 0n || paid > 0n)
      .sort(([, a], [, b]) => b.openedAt - a.openedAt)
    if (newest === undefined) return undefined
    const [id, { receipted, position }] = newest
    return { id, complete: receipted, position }
  }

  /** Presents what was earned. Once a claim was killed, the seller must make it again by itself. */
  async #claim(earned: bigint): Promise<void> {
    await this.#go(this.#plan.filter(isClaim))
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

  /** What is left of the deposit goes back, by the seller's hand or by time. */
  async #return(): Promise<void> {
    const [kill] = this.#returns
    await this.#go(this.#returns)
    if (this.#asked) await this.#takeBack()
    if (kill === undefined) return
    if (kill.role === 'buyer') await this.#takeBack()
    else await (await this.#ready('seller')).ask('refund').catch(unlessGone)
    // Once it was killed, the seller must finish what it has begun by itself.
    await this.#ready('seller')
    if (!(await this.#oracles.returned())) this.#violated('what is left of a deposit is not given back')
  }

  async #takeBack(): Promise<void> {
    await this.#insist('buyer', 'withdraw', 0n)
    await this.#init.chain.pass(WITHDRAW_DELAY)
    await this.#insist('buyer', 'finish')
  }

  /** Asks whoever plays that role, until one has done it. */
  async #insist(role: Role, what: string, content?: bigint): Promise<void> {
    for (;;) {
      try {
        await (await this.#ready(role)).ask(what, content)
        return
      } catch (error) {
        unlessGone(error)
        await sleep(20)
      }
    }
  }

  /** From here on that is the plan. */
  async #go(plan: Kill[]): Promise<void> {
    this.#plan = plan
    for (const role of ['buyer', 'seller'] as const) await this.#arm(role, undefined)
    await this.#armNext('seller')
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
      // It reads what it is armed with when it starts.
      .catch(unlessGone)
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

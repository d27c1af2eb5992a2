import { DdmError, type RecordValidator, type SessionStore } from '../../src/interface/index.ts'
import { createTrustLedger } from '../../src/node/trust.ts'
import { createBudget, evmPayer } from '../../src/payments/index.ts'
import {
  BuyerSession,
  type BuyRequest,
  isResumable,
  type ResumePoint,
  readSession,
  requestMenu,
  STATUS
} from '../../src/protocols/sdpp/index.ts'
import type { StatementSigner } from '../../src/statements/index.ts'
import { corruptPayer, corruptPoint } from './adversaries.ts'
import { Disk, storesOf } from './disk.ts'
import type { BuyerPlan, Purchase } from './scenario.ts'
import { type SellerNode, type Surroundings, silent } from './seller.ts'
import { Process } from './world.ts'

/** How a purchase ended, as its user sees it. */
export interface Outcome {
  /** Records of the session, when there is a receipt. */
  n?: bigint
  start?: bigint
  session?: string
  /** Why there is none. */
  refused?: number
  failed?: string
}

const RETRIED: readonly number[] = [
  STATUS.unknownListing,
  STATUS.busy,
  STATUS.paymentTimeout,
  STATUS.internal,
  STATUS.shuttingDown
]

/** A buyer's node, and the user who wants what the plan says, through all its lives. */
export class BuyerNode {
  readonly plan: BuyerPlan
  readonly disk: Disk
  readonly signer: StatementSigner
  readonly outcomes = new Map<number, Outcome>()
  /** Sessions that the user has given up in time, or that ended in time. */
  readonly #around: Surroundings
  readonly #seller: SellerNode
  process: Process | undefined

  constructor(plan: BuyerPlan, around: Surroundings, seller: SellerNode, disk?: Disk) {
    this.plan = plan
    this.#around = around
    this.#seller = seller
    this.disk = disk ?? new Disk(around.world)
    this.signer = around.crypto.signers[plan.peer] as StatementSigner
  }

  get finished(): boolean {
    return this.outcomes.size === this.plan.purchases.length
  }

  kill(): void {
    const { world } = this.#around
    if (this.process === undefined || !this.process.alive) return
    world.fault('crashBuyer')
    this.process.kill()
    this.disk.crash()
    world.after(world.random.int(50, 8_000), () => this.start())
  }

  start(): void {
    const { world } = this.#around
    const process = new Process(`buyer${this.plan.peer}`, world)
    this.process = process
    world.current = process
    this.#run(process).catch((error: unknown) => {
      if (process.alive && this.plan.honest) world.violated(`${process.name} fails: ${(error as Error).stack}`)
    })
  }

  async #run(process: Process): Promise<void> {
    const { world, scenario, chain, crypto, oracles } = this.#around
    const stores = storesOf(this.disk, process, (holds, what) => {
      if (!holds) world.violated(`${process.name}: ${what}`)
    })
    oracles.join(process, { role: 'buyer', honest: this.plan.honest, disk: this.disk, peer: this.signer.peerId })
    const wallet = crypto.account(this.plan.account)
    const budget = createBudget({
      spending: stores.spending as never,
      limits: { perDay: 10n ** 12n },
      now: process.clock.wallTime
    })
    const payer = evmPayer({
      chain: chain.viewOf(process, wallet.address),
      channels: stores.channels,
      budget,
      eip712: crypto.eip712,
      wallet,
      voucherSigner: crypto.account(this.plan.account + 0x40),
      networkId: 'eip155:1',
      assetId: this.#seller.listing.document.payment[0]?.asset as never,
      maxWithdrawDelay: 86_400,
      maxDeposit: 10n ** 12n,
      random: process.bytes,
      logger: silent
    })
    const trust = createTrustLedger({ store: stores.trust, strangerCredit: 0n, now: process.clock.wallTime })
    const shared = {
      signer: this.signer,
      sessions: stores.sessions,
      payers: [this.plan.honest ? payer : corruptPayer(payer, scenario, world)],
      clock: process.clock,
      logger: silent,
      trust,
      verifier: crypto.verifier,
      random: process.bytes
    }
    for (const [index, purchase] of this.plan.purchases.entries()) {
      if (this.outcomes.has(index)) continue
      await process.sleep(purchase.delay)
      this.outcomes.set(index, await this.#buy(process, index, purchase, shared))
      world.note(`${process.name} ended purchase ${index}`)
      if (!this.plan.honest && scenario.adversary === 'withdrawAndRun') {
        for (const { channelId } of (await payer.channels?.list()) ?? []) {
          await payer.channels?.withdraw(channelId).catch(() => {})
          world.after((scenario.withdrawDelay + 60) * 1000, () => {
            payer.channels?.finish(channelId).catch(() => {})
          })
        }
      }
    }
  }

  async #buy(
    process: Process,
    index: number,
    purchase: Purchase,
    shared: ConstructorParameters<typeof BuyerSession>[3]
  ): Promise<Outcome> {
    const { world, scenario } = this.#around
    let point = await this.#pointOnDisk(shared.sessions, index)
    if (point !== undefined && point.stored.receipt !== undefined) return this.#outcomeOf(point)
    if (purchase.asksMenu) await this.#askMenu(process)
    for (let wait = 250, tries = 0; ; wait = Math.min(wait * 2, 10_000), tries++) {
      let session: BuyerSession | undefined
      try {
        const request = this.#request(index, purchase, point)
        if (request.resume !== undefined && !this.plan.honest) corruptPoint(request.resume, scenario, world)
        const { network } = this.#around
        const stream = await network.dial(process, this.signer.peerId, this.#seller.signer.peerId)
        session = new BuyerSession(stream, this.#seller.signer.peerId, request, shared)
        await session.open()
        wait = 250
        await this.#consume(process, session, index, purchase)
        const { id, received } = await session.done
        return { session: id, n: received, start: session.terms?.start ?? 0n }
      } catch (error) {
        if (!process.alive) return new Promise(() => {})
        const code = error instanceof DdmError ? error.code : 'bug'
        const status = error instanceof DdmError ? Number(error.details?.status ?? 0) : 0
        world.note(`${process.name} ${code} ${status} ${(error as Error).message}`)
        if (code === 'bug') throw error
        if (session?.resumable === true) {
          const stored = await readSession(shared.sessions, session.status.id as string, 'buyer')
          const { delivered, committed } = session
          if (stored === undefined) throw new Error('a resumable session is not on the disk')
          point = { stored, delivered, ...(committed === undefined ? {} : { committed }) }
        } else if (status === STATUS.unknownSession && point?.stored.accept === undefined) point = undefined
        else if (status >= 200 && status < 300 && !(RETRIED.includes(status) && tries < 40)) return { refused: status }
        else if (!['unreachable', 'chain', 'timeout'].includes(code) && !RETRIED.includes(status)) {
          return { failed: `${code}: ${(error as Error).message}` }
        }
        if (tries > 200) return { failed: `gave up: ${(error as Error).message}` }
        if (scenario.adversary !== undefined && !this.#seller.honest && tries > 12) return { failed: 'gave up' }
        if (!this.plan.honest && tries > 6) return { failed: 'gave up' }
        await process.sleep(wait / 2 + world.random.int(0, wait / 2))
      }
    }
  }

  #request(index: number, purchase: Purchase, resume: ResumePoint | undefined): BuyRequest {
    const { quantity, from, k, prepay, prepayForAll, maximum, badAt, refund, unknown, answering } = purchase
    const { listing } = this.#seller
    const wish = {
      from: from === undefined ? { earliest: true } : { offset: from },
      ...(quantity === undefined ? {} : { quantity }),
      ...(k === undefined ? {} : { k }),
      prepay,
      prepayForAll,
      maximum
    }
    return {
      listing: unknown ? { ...listing, cid: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy' } : listing,
      wish,
      answering,
      refund,
      sink: markOf(index, 0),
      ...(resume === undefined ? {} : { resume }),
      ...(badAt === undefined ? {} : { validator: this.#validator(badAt) })
    }
  }

  #validator(badAt: number): RecordValidator {
    return {
      check: async (bytes, count) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        let at = 0
        for (let index = 0; index < count; index++) {
          if (view.getUint32(at + 4) === badAt) return { index, reason: 'bad' }
          at += 4 + view.getUint32(at)
        }
        return undefined
      },
      close: async () => {}
    }
  }

  /** What the node and its sink agree on after a start. */
  async #pointOnDisk(sessions: SessionStore, index: number): Promise<ResumePoint | undefined> {
    const all = await sessions.list('buyer')
    const mine = all.filter(({ sink }) => sink !== undefined && (JSON.parse(sink) as { file: number }).file === index)
    const record = mine.findLast((one) => isResumable(one))
    const file = this.disk.files.get(`file${index}`) ?? { synced: [], written: [] }
    this.disk.files.set(`file${index}`, file)
    file.written = []
    const count = record?.sink === undefined ? 0 : (JSON.parse(record.sink) as { count: number }).count
    if (file.synced.length < count)
      this.#around.world.violated(`the file has ${file.synced.length} records, marked are ${count}`)
    file.synced.length = count
    if (record === undefined) return undefined
    const stored = await readSession(sessions, record.id, 'buyer')
    return stored === undefined ? undefined : { stored }
  }

  #outcomeOf({ stored }: ResumePoint): Outcome {
    return {
      session: stored.record.id,
      n: stored.receipt?.content.n ?? 0n,
      start: stored.accept?.content.start ?? 0n
    }
  }

  /** As `pour` does: what the file has made durable and the position are stored together. */
  async #consume(process: Process, session: BuyerSession, index: number, { stopAfter }: Purchase): Promise<void> {
    const { world } = this.#around
    const file = this.disk.files.get(`file${index}`) as { synced: Uint8Array[]; written: Uint8Array[] }
    const commit = async (): Promise<void> => {
      await this.disk.write(process, () => file.synced.push(...file.written.splice(0)))
      await session.commit(markOf(index, file.synced.length))
    }
    for await (const batch of session.batches()) {
      for (let i = 0; i < batch.length; i++) file.written.push(batch.bytesOf(i).slice())
      if (world.random.chance(0.3)) await process.sleep(world.random.int(0, 300))
      if (session.idle || world.random.chance(0.3)) await commit()
      if (stopAfter !== undefined && file.synced.length + file.written.length >= stopAfter) break
    }
    await commit()
  }

  async #askMenu(process: Process): Promise<void> {
    const { network, crypto } = this.#around
    try {
      const stream = await network.dial(process, this.signer.peerId, this.#seller.signer.peerId)
      await requestMenu(stream, this.#seller.signer.peerId, {
        clock: process.clock,
        logger: silent,
        verifier: crypto.verifier,
        random: process.bytes
      })
    } catch (error) {
      if (!(error instanceof DdmError)) throw error
    }
  }
}

function markOf(file: number, count: number): string {
  return JSON.stringify({ file, count })
}

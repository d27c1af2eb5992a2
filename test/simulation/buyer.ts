import {
  type ChannelStore,
  DdmError,
  type Hex,
  type RecordValidator,
  type SessionStore
} from '../../src/interface/index.ts'
import { RunningPurchase } from '../../src/node/purchase.ts'
import type { PurchaseComponents } from '../../src/node/session-opener.ts'
import { createTrustLedger } from '../../src/node/trust.ts'
import { createBudget, evmPayer } from '../../src/payments/index.ts'
import {
  isComplete,
  isResumable,
  readSession,
  requestMenu,
  STATUS,
  type StoredSession
} from '../../src/protocols/sdpp/index.ts'
import type { StatementSigner } from '../../src/statements/index.ts'
import { corruptDial, corruptPayer, corruptSessions, type OwnRefunds } from './adversaries.ts'
import { ESCROW, TOKEN } from './chain.ts'
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

/** The user waits a little, or deposits again: nothing was sold. */
const TRIED_AGAIN: readonly number[] = [STATUS.unknownSession, STATUS.busy, STATUS.channelUnfunded]

const UNKNOWN_CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const TOKEN_UNITS = { symbol: 'USDC', decimals: 6, address: TOKEN } as never

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
      if (!holds && this.plan.honest) world.violated(`${process.name}: ${what}`)
    })
    const { honest, purchases } = this.plan
    const advance = purchases.reduce((most, { prepay }) => (prepay > most ? prepay : most), 0n)
    oracles.join(process, { role: 'buyer', honest, disk: this.disk, peer: this.signer.peerId, advance })
    const wallet = crypto.account(this.plan.account)
    const budget = createBudget({
      spending: stores.spending,
      limits: () => ({ perDay: 10n ** 12n }),
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
      now: process.clock.wallTime,
      logger: silent
    })
    const trust = createTrustLedger({ store: stores.trust, strangerCredit: 0n, now: process.clock.wallTime })
    const sessions = this.plan.honest ? stores.sessions : corruptSessions(stores.sessions, scenario, world)
    const components: PurchaseComponents = {
      network: {
        resolvePeer: async () => ({ source: 'dht' }) as never,
        openStream: (peerId) => {
          const dial = () => this.#around.network.dial(process, this.signer.peerId, String(peerId))
          return (this.plan.honest ? dial() : corruptDial(dial, scenario, world)()) as never
        },
        blocks: { put: async () => {} } as never
      },
      signer: this.signer,
      sessions,
      payers: [
        this.plan.honest ? payer : corruptPayer(payer, scenario, world, this.#ownRefunds(process, stores.channels))
      ],
      trust,
      rails: ['evm'],
      defaults: () => ({ currency: TOKEN_UNITS, prepay: 0n, maximum: 0n }),
      logger: silent,
      find: async () => this.#seller.listing,
      clock: process.clock,
      chance: () => world.random.next(),
      verifier: crypto.verifier,
      random: process.bytes
    }
    for (const [index, purchase] of this.plan.purchases.entries()) {
      if (this.outcomes.has(index)) continue
      await process.sleep(purchase.delay)
      this.outcomes.set(index, await this.#buy(process, index, purchase, components))
      world.note(`${process.name} ended purchase ${index}`)
      if (!this.plan.honest && scenario.adversary === 'withdrawAndRun') {
        const escrow = chain.viewOf(process, wallet.address)
        for (const { channelId, config } of await stores.channels.payers()) {
          world.cheated()
          // As the node does it, or all of it, also what vouchers were signed for.
          if (world.random.chance(0.5)) await payer.channels?.withdraw(channelId).catch(() => {})
          else {
            const { balance } = await escrow.channel(channelId).catch(() => ({ balance: 0n }))
            await escrow.initiateWithdraw(config, balance).catch(() => {})
          }
          world.after((scenario.withdrawDelay + 60) * 1000, () => {
            payer.channels?.finish(channelId).catch(() => {})
          })
        }
      }
    }
  }

  /** Pays itself back, behind the seller's back, whatever the channel holds that was not claimed. */
  #ownRefunds(process: Process, channels: ChannelStore): OwnRefunds {
    const { chain, crypto } = this.#around
    const { address: authorizer, privateKey } = crypto.account(0xbb)
    const escrow = chain.viewOf(process, crypto.account(this.plan.account).address)
    const take = async (channelId: Hex): Promise<void> => {
      const { config } = (await channels.payer(channelId)) ?? {}
      if (config === undefined) return
      const { balance } = await escrow.channel(channelId)
      const nonce = await escrow.refundNonce(channelId)
      const digest = crypto.eip712.refund(crypto.eip712.escrowDomain(1, ESCROW), channelId, nonce, balance)
      const signature = crypto.eip712.sign(digest, privateKey)
      await escrow.refund(config, { amount: balance, nonce, signature })
    }
    return { authorizer, refund: (channelId) => void (channelId && take(channelId).catch(() => {})) }
  }

  async #buy(process: Process, index: number, purchase: Purchase, components: PurchaseComponents): Promise<Outcome> {
    const { world } = this.#around
    if (purchase.asksMenu) await this.#askMenu(process)
    for (let tries = 0; ; tries++) {
      const stored = await this.#onDisk(components.sessions, index)
      if (stored !== undefined && isComplete(stored)) return outcomeOf(stored)
      try {
        return await this.#try(process, index, purchase, stored, components)
      } catch (error) {
        if (!process.alive) return new Promise(() => {})
        if (!(error instanceof DdmError)) throw error
        const status = Number(error.details?.status ?? 0)
        world.note(`${process.name} ${error.code} ${status} ${error.message}`)
        // The user tries again, as long as nobody says no.
        const again = error.code === 'unreachable' || TRIED_AGAIN.includes(status)
        if (!again || tries > (this.plan.honest ? 100 : 3))
          return status >= 200 && status < 300 ? { refused: status } : { failed: `${error.code}: ${error.message}` }
        if (!this.#seller.honest && tries > 1) return { failed: 'gave up' }
        await process.sleep(2_000)
      }
    }
  }

  async #try(
    process: Process,
    index: number,
    { from, quantity, k, maximum, prepay, prepayForAll, badAt, refund, unknown, answering, stopAfter }: Purchase,
    stored: StoredSession | undefined,
    components: PurchaseComponents
  ): Promise<Outcome> {
    const { listing } = this.#seller
    const wanted = unknown ? { ...listing, cid: UNKNOWN_CID } : listing
    const running = new RunningPurchase(
      stored === undefined ? { listing: wanted } : { session: stored },
      {
        from: from ?? 0n,
        max: maximum,
        answering,
        refund,
        mark: markOf(index, 0),
        ...(quantity === undefined ? {} : { records: quantity }),
        ...(k === undefined ? {} : { k: Number(k) }),
        ...(prepayForAll ? { prepay } : {})
      },
      {
        ...components,
        defaults: () => ({ currency: TOKEN_UNITS, prepay, maximum }),
        judge: async () => (badAt === undefined ? undefined : this.#validator(badAt))
      }
    )
    await this.#consume(process, running, index, stopAfter)
    const { session, records } = await running.done
    const start = this.disk.sessionRows.get(`buyer ${session}`)?.start ?? 0n
    return { session, n: records, start }
  }

  #validator(badAt: number): RecordValidator {
    const checkEach: RecordValidator['checkEach'] = async (bytes, count) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const bad = []
      let at = 0
      for (let index = 0; index < count; index++) {
        if (view.getUint32(at + 4) === badAt) bad.push({ index, reason: 'bad' })
        at += 4 + view.getUint32(at)
      }
      return bad
    }
    return {
      check: async (bytes, count) => (await checkEach(bytes, count))[0],
      checkEach,
      close: async () => {}
    }
  }

  /** What the node and its sink agree on: the file as of the mark that the session has. */
  async #onDisk(sessions: SessionStore, index: number): Promise<StoredSession | undefined> {
    const all = await sessions.list('buyer')
    const mine = all.filter(({ sink }) => sink !== undefined && (JSON.parse(sink) as { file: number }).file === index)
    const record = mine.findLast((one) => isResumable(one))
    const file = this.disk.files.get(`file${index}`) ?? { synced: [], written: [] }
    this.disk.files.set(`file${index}`, file)
    file.written = []
    const count = record?.sink === undefined ? 0 : (JSON.parse(record.sink) as { count: number }).count
    // Accomplices write into each other's files.
    if (file.synced.length < count && this.plan.honest) {
      this.#around.world.violated(`the file has ${file.synced.length} records, marked are ${count}`)
    }
    file.synced.length = count
    return record === undefined ? undefined : readSession(sessions, record.id, 'buyer')
  }

  /** As `pour` does: what the file has made durable and the position are stored together. */
  async #consume(
    process: Process,
    running: RunningPurchase,
    index: number,
    stopAfter: number | undefined
  ): Promise<void> {
    const { world, scenario } = this.#around
    const takesBack = !this.plan.honest && scenario.adversary === 'takeBack'
    const file = this.disk.files.get(`file${index}`) as { synced: Uint8Array[]; written: Uint8Array[] }
    const commit = async (): Promise<void> => {
      await this.disk.write(process, () => file.synced.push(...file.written.splice(0)))
      await running.commit(markOf(index, file.synced.length))
    }
    for await (const batch of running.batches()) {
      for (const record of batch) file.written.push(record.bytes.slice())
      if (world.random.chance(0.3)) await process.sleep(world.random.int(0, 300))
      if (running.idle || world.random.chance(0.3)) await commit()
      // What was paid for is there again; who leaves now has it and wants the money back.
      if (takesBack && running.status.resumes > 0) {
        world.cheated()
        break
      }
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

function outcomeOf({ record, receipt, accept }: StoredSession): Outcome {
  return { session: record.id, n: receipt?.content.n ?? 0n, start: accept?.content.start ?? 0n }
}

function markOf(file: number, count: number): string {
  return JSON.stringify({ file, count })
}

import { openProductLog } from '../../src/data/index.ts'
import type { Listing, Logger, Payee, ProductLog } from '../../src/interface/index.ts'
import { faultPoint } from '../../src/interface/index.ts'
import { createTrustLedger } from '../../src/node/trust.ts'
import { evmPayee } from '../../src/payments/index.ts'
import { type Product, type Seller, type SellerSessionStatus, sdppSeller } from '../../src/protocols/sdpp/index.ts'
import type { StatementSigner } from '../../src/statements/index.ts'
import { corruptLog, corruptPayee, corruptStream } from './adversaries.ts'
import type { Chain } from './chain.ts'
import type { Crypto } from './crypto.ts'
import { Disk, storesOf } from './disk.ts'
import type { Network } from './network.ts'
import type { Oracles } from './oracles.ts'
import { ASSET_ID, isSellers, makeListing, NETWORK_ID, type Scenario } from './scenario.ts'
import { Process, type World } from './world.ts'

const quiet = (): void => {}
const said = (...parts: unknown[]): void => {
  if (globalThis.process.env.SIM_NOTES !== undefined) globalThis.process.stderr.write(`${JSON.stringify(parts)}\n`)
}
export const silent: Logger = { debug: quiet, info: quiet, warn: said, error: said }

const WATCH_EVERY_MS = 20_000

export interface Surroundings {
  world: World
  scenario: Scenario
  chain: Chain
  crypto: Crypto
  network: Network
  oracles: Oracles
}

/** A seller's node over all its lives: what is on the disk stays, the rest dies with each process. */
export class SellerNode {
  readonly disk: Disk
  readonly signer: StatementSigner
  readonly listing: Listing
  readonly honest: boolean
  readonly #around: Surroundings
  process: Process | undefined
  payee: Payee | undefined
  #service: Seller | undefined

  constructor(around: Surroundings) {
    const { crypto, scenario, world } = around
    this.#around = around
    this.disk = new Disk(world)
    this.disk.slowness = world.random.pick([0, 3, 30])
    this.signer = crypto.signers[0] as StatementSigner
    this.honest = !isSellers(scenario.adversary)
    this.listing = makeListing(scenario, this.signer.peerId, crypto.account(0x5e).address)
  }

  kill(): void {
    const { world } = this.#around
    if (this.process === undefined || !this.process.alive) return
    world.fault('crashSeller')
    this.process.kill()
    this.disk.crash()
    world.after(world.random.int(50, 8_000), () => this.start())
  }

  start(): void {
    const { world } = this.#around
    const process = new Process('seller', world)
    this.process = process
    world.current = process
    this.#boot(process).catch((error: unknown) => {
      if (process.alive) world.violated(`the seller does not start: ${(error as Error).stack}`)
    })
  }

  async #boot(process: Process): Promise<void> {
    const { world, scenario, chain, crypto, network, oracles } = this.#around
    const stores = storesOf(this.disk, process, (holds, what) => {
      if (!holds) world.violated(`seller: ${what}`)
    })
    oracles.join(process, { role: 'seller', honest: this.honest, disk: this.disk, peer: this.signer.peerId })
    const log = await openProductLog({
      id: 'log',
      store: stores.blocks,
      blockRecords: 5,
      clock: { ...process.clock, soon: (callback) => process.clock.after(0, callback) }
    })
    const { address: authorizer, privateKey } = crypto.account(0x5a)
    const payTo = crypto.account(0x5e).address
    this.payee = evmPayee({
      chain: chain.viewOf(process, payTo),
      channels: stores.channels,
      eip712: crypto.eip712,
      payTo,
      receiverAuthorizer: authorizer,
      authorizerKey: privateKey,
      networkId: NETWORK_ID,
      assetId: ASSET_ID,
      withdrawDelay: scenario.withdrawDelay,
      quiet: true,
      now: () => world.now,
      logger: silent
    })
    faultPoint('recovery.opened')
    const product: Product = {
      listing: this.listing,
      log: corruptLog(log, scenario, world),
      payees: [corruptPayee(this.payee, scenario, world)],
      credit: scenario.credit,
      creditForAll: scenario.creditForAll,
      k: scenario.k,
      invoicing: scenario.invoicing
    }
    const trust = createTrustLedger({
      store: stores.trust,
      strangerCredit: scenario.strangerCredit,
      now: process.clock.wallTime
    })
    const registrar = network.registrar(process, this.signer.peerId)
    const { payee } = this
    const giveBack = ({ refund }: SellerSessionStatus): void => {
      if (refund !== undefined) payee.channels?.refund(refund).catch(() => {})
    }
    this.#service = sdppSeller({ clock: process.clock, checkpointEvery: 2, onSessionEnd: giveBack })({
      registrar: {
        ...registrar,
        handle: (protocol, handler, options) =>
          registrar.handle(
            protocol,
            (stream, connection) => handler(corruptStream(stream, scenario, world), connection),
            options
          )
      },
      signer: this.signer,
      catalog: { products: () => [product] },
      sessions: stores.sessions,
      trust,
      verifier: crypto.verifier,
      random: process.bytes,
      logger: silent
    })
    await this.#service.start()
    void this.#feed(process, log)
    void this.#watch(process)
  }

  async #feed(process: Process, log: ProductLog): Promise<void> {
    const { world, scenario } = this.#around
    for (;;) {
      const { records, present } = scenario
      const head = Number(log.head)
      if (head >= records.length) return log.finished ? undefined : log.finish()
      const more = head < present ? present - head : Math.min(world.random.int(1, 4), records.length - head)
      await log.append(records.slice(head, head + more))
      await process.sleep(head < present ? 0 : world.random.int(0, 2_000))
    }
  }

  async #watch(process: Process): Promise<void> {
    for (;;) {
      await process.sleep(WATCH_EVERY_MS)
      const channels = this.payee?.channels
      await channels?.watch().catch(() => {})
      await channels?.finishRefunds().catch(() => {})
    }
  }
}

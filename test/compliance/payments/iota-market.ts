import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import type { Demand, Gas, Hex, ListingPayment } from '../../../src/interface/index.ts'
import { type IotaLedger, startIotaLedger } from '../../../src/iota-ledger/index.ts'
import {
  type BudgetLimits,
  createBudget,
  type IotaRail,
  iotaAddress,
  openIotaRail
} from '../../../src/payments/index.ts'
import { createSigner, type StatementSigner, signStatement } from '../../../src/statements/index.ts'
import { type Ledger, openLedger } from '../../../src/storage/index.ts'
import { silent } from '../../support/sdpp.ts'
import { tempDir } from '../../support/temp-dir.ts'
import type { Market, RailSetup, Sides } from './payment-rail.ts'

/** What each account gets: 100 IOTA. */
const FUNDS = 100_000_000_000n

interface Side {
  ledger: Ledger
  rail: IotaRail
}

/** A buyer and a seller with ledgers of their own, on one local IOTA ledger. */
export class IotaMarket implements Market {
  readonly rail = 'iota'
  readonly network: IotaLedger
  readonly seeds: { buyer: Uint8Array; seller: Uint8Array }
  readonly #folder: string
  readonly #limits: BudgetLimits
  readonly #sponsorFees: boolean
  /** Kill switch of the seller's wallet. */
  isFrozen = false
  readonly signer: StatementSigner
  readonly accounts: { buyer: Hex; seller: Hex }
  readonly #sides: { buyer?: Promise<Side> | undefined; seller?: Promise<Side> | undefined } = {}

  constructor(
    network: IotaLedger,
    folder: string,
    signer: StatementSigner,
    accounts: { buyer: Hex; seller: Hex },
    seeds: { buyer: Uint8Array; seller: Uint8Array },
    limits: BudgetLimits,
    sponsorFees: boolean
  ) {
    this.#sponsorFees = sponsorFees
    this.network = network
    this.#folder = folder
    this.signer = signer
    this.accounts = accounts
    this.seeds = seeds
    this.#limits = limits
  }

  get listing(): ListingPayment {
    const network = `iota:${this.network.chainIdentifier}`
    const price = { amount: '10', count: 1, unit: 'record' } as const
    return { rail: 'iota', network, asset: `${network}/slip44:4218`, payTo: this.accounts.seller, price }
  }

  async sides(): Promise<Sides & { ledgers: { buyer: Ledger; seller: Ledger } }> {
    this.#sides.buyer ??= this.#start('buyer')
    this.#sides.seller ??= this.#start('seller')
    const [buyer, seller] = await Promise.all([this.#sides.buyer, this.#sides.seller])
    return {
      payer: buyer.rail.payer,
      payee: seller.rail.payee,
      ledgers: { buyer: buyer.ledger, seller: seller.ledger }
    }
  }

  async restart(): Promise<void> {
    for (const name of ['buyer', 'seller'] as const) {
      const side = await this.#sides[name]
      await side?.rail.close()
      await side?.ledger.close()
      this.#sides[name] = undefined
    }
  }

  demand(session: string, due: bigint, gas?: Gas): Demand {
    const fields = {
      session: CID.parse(session),
      n: due / 10n,
      bytes: 0n,
      due,
      credited: 0n,
      root: new Uint8Array(32),
      ...(gas === undefined ? {} : { gas })
    }
    const { payload, signature } = signStatement(this.signer, 'invoice', fields, Date.now())
    return { payload, signature }
  }

  async #start(name: 'buyer' | 'seller'): Promise<Side> {
    const ledger = await openLedger({ path: join(this.#folder, `${name}.db`) })
    const asset = this.listing.asset as string
    const rail = await openIotaRail({
      url: this.network.url,
      chainIdentifier: this.network.chainIdentifier,
      seed: this.seeds[name],
      issuer: this.signer.peerId,
      assetId: asset,
      transfers: ledger.transfers,
      budget: createBudget({
        spending: ledger.book(asset).spending,
        limits: () => (name === 'buyer' ? this.#limits : {}),
        frozen: () => name === 'seller' && this.isFrozen
      }),
      sponsorFees: this.#sponsorFees,
      logger: silent
    })
    return { ledger, rail }
  }
}

/** One ledger for all tests of a file: each market has accounts of its own. */
export function iotaSetup(): RailSetup<IotaMarket> & { network: () => Promise<IotaLedger> } {
  let starting: Promise<IotaLedger> | undefined
  after(async () => (await starting)?.close())
  const network = (): Promise<IotaLedger> => {
    starting ??= startIotaLedger({ logger: silent })
    return starting
  }
  return {
    rail: 'iota',
    network,
    start: async (t, { limits = {} } = {}) => {
      const ledger = await network()
      return makeIotaMarket(t, ledger, limits)
    }
  }
}

export async function makeIotaMarket(
  t: TestContext,
  ledger: IotaLedger,
  limits: BudgetLimits,
  sponsorFees = false,
  funds = FUNDS
): Promise<IotaMarket> {
  const seeds = { buyer: randomBytes(32), seller: randomBytes(32) }
  const accounts = { buyer: await iotaAddress(seeds.buyer), seller: await iotaAddress(seeds.seller) }
  const key = await generateKeyPairFromSeed('Ed25519', randomBytes(32))
  const signer = createSigner(peerIdFromPrivateKey(key).toString(), key.raw.subarray(0, 32))
  if (funds > 0n) for (const account of Object.values(accounts)) await ledger.mint(account, funds)
  const market = new IotaMarket(ledger, await tempDir(t), signer, accounts, seeds, limits, sponsorFees)
  t.after(() => market.restart())
  return market
}

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { openProductLog } from '../../src/data/index.ts'
import {
  type BuyerGate,
  type Hex,
  isVoucher,
  type Listing,
  type ListingDocument,
  type ListingPayment,
  type Logger,
  type Payee,
  type PayeeSession,
  type Payer,
  type PayerSession,
  type ProductLog,
  type SessionStore,
  type TrustLedger,
  type VoucherPayload
} from '../../src/interface/index.ts'
import { BuyerSession, type BuyRequest, type Clock, type Product, systemClock } from '../../src/protocols/sdpp/index.ts'
import { SellerSession } from '../../src/protocols/sdpp/seller-session.ts'
import { createSigner, type StatementSigner, statementLink } from '../../src/statements/index.ts'
import { type Ledger, openLedger } from '../../src/storage/index.ts'

/** Two sides of SDPP over an in-memory stream pair, with real ledgers and product logs and a rail that costs nothing to run. */

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export async function makeSigner(): Promise<StatementSigner> {
  const key = await generateKeyPair('Ed25519')
  return createSigner(peerIdFromPrivateKey(key).toString(), key.raw.subarray(0, 32))
}

const CHANNEL: Hex = `0x${'11'.repeat(32)}`

export function voucher(amount: bigint): VoucherPayload {
  return { channelId: CHANNEL, maxClaimableAmount: amount, signature: `0x${'22'.repeat(65)}` }
}

/** Payer that signs nothing: the amounts are what the tests look at. */
export function countingPayer(overrides: Partial<PayerSession> = {}): Payer & { paid: bigint[] } {
  const paid: bigint[] = []
  const session = (): PayerSession => ({
    order: { rail: 'evm' },
    get paid() {
      return paid.at(-1) ?? 0n
    },
    get payload() {
      return paid.length === 0 ? undefined : voucher(paid.at(-1) as bigint)
    },
    begin: async () => {},
    accept: async () => {},
    pay: async (sessionPaid) => {
      paid.push(sessionPaid)
      return voucher(sessionPaid)
    },
    suspend: async () => {},
    end: async () => {},
    ...overrides
  })
  return {
    paid,
    rail: 'evm',
    capabilities: () => [{ rail: 'evm' }],
    objection: () => undefined,
    open: async () => session(),
    resume: async () => session()
  }
}

export function countingPayee(deposit: bigint, overrides: Partial<PayeeSession> = {}): Payee & { credited: bigint[] } {
  const credited: bigint[] = []
  let last: VoucherPayload | undefined
  const session = (): PayeeSession => ({
    base: 0n,
    get proof() {
      return last
    },
    get credited() {
      return credited.at(-1) ?? 0n
    },
    covered: deposit,
    available: () => deposit,
    begin: async () => {},
    verify: (sessionPaid, payload) => {
      if (!isVoucher(payload)) return 'no voucher'
      return payload.maxClaimableAmount < sessionPaid ? 'voucher too low' : undefined
    },
    credit: async (sessionPaid, payload) => {
      if (isVoucher(payload)) last = payload
      credited.push(sessionPaid)
    },
    suspend: async () => {},
    end: async () => last,
    ...overrides
  })
  return {
    credited,
    rail: 'evm',
    terms: ({ price }: ListingPayment) => ({
      rail: 'evm',
      price: { amount: BigInt(price.amount), count: BigInt(price.count), unit: price.unit }
    }),
    accept: async () => session(),
    resume: async () => session(),
    claim: async () => ({ claimed: 0n, transactions: [], rejected: [] })
  }
}

export function makeListing(
  seller: string,
  price: ListingPayment['price'],
  extra: Partial<ListingDocument> = {}
): Listing {
  const document: ListingDocument = {
    v: 1,
    id: `0x${'ab'.repeat(32)}`,
    title: 'Test records',
    description: 'Records of a test',
    seller: { peerId: seller },
    schema: { encoding: 'json', maxRecordBytes: 1024 },
    payment: [{ rail: 'evm', price }],
    issuedAt: '2026-01-01T00:00:00Z',
    ...extra
  }
  return {
    id: document.id,
    version: 1,
    cid: statementLink(new TextEncoder().encode(JSON.stringify(document))).toString(),
    status: 'active',
    trust: 'confirmed',
    account: `0x${'00'.repeat(20)}`,
    peerId: seller,
    document,
    updatedAt: 0
  }
}

export interface Pair {
  sellerSigner: StatementSigner
  buyerSigner: StatementSigner
  sellerLedger: Ledger
  buyerLedger: Ledger
  log: ProductLog & { close: () => Promise<void> }
  listing: Listing
  product: Product
}

export interface PairOptions {
  price?: ListingPayment['price']
  credit?: bigint
  deposit?: bigint
  product?: Partial<Product>
  document?: Partial<ListingDocument>
  payee?: Payee
}

const closers: Array<() => Promise<void>> = []
let ledgers: Promise<[seller: Ledger, buyer: Ledger]> | undefined

/** A worker thread each, so the tests of a file share them. */
async function openLedgers(): Promise<[seller: Ledger, buyer: Ledger]> {
  const directory = await mkdtemp(join(tmpdir(), 'ddm-test-'))
  closers.push(() => rm(directory, { recursive: true, force: true }))
  return Promise.all(
    ['seller', 'buyer'].map(async (name) => {
      const ledger = await openLedger({ path: `${directory}/${name}.db` })
      closers.push(() => ledger.close())
      return ledger
    })
  ) as Promise<[Ledger, Ledger]>
}

after(async () => {
  for (const close of closers.reverse()) await close()
})

/** Two identities and a product of its own, over the ledgers of the file. */
export async function makePair(t: TestContext, options: PairOptions = {}): Promise<Pair> {
  const [sellerSigner, buyerSigner] = await Promise.all([makeSigner(), makeSigner()])
  ledgers ??= openLedgers()
  const [sellerLedger, buyerLedger] = await ledgers
  const log = await openProductLog({ id: randomUUID(), store: sellerLedger.blocks })
  const listing = makeListing(
    sellerSigner.peerId,
    options.price ?? { amount: '100', count: 1, unit: 'record' },
    options.document
  )
  const product: Product = {
    listing,
    log,
    payees: [options.payee ?? countingPayee(options.deposit ?? 10n ** 12n)],
    credit: options.credit ?? 10_000n,
    k: { min: 1n, default: 10n, max: 1000n },
    ...options.product
  }
  t.after(() => log.close())
  return { sellerSigner, buyerSigner, sellerLedger, buyerLedger, log, listing, product }
}

export async function openStreams(): Promise<[Stream, Stream]> {
  return streamPair({ delay: 0, capacity: 100 })
}

export function serve(
  pair: Pair,
  stream: Stream,
  options: {
    buyer?: string
    clock?: Clock
    products?: readonly Product[]
    takeOver?: (session: string) => Promise<void>
    trust?: TrustLedger
    sessions?: SessionStore
    signer?: StatementSigner
    logger?: Logger
    gate?: BuyerGate
  } = {}
): { session: SellerSession; done: Promise<void> } {
  const done = Promise.withResolvers<void>()
  const session = new SellerSession(
    stream,
    options.buyer ?? pair.buyerSigner.peerId,
    {
      signer: options.signer ?? pair.sellerSigner,
      sessions: options.sessions ?? pair.sellerLedger.sessions,
      logger: options.logger ?? silent,
      clock: options.clock ?? systemClock,
      products: () => options.products ?? [pair.product],
      takeOver: options.takeOver ?? (async () => {}),
      ...(options.gate === undefined ? {} : { gate: options.gate }),
      ...(options.trust === undefined ? {} : { trust: options.trust })
    },
    () => done.resolve()
  )
  return { session, done: done.promise }
}

export type Request = Partial<BuyRequest> & { wish: BuyRequest['wish'] }

export function makeBuyer(
  pair: Pair,
  stream: Stream,
  request: Request,
  options: {
    payer?: Payer
    clock?: Clock
    signer?: StatementSigner
    sessions?: SessionStore
    trust?: TrustLedger
  } = {}
): BuyerSession {
  return new BuyerSession(
    stream,
    pair.sellerSigner.peerId,
    { listing: pair.listing, ...request },
    {
      signer: options.signer ?? pair.buyerSigner,
      sessions: options.sessions ?? pair.buyerLedger.sessions,
      payers: [options.payer ?? countingPayer()],
      clock: options.clock ?? systemClock,
      logger: silent,
      ...(options.trust === undefined ? {} : { trust: options.trust })
    }
  )
}

export async function buyFrom(
  pair: Pair,
  request: Request,
  payer: Payer = countingPayer()
): Promise<{ buyer: BuyerSession; sellerDone: Promise<void>; seller: SellerSession }> {
  const [outbound, inbound] = await openStreams()
  const { session, done } = serve(pair, inbound)
  const buyer = makeBuyer(pair, outbound, request, { payer })
  await buyer.open()
  return { buyer, sellerDone: done, seller: session }
}

export function jsonRecords(count: number, from = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new TextEncoder().encode(JSON.stringify({ i: i + from })))
}

/** A clock that stands still until it is told to move; timers fire in order. */
export class ManualClock implements Clock {
  #now = 1_000
  #timers: Array<{ at: number; callback: () => void }> = []

  now = (): number => this.#now
  wallTime = (): number => 1_767_225_600_000 + this.#now

  after = (milliseconds: number, callback: () => void): (() => void) => {
    const timer = { at: this.#now + milliseconds, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  advance(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
    }
    this.#now = end
  }
}

/** Waits, in real time, until something is so; fails after a minute with what was waited for. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 60_000
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

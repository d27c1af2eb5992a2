import { setTimeout as sleep } from 'node:timers/promises'
import { type Chain, defaultToken } from '../chain/index.ts'
import {
  type AbortOptions,
  type Address,
  type ClaimResult,
  currencyOf,
  DdmError,
  type Hex,
  iotaNetworkId,
  isQuiet,
  type Listing,
  type NetworkProfile,
  type NetworkToken,
  type SearchQuery,
  type SessionRecord,
  type TrustLedger
} from '../interface/index.ts'
import {
  isComplete,
  isResumable,
  isUnconfirmed,
  type MenuEntry,
  readSession,
  requestMenu,
  SDPP_PROTOCOL,
  type Seller,
  type StoredSession,
  sdppSeller,
  systemClock
} from '../protocols/sdpp/index.ts'
import type { RegistryService } from '../registry/index.ts'
import { readAnyStatement, type StatementSigner } from '../statements/index.ts'
import type { IndexDatabase, Ledger } from '../storage/index.ts'
import { Access } from './access.ts'
import { budgetChanger } from './change-budget.ts'
import { Channels } from './channels.ts'
import { Claims } from './claims.ts'
import type { Closers } from './closers.ts'
import type { NodeConfig } from './config.ts'
import { confirmedBySeller } from './confirmed.ts'
import { endedPurchase } from './ended.ts'
import { Expiry } from './expiry.ts'
import { exposureOfSession, totalExposure } from './exposure.ts'
import { Figures } from './figures.ts'
import { findSession } from './find-session.ts'
import type { Following, FollowOptions } from './follow-types.ts'
import { RunningFollowing } from './following.ts'
import { FundedPeers } from './funded.ts'
import type { HomePaths } from './home.ts'
import type { Keys } from './keys.ts'
import type { NodeLogger } from './logger.ts'
import { movesOfSession } from './moves.ts'
import type { Network } from './network.ts'
import { wishDefaults } from './order-wish.ts'
import { RunningPurchase } from './purchase.ts'
import { quote } from './quote.ts'
import { createTrust } from './rail-trust.ts'
import type { Rails } from './rails.ts'
import { Receipts } from './receipts.ts'
import { Retention } from './retention.ts'
import { Sales, waysToBePaid } from './sales.ts'
import type { PurchaseComponents, PurchaseTarget } from './session-opener.ts'
import { Settlement } from './settlement.ts'
import { closeStrayGrants, endStraySessions } from './stray-grants.ts'
import { transactionName } from './transaction-name.ts'
import type { BuyOptions, DdmNode, LocalNode, Quote, ResumeOptions, Sale, SellOptions } from './types.ts'
import { findUnfinished } from './unfinished.ts'
import { Upkeep } from './upkeep.ts'
import { setFrozen, walletStatus } from './wallet.ts'

export interface NodeParts {
  paths: HomePaths
  config: NodeConfig
  profile: NetworkProfile
  keys: Keys
  logger: NodeLogger
  ledger: Ledger
  index: IndexDatabase
  network: Network
  chain: Chain
  signer: StatementSigner
  rails: Rails
  registry: RegistryService
}

/** How long one look tries to reach a seller for what a session that has ended still misses. */
const SETTLE_FOR_MS = 60_000
/** A command that ends right after a purchase gives the seller so long to say that it has the acknowledgement. */
const CONFIRM_MS = 2_000

/** A started node: what its users call, joined to the rooms that do it. */
export class RunningNode implements LocalNode {
  readonly #parts: NodeParts
  readonly #closers: Closers
  readonly #token: NetworkToken
  readonly #sales: Sales
  readonly #seller: Seller
  readonly #claims: Claims
  readonly #expiry: Expiry
  readonly #settlement: Settlement
  readonly #upkeep: Upkeep
  readonly #funded: FundedPeers
  readonly #figures: Figures
  readonly #trust: TrustLedger
  readonly #changeBudget: DdmNode['wallet']['setBudget']
  readonly #purchases = new Set<RunningPurchase>()
  readonly #followings = new Set<RunningFollowing>()
  #stopped: Promise<void> | undefined
  readonly receipts: Receipts
  readonly channels: Channels

  constructor(parts: NodeParts, closers: Closers) {
    const { config, profile, registry, ledger, network, chain, rails, logger, signer } = parts
    const { payers, payees } = rails
    this.#parts = parts
    this.#closers = closers
    this.#token = defaultToken(profile)
    const access = new Access({
      maxSessions: config.maxSessionsPerBuyer,
      ordersPerMinute: config.orderRatePerBuyer,
      logger
    })
    this.#sales = new Sales({
      access,
      registry,
      blocks: ledger.blocks,
      payees,
      listingId: (salt) => chain.registry.listingId(this.account, salt),
      peerId: this.peerId,
      account: this.account,
      ways: waysToBePaid(profile, rails),
      credit: config.credit,
      logger
    })
    this.#claims = new Claims({
      payees,
      onHead: (listener) => chain.registry.onHead(listener),
      logger
    })
    this.#trust = createTrust(parts)
    this.#changeBudget = budgetChanger(parts)
    const { sessions } = ledger
    const inUse = this.#inUse
    const { channels } = chain
    const blockTime = async (options: AbortOptions): Promise<number> =>
      Number((await channels?.timestamp(options)) ?? 0n) * 1000
    const late = isQuiet(profile) || channels === undefined ? {} : { blockTime }
    this.#expiry = new Expiry({ sessions, payers, payees, trust: this.#trust, inUse, logger, ...late })
    const products = (): ReturnType<Sales['logs']> => this.#sales.logs()
    const retention = new Retention({ products, sessions, keepRecords: config.keepRecords, logger })
    const settle = (session: StoredSession, options: AbortOptions): Promise<boolean> => this.#settle(session, options)
    this.#settlement = new Settlement({ sessions, inUse, settle, logger })
    network.libp2p.addEventListener('peer:connect', ({ detail }) => this.#settlement.met(detail.toString()))
    this.#upkeep = new Upkeep([this.#expiry, retention, this.#settlement], logger)
    this.#funded = new FundedPeers({ sessions: ledger.sessions, payees, logger })
    network.setFunded(this.#funded.has)
    this.#seller = sdppSeller({
      release: (id) => this.#expiry.release({ id, role: 'seller' }),
      onSessionEnd: ({ refund }) => this.#onSessionEnd(refund)
    })({
      registrar: network,
      signer,
      catalog: this.#sales,
      sessions: this.#funded.sessions,
      trust: this.#trust,
      gate: access,
      logger: logger.child('seller')
    })
    this.#figures = new Figures({
      ...parts,
      sales: this.#sales,
      seller: this.#seller,
      buying: () => this.#purchases.size
    })
    this.receipts = new Receipts({ ledger, blocks: network.blocks })
    this.channels = new Channels({
      payers,
      payees,
      sessions: ledger.sessions,
      token: this.#token,
      askBack: (session, options) => this.#askBack(session, options),
      payBack: (channelId, options) => this.#claims.refund(channelId, options)
    })
  }

  get peerId(): string {
    return this.#parts.network.peerId.toString()
  }

  get home(): string {
    return this.#parts.paths.root
  }

  get profile(): NetworkProfile {
    return this.#parts.profile
  }

  get settings(): Readonly<NodeConfig> {
    return this.#parts.config
  }

  get logger(): NodeLogger {
    return this.#parts.logger
  }

  get account(): Address {
    return this.#parts.keys.wallet.address
  }

  readonly exposure: DdmNode['exposure'] = (options) => {
    const { rails, ledger } = this.#parts
    return totalExposure({ ...rails, ledger }, options)
  }

  readonly figures: LocalNode['figures'] = (options) => this.#figures.read(options)

  readonly addresses = (): string[] => this.#parts.network.addresses()
  readonly unconfirmedAddresses = (): string[] => this.#parts.network.unconfirmedAddresses()

  readonly peers: DdmNode['peers'] = async () =>
    this.#parts.network.libp2p.getConnections().map(({ remotePeer, remoteAddr, direction, timeline, limits }) => ({
      peerId: remotePeer.toString(),
      address: remoteAddr.toString(),
      direction,
      since: timeline.open,
      limited: limits !== undefined
    }))

  async start(): Promise<void> {
    const { sessions } = this.#parts.ledger
    await closeStrayGrants({ trust: this.#trust, sessions })
    await endStraySessions({ payees: this.#parts.rails.payees, sessions })
    await this.#seller.start()
    this.#claims.start()
    this.#upkeep.start()
    this.#funded.start()
  }

  readonly listings: DdmNode['listings'] = {
    search: async (query, options) => this.#parts.registry.search(searchQuery(query), options),
    facets: async (query, options) => this.#parts.registry.facets(searchQuery(query), options),
    get: (id, options) => this.#parts.registry.get(id, options),
    watch: (query, options) => this.#parts.registry.watch(searchQuery(query), options),
    setStatus: async (id, status, options) => {
      await this.#parts.registry.setStatus(id, status, options)
      this.#sales.setStatus(id, status)
    },
    synced: (options) => this.#parts.registry.synced(options)
  }

  async menu(peerId: string, options: AbortOptions = {}): Promise<MenuEntry[]> {
    const { network, logger } = this.#parts
    await network.resolvePeer(peerId, options)
    const stream = await network.openStream(peerId, SDPP_PROTOCOL, options)
    return requestMenu(stream, peerId, { clock: systemClock, logger: logger.child('menu') }, options)
  }

  async quote(listing: string | Listing, options: Pick<BuyOptions, 'rail' | 'k' | 'signal'> = {}): Promise<Quote> {
    const { rails, config, registry } = this.#parts
    const found = typeof listing === 'string' ? await registry.get(listing, options) : listing
    return quote(found, rails.payers, config, options)
  }

  buy(listing: string | Listing, options: BuyOptions = {}): RunningPurchase {
    return this.#purchase({ listing }, options)
  }

  follow(listings: ReadonlyArray<string | Listing>, options: FollowOptions): Following {
    const { registry, profile, config, logger } = this.#parts
    const { sessions } = this.#parts.ledger
    const following = new RunningFollowing(listings, options, {
      find: (id, findOptions) => registry.get(id, findOptions),
      quote: (listing, quoteOptions) => this.quote(listing, quoteOptions),
      currency: (rail) => currencyOf(profile, rail),
      buy: (listing, buyOptions) => this.#purchase({ listing }, buyOptions),
      resume: (id, resumeOptions) => this.#resume(id, resumeOptions),
      perSession: (rail) => wishDefaults(currencyOf(profile, rail), config).maximum,
      unfinished: (listing, listOptions) => findUnfinished(listing, { sessions, inUse: this.#inUse }, listOptions),
      logger: logger.child('follow')
    })
    this.#followings.add(following)
    const forget = (): boolean => this.#followings.delete(following)
    following.done.then(forget, forget)
    return following
  }

  /** Whether a stream has the session, or one is being opened for it. */
  readonly #inUse = ({ id, role }: Pick<SessionRecord, 'id' | 'role'>): boolean =>
    role === 'seller' ? this.#seller.serves(id) : [...this.#purchases].some(({ sessionId }) => sessionId === id)

  #purchase(target: PurchaseTarget, options: BuyOptions): RunningPurchase {
    const { network, signer, ledger, rails, logger, config, registry, profile } = this.#parts
    const components: PurchaseComponents = {
      network,
      signer,
      sessions: ledger.sessions,
      payers: rails.payers,
      rails: config.rails,
      trust: this.#trust,
      defaults: (rail) => wishDefaults(currencyOf(profile, rail), config),
      logger: logger.child('buyer'),
      find: (id, findOptions) => registry.get(id, findOptions),
      shared: (seller) => [...this.#purchases].filter((one) => one.seller === seller).length > 1
    }
    const purchase = new RunningPurchase(target, options, components)
    this.#purchases.add(purchase)
    void purchase.settled.then(() => {
      this.#purchases.delete(purchase)
      const { seller, sessionId } = purchase
      if (purchase.status.phase !== 'receipted' || seller === undefined || sessionId === undefined) return
      this.#settlement.missed(seller, sessionId)
    })
    return purchase
  }

  async sell(options: SellOptions): Promise<Sale> {
    const sale = await this.#sales.sell(options)
    // Its log may have grown old while it was not on sale.
    this.#upkeep.look()
    return sale
  }

  readonly sessions: LocalNode['sessions'] = {
    selling: async () => this.#seller.sessions(),
    list: (options) => this.#parts.ledger.sessions.list(undefined, options),
    get: (id, options) => findSession(this.#parts.ledger.sessions, id, options),
    statements: async ({ id, role }, options) => {
      const statements = await this.#parts.ledger.sessions.statements(id, role, options)
      return statements.map(({ cid, kind, issuer, payload, signature }) => ({
        cid,
        kind,
        issuer,
        content: { ...readAnyStatement(payload, signature).content }
      }))
    },
    moves: (record, options) => movesOfSession(record, this.#parts, options),
    exposure: (record, options) => {
      const { rails, ledger } = this.#parts
      const { channels, sessions } = ledger
      const confirmed = (one: SessionRecord, how?: AbortOptions): Promise<bigint> =>
        confirmedBySeller(one, sessions, how)
      return exposureOfSession(record, { ...rails, channels, confirmed }, options)
    },
    resume: (id, options) => this.#resume(id, options),
    outcome: (id, options) => endedPurchase(id, this.#parts.ledger.sessions, options)
  }

  async #resume(id: string, options: ResumeOptions = {}): Promise<RunningPurchase> {
    const { sessions } = this.#parts.ledger
    const { id: whole } = await findSession(sessions, id, options, 'buyer')
    const which = { id: whole, role: 'buyer' } as const
    let session: StoredSession | undefined
    do {
      await Promise.all([this.#settlement.release(whole), this.#expiry.release(which)])
      session = await readSession(sessions, whole, 'buyer', options)
    } while (this.#settlement.has(whole) || this.#expiry.has(which))
    const complete = session !== undefined && isComplete(session) && !isUnconfirmed(session)
    if (session === undefined || !isResumable(session.record) || complete) {
      const state = session?.record.state ?? 'unknown'
      throw new DdmError('usage', `session ${whole} is ${complete ? 'complete' : state}: there is nothing to resume`)
    }
    // Two streams of one session would throw each other out, for ever.
    if (this.#inUse(session.record)) {
      throw new DdmError('usage', `session ${whole} goes on in another purchase of this node; stop that one first`)
    }
    return this.#purchase({ session }, options)
  }

  /** No records are missing: nobody needs to take any. */
  async #settle(session: StoredSession, options: AbortOptions): Promise<boolean> {
    const purchase = this.#purchase({ session }, { ...options, resumeFor: SETTLE_FOR_MS })
    await purchase.done
    await purchase.settled
    return purchase.status.phase === 'closed'
  }

  #onSessionEnd(refund: Hex | undefined): void {
    if (refund === undefined) this.#claims.look()
    else this.#claims.refundLater(refund)
  }

  /** A session that has ended is met again only to say CLOSE with the wish. */
  async #askBack({ id }: SessionRecord, options: AbortOptions): Promise<void> {
    const session = await readSession(this.#parts.ledger.sessions, id, 'buyer', options)
    if (session === undefined) throw new DdmError('notFound', `session ${id} is not in the ledger`)
    await this.#purchase({ session }, { ...options, refund: true, resumeFor: 0 }).done
  }

  claim(options?: AbortOptions): Promise<ClaimResult> {
    return this.#claims.claim(options)
  }

  readonly wallet: DdmNode['wallet'] = {
    balance: async (options) => {
      const { chain } = this.#parts
      const [native, token] = await Promise.all([
        chain.nativeBalance(this.account, options),
        chain.tokenBalance(this.account, options)
      ])
      return { native, token, symbol: this.#token.symbol, decimals: this.#token.decimals }
    },
    arrived: async (options) => {
      const { profile, ledger } = this.#parts
      if (profile.iota === undefined) return []
      const arrived = await ledger.transfers.arrived(iotaNetworkId(profile.iota), options)
      return arrived.map(({ transaction, amount }) => ({ transaction: transactionName('iota', transaction), amount }))
    },
    status: (options) => {
      const { rails, keys } = this.#parts
      const { iota } = rails
      const own = iota === undefined || keys.iota === undefined ? undefined : { ...iota, account: keys.iota.address }
      return walletStatus({ ...this.#parts, account: this.account, iota: own }, options)
    },
    freeze: () => setFrozen(this.#parts.paths, true),
    unfreeze: () => setFrozen(this.#parts.paths, false),
    setBudget: (change) => this.#changeBudget(change)
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    for (const following of this.#followings) following.stop()
    const settling = this.#settlement.stop()
    const purchases = [...this.#purchases]
    for (const purchase of purchases) purchase.stop()
    await Promise.allSettled(purchases.map(({ done }) => done))
    const confirmed = Promise.all(purchases.map(({ settled }) => settled))
    await Promise.race([confirmed, sleep(CONFIRM_MS, undefined, { ref: false })])
    for (const purchase of purchases) purchase.leave()
    await Promise.all([confirmed, settling])
    this.#figures.stop()
    await this.#seller.stop()
    await this.#sales.close()
    await Promise.all([this.#claims.stop(), this.#upkeep.stop(), this.#funded.stop()])
    await this.#closers.close()
  }
}

function searchQuery(query: string | SearchQuery | undefined): SearchQuery {
  return typeof query === 'string' ? { text: query } : (query ?? {})
}

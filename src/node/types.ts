import type { OnInvalid } from '../data/index.ts'
import type { VerifiedBundle, VerifiedTransfer } from '../evidence/index.ts'
import type {
  AbortOptions,
  Address,
  ChannelStanding,
  ClaimResult,
  DataSource,
  DdmError,
  FacetCount,
  Hex,
  LedgerMove,
  Listing,
  ListingDocument,
  ListingEvent,
  ListingPayment,
  ListingStatus,
  Logger,
  NetworkProfile,
  PriceUnit,
  RailName,
  RefundResult,
  SearchQuery,
  SessionRecord,
  SessionRole,
  SessionTotals
} from '../interface/index.ts'
import type {
  BuyerSessionStatus,
  Invoicing,
  MenuEntry,
  NarrowWindow,
  SellerSessionStatus
} from '../protocols/sdpp/index.ts'
import type { AccessRules } from './access.ts'
import type { NodeConfig } from './config.ts'
import type { SessionExposure, TotalExposure } from './exposure.ts'
import type { Following, FollowOptions } from './follow-types.ts'
import type { PurchaseEvent } from './purchase-events.ts'
import type { PurchaseQuality } from './quality.ts'
import type { WalletStatus } from './wallet.ts'

/** What a node is made from. Everything but `home` has a default; `config` wins over `DDM_*` and `config.json`. */
export interface NodeInit {
  /** Folder that holds keys, ledger and index; one process at a time. */
  home: string
  /** Network profile, or the path of its file. @default `<home>/network.json` */
  network?: NetworkProfile | string
  /** Creates missing keys without encryption: development only. @default false */
  insecureDevKeys?: boolean
  /** Opens encrypted keys. @default `DDM_PASSPHRASE`, then a prompt on a terminal */
  passphrase?: string
  config?: Partial<NodeConfig>
  logger?: Logger
}

/** What a purchase would be paid with. */
export interface Quote {
  rail: RailName
  payment: ListingPayment
  /** Cost of one payment besides its amount, atomic units; 0 where payments cost nothing. */
  fee: bigint
  /** Records per payment so that fees stay within the node's `maxFeePercent`; a small window makes it fewer. */
  k?: bigint
  /** Share of the fee in a payment of k records. */
  feePercent?: number
}

/** One record as a buyer gets it. */
export interface PurchasedRecord {
  offset: bigint
  bytes: Uint8Array
  /** Unix ms at which it arrived. */
  receivedAt: number
  text: () => string
  json: <T = unknown>() => T
}

export interface BuyOptions extends AbortOptions {
  /** Way to pay. @default the first of the node's `rails` that the listing offers and the wallet can pay with */
  rail?: RailName
  /** Stops after this many; without it a finite product is bought whole and a stream until stopped. */
  records?: number | bigint
  /**
   * First offset, or a time: then the first block appended at it or later.
   *
   * @default the first kept offset of a finite product, the newest record of a stream
   */
  from?: number | bigint | Date | 'live'
  /** Most that the purchase may cost, in whole tokens (`'0.05'`) or atomic units (bigint). */
  max?: string | bigint
  /** Highest price per record (or KiB) accepted, in whole tokens (`'0.001'`). @default the listing's price */
  maxPrice?: string
  /** Records per invoice. @default the offer's */
  k?: number
  /**
   * Amount that may be paid ahead of what was received, in whole tokens or atomic units, whoever the seller is.
   *
   * @default nothing to a seller that one has not bought from, then growing up to the node's `prepay`
   */
  prepay?: string | bigint
  /** Milliseconds after which the session ends. */
  duration?: number
  /**
   * Milliseconds to go on trying to reach a seller that was lost, before the purchase fails; 0 fails at once.
   *
   * @default 300000
   */
  resumeFor?: number
  /** The sink's mark before the first record: from where `commit` goes on after a crash that comes before the first. */
  mark?: string
  /**
   * Checks every record against the JSON Schema of the listing; `onInvalid` says what is done with one that breaks it.
   *
   * @default true
   */
  checkSchema?: boolean
  /**
   * `stop`: nothing from the first record on that breaks the schema is paid for, the purchase ends with `schema`, and the
   * proof is kept for `receipts.export`. `drop`: such a record is paid for like any other, counted in `quality.invalid`,
   * and not handed out.
   *
   * @default 'stop'
   */
  onInvalid?: OnInvalid
  /** Called for what happens meanwhile; must not take long. */
  onEvent?: (event: PurchaseEvent) => void
  /** Asks the seller to pay back what the channel still holds when the session ends. @default false */
  refund?: boolean
  /** Answer each invoice, or only the newest while a payment is being stored. @default 'newest' */
  answering?: 'every' | 'newest'
}

/** What may be said of a purchase that goes on; the rest is as it was ordered. */
export type ResumeOptions = Pick<
  BuyOptions,
  'signal' | 'resumeFor' | 'answering' | 'checkSchema' | 'onInvalid' | 'refund' | 'onEvent'
>

export interface PurchaseOutcome {
  /** Session ID: CID of the order. */
  session: string
  listing: Hex
  seller: string
  rail: RailName
  records: bigint
  /** Atomic units. */
  due: bigint
  paid: bigint
  credited: bigint
  /** Name of the CLOSE reason. */
  reason: string
  /** Streams that were lost and replaced. */
  resumes: number
  quality: PurchaseQuality
  /** Milliseconds from the call to the first record, and to the receipt. */
  firstRecordMs: number | undefined
  totalMs: number
}

export interface PurchaseStatus extends BuyerSessionStatus {
  /** How the seller's addresses were found. */
  resolvedThrough: 'dht' | 'connection' | 'peerstore' | undefined
  /** What it is paid by; undefined until that is chosen. */
  rail: RailName | undefined
  /** Streams that were lost and replaced so far. */
  resumes: number
  /** Set when the window cannot carry the rate that the listing promises, or was measured: pay ahead (`prepay`) as much as `need`. */
  narrow?: NarrowWindow
  /** Records per second since the first one. */
  rate: number
  quality: PurchaseQuality
}

/**
 * One purchase. Iterate it for the records; leaving the loop early settles the session.
 *
 * @example
 * ```ts
 * const purchase = node.buy(listing, { records: 100, max: '0.05' })
 * for await (const record of purchase) console.log(record.json())
 * const { due, paid } = await purchase.done
 * ```
 */
export interface Purchase extends AsyncIterable<PurchasedRecord> {
  /** Records by DATA frame; cheaper than one by one. */
  batches: () => AsyncIterable<PurchasedRecord[]>
  readonly status: PurchaseStatus
  readonly done: Promise<PurchaseOutcome>
  /** Whether everything that came has been handed out. */
  readonly idle: boolean
  /**
   * Says that every record handed out so far is durable at the caller; resolves when that is stored, together with
   * `mark`. A later run of this node goes on from there. Without it the position moves as records are asked for, and the
   * last ones may come again after a crash.
   */
  commit: (mark?: string) => Promise<void>
  /** Ends the purchase in an orderly way; `done` resolves with the receipt. */
  stop: () => void
}

export interface SellOptions extends AbortOptions, AccessRules {
  title: string
  description?: string
  keywords?: string[]
  /** Price in whole tokens per `per.count` units: `'0.0001'`, or with its currency `'0.01 IOTA'`; `'0'` sells for nothing. */
  price: string
  /** @default { unit: 'record', count: 1 } */
  per?: { unit: PriceUnit; count: number }
  /** The same product in other currencies: each buyer picks one. */
  otherPrices?: Array<{ price: string; per?: { unit: PriceUnit; count: number } }>
  /** How many records, from the first on, cost nothing: the same ones for everybody. @default 0 */
  free?: number
  source: DataSource
  /** Keeps only these fields of each record; nested ones by dots: `['time', 'wind.speed']`. @default all */
  select?: string[]
  /** Sells the first of every so many records. @default 1 */
  every?: number
  /** Sells the first record of each so many milliseconds: by the record's time, or as they come where it has none. */
  interval?: number
  /** Field with the time of a record, RFC 3339 or Unix ms. @default the schema's first one of format `date-time` */
  time?: string
  /**
   * What to do with a record that has not what `select` or `interval` need, breaks the JSON Schema of the document, or is
   * too large for it: end the sale's source with `badRecord`, or leave it out and count it.
   *
   * @default 'stop'
   */
  onInvalid?: OnInvalid
  /** Called for each record that was left out, with how many were so far. */
  onDrop?: (dropped: number, error: DdmError) => void
  /** Checks every record against the document's JSON Schema before it is sold. @default true */
  checkSchema?: boolean
  /** Distinguishes listings of one account; the same key publishes a new version. @default the title */
  key?: string
  /** Further parts of the listing document. */
  document?: Partial<Omit<ListingDocument, 'v' | 'id' | 'title' | 'description' | 'payment' | 'seller' | 'issuedAt'>>
  /** Records per invoice. @default 1 … 1000, 20 */
  k?: { min: number; default: number; max: number }
  /**
   * What each session may owe at a time, in whole tokens or atomic units, whoever the buyer is.
   *
   * @default one record to a stranger, then growing up to the node's `credit`
   */
  credit?: string | bigint
  /** @default 'adaptive' */
  invoicing?: Invoicing
  /** Whether records of an earlier run of the same product are kept. @default true for streams, false for finite sources */
  keepLog?: boolean
}

/** A product on sale by this node. */
export interface Sale {
  /** With its status as this node has set it. */
  readonly listing: Listing
  /** Resolves when a finite source has been read whole; rejects when the source failed. */
  readonly fed: Promise<void>
  readonly log: { readonly head: bigint; readonly tail: bigint; readonly finished: boolean }
  /** Records left out as `onInvalid` says. */
  readonly dropped: number
  /** Takes the product off sale here; with `retire` also on the chain. */
  stop: (options?: AbortOptions & { retire?: boolean }) => Promise<void>
}

export interface ReceiptSummary {
  session: string
  role: 'buyer' | 'seller'
  rail: RailName
  listing: Hex
  peer: string
  records: bigint
  due: bigint
  paid: bigint
  state: string
  at: number
}

/** What a bundle shows, with the reason of the CLOSE by name. */
export interface VerifiedReceipt extends Omit<VerifiedBundle, 'reason' | 'transfers'> {
  /** `found` when a ledger was asked. */
  transfers: Array<VerifiedTransfer & { found?: boolean; problem?: string }>
  reason?: string
  /** Why a record breaks the schema although the bundle cannot show it: the seller signed nothing that covers it. */
  unproven?: string
  /** What is wrong with a later invoice, over which the session was ended: it is left out of the bundle. */
  disputed?: string
}

/** A connection that is open now. */
export interface ConnectedPeer {
  peerId: string
  /** Multiaddr. */
  address: string
  direction: 'inbound' | 'outbound'
  /** Unix ms. */
  since: number
  /** Through a relay that counts bytes and time. */
  limited: boolean
}

/** What was signed in a session, read: fields as docs/specs/sdpp.md names them. */
export interface SessionStatement {
  cid: string
  kind: string
  /** Peer ID of the signer. */
  issuer: string
  content: Record<string, unknown>
}

/** Caps of the wallet that may change while the node runs: whole tokens of each currency. */
export interface BudgetChange {
  perRecord?: string
  perSession?: string
  perSeller?: string
  perHour?: string
  perDay?: string
  /** Most that is deposited with one seller. */
  deposit?: string
  /** Peer IDs of the only sellers that are paid; none: everybody. */
  sellers?: string[]
}

/** What a node can count about itself at one time. */
export interface NodeFigures {
  /** Of all sessions in the ledger. */
  totals: SessionTotals[]
  /** Sessions that run now. */
  open: Record<SessionRole, number>
  connections: Record<'inbound' | 'outbound', number>
  /** On sale, with the offset after the newest record. */
  products: Array<{ listing: Hex; head: bigint }>
  /** Vouchers that are not on the chain, atomic units, and the age of the oldest. */
  held: Array<{ rail: RailName; unclaimed: bigint; ageSeconds: number }>
  /** Newest block that this node was told of; undefined before the first. */
  head: { number: bigint; timestamp: bigint } | undefined
  /** As it was at most a minute ago; nothing before the chain answered once. */
  exposure: TotalExposure[]
  frozen: boolean
  /** Where the home is. */
  freeBytes: number
}

/** A purchase of this process. */
export interface LocalPurchase extends Purchase {
  /** Leaves the session as it stands, for a later run to resume; one that is being settled is settled. */
  suspend: () => void
}

/** A node of this process: what serves it to others reads its settings and writes to its log. */
export interface LocalNode extends DdmNode {
  readonly buy: (...wish: Parameters<DdmNode['buy']>) => LocalPurchase
  readonly sessions: Omit<DdmNode['sessions'], 'resume'> & {
    resume: (...wish: Parameters<DdmNode['sessions']['resume']>) => Promise<LocalPurchase>
    /** How a purchase ended; undefined while there is something to resume. Throws `schema` when a bad record ended it. */
    outcome: (id: string, options?: AbortOptions) => Promise<PurchaseOutcome | undefined>
  }
  readonly settings: Readonly<NodeConfig>
  readonly logger: Logger
  /** Asks no peers, and the chain at most once a minute. */
  readonly figures: (options?: AbortOptions) => Promise<NodeFigures>
}

/** A running node: the public door of the SDK. */
export interface DdmNode {
  readonly peerId: string
  readonly home: string
  readonly profile: NetworkProfile
  /** Wallet that posts listings and pays deposits, lower case. */
  readonly account: Address
  /** What others are told; public addresses of this machine once a peer has dialled them back. */
  readonly addresses: () => string[]
  /** Public addresses of this machine that nobody has dialled back yet: new, or behind a firewall. */
  readonly unconfirmedAddresses: () => string[]
  /** Connections that are open now. */
  readonly peers: (options?: AbortOptions) => Promise<ConnectedPeer[]>
  readonly listings: {
    search: (query?: string | SearchQuery, options?: AbortOptions) => Promise<Listing[]>
    /** What the results of a search can be narrowed by: the values that they have, and how many have each. */
    facets: (query?: string | SearchQuery, options?: AbortOptions) => Promise<FacetCount[]>
    /** By ID, unique prefix (≥ 4 hex digits) or document CID. */
    get: (id: string, options?: AbortOptions) => Promise<Listing>
    watch: (query?: string | SearchQuery, options?: AbortOptions) => AsyncIterable<ListingEvent>
    setStatus: (id: Hex, status: ListingStatus, options?: AbortOptions) => Promise<void>
    /** Resolves when the index has reached the chain's head as of the call. */
    synced: (options?: AbortOptions) => Promise<void>
  }
  /** What this node may lose now, by role and currency; reads the chain where there are channels. */
  exposure: (options?: AbortOptions) => Promise<TotalExposure[]>
  /** What a peer sells, knowing only its ID. */
  menu: (peerId: string, options?: AbortOptions) => Promise<MenuEntry[]>
  /** How a purchase would be paid, and what paying costs; orders nothing. */
  quote: (listing: string | Listing, options?: Pick<BuyOptions, 'rail' | 'k' | 'signal'>) => Promise<Quote>
  buy: (listing: string | Listing, options?: BuyOptions) => Purchase
  /** Buys one product from several sellers, one at a time, within one budget; see `Following`. */
  follow: (listings: ReadonlyArray<string | Listing>, options: FollowOptions) => Following
  /** Publishes a listing and serves it until stopped. */
  sell: (options: SellOptions) => Promise<Sale>
  readonly sessions: {
    /** Those that this node serves now. */
    selling: (options?: AbortOptions) => Promise<SellerSessionStatus[]>
    list: (options?: AbortOptions) => Promise<SessionRecord[]>
    /** By ID or unique beginning of it; `notFound` when there is none. */
    get: (id: string, options?: AbortOptions) => Promise<SessionRecord>
    /** What was signed in it, in the order in which it was kept. */
    statements: (record: Pick<SessionRecord, 'id' | 'role'>, options?: AbortOptions) => Promise<SessionStatement[]>
    /** Transactions that moved money for it, oldest first: of its channel, whichever session that was for, or its own. */
    moves: (record: Pick<SessionRecord, 'id' | 'role'>, options?: AbortOptions) => Promise<LedgerMove[]>
    /** What this side of a session may lose now; reads the chain where there is a channel. */
    exposure: (record: SessionRecord, options?: AbortOptions) => Promise<SessionExposure>
    /** Goes on with a purchase that was cut, also by an earlier run; records that were committed do not come again. */
    resume: (id: string, options?: ResumeOptions) => Promise<Purchase>
  }
  /** Deposits, of both roles. Channels go by ID or a unique beginning of it; amounts in atomic units. */
  readonly channels: {
    list: (options?: AbortOptions) => Promise<ChannelStanding[]>
    /** Buyer: asks a deposit back without the seller; `finish` takes it after the channel's withdraw delay. */
    withdraw: (
      id: string,
      amount?: string | bigint,
      options?: AbortOptions
    ) => Promise<{ amount: bigint; finalizeAfter: bigint; transaction: Hex }>
    finish: (id: string, options?: AbortOptions) => Promise<{ amount: bigint; transaction: Hex }>
    /** Buyer: asks the seller for what is unspent, and waits for it. Seller: pays it back. */
    refund: (id: string, options?: AbortOptions) => Promise<RefundResult>
  }
  /** Presents the vouchers held to the chain and settles. Tells of what the node claimed by itself since the last call, too. */
  claim: (options?: AbortOptions) => Promise<ClaimResult>
  readonly receipts: {
    list: (options?: AbortOptions & { role?: SessionRole; state?: string }) => Promise<ReceiptSummary[]>
    /**
     * Writes a bundle (CAR) that verifies alone, offline. Accepts a unique prefix of the session ID. A session that ended
     * badly has one, too: `complete` is false then.
     */
    export: (session: string, file: string, options?: AbortOptions & { role?: SessionRole }) => Promise<VerifiedReceipt>
  }
  readonly wallet: {
    balance: (options?: AbortOptions) => Promise<{ native: bigint; token: bigint; symbol: string; decimals: number }>
    /** What arrived by transactions that pay on their own, on the iota rail. Nanos; nothing where there is no such rail. */
    arrived: (options?: AbortOptions) => Promise<Array<{ transaction: string; amount: bigint }>>
    /** Balances, what was spent, the caps. */
    status: (options?: AbortOptions) => Promise<WalletStatus>
    /** Kill switch: nothing is signed any more, by this run and later ones, until `unfreeze`. */
    freeze: () => Promise<void>
    unfreeze: () => Promise<void>
    /** Changes caps, for what is signed from now on and, in `config.json`, for later runs. Throws `usage`. */
    setBudget: (change: BudgetChange) => Promise<void>
  }
  /** Orderly: closes sessions, finishes invoices, frees the home. */
  stop: () => Promise<void>
}

import type {
  ChannelConfig,
  ClaimResult,
  DepositAuthorization,
  PayeeChannels,
  PayerChannels,
  VoucherPayload
} from './channel.ts'
import type { AbortOptions, Address, AssetId, Hex, NetworkId } from './common.ts'
import type { ListingPayment, Price } from './listing.ts'

export const RAIL_NAMES = ['evm', 'iota', 'free'] as const

export type RailName = (typeof RAIL_NAMES)[number]

/** What a HELLO says that a buyer can pay in. No wallet address is in it. */
export interface PaymentCapability {
  rail: RailName
  network?: NetworkId
  asset?: AssetId
}

/** One way to pay, as the seller's OFFER states it. */
export interface PaymentTerms {
  rail: RailName
  price: Price
  network?: NetworkId
  asset?: AssetId
  /** Account that is paid: 20 bytes on evm, 32 on iota. */
  payTo?: Hex
  receiverAuthorizer?: Address
  escrow?: Address
  /** Seconds. */
  withdrawDelay?: number
  /** Granularity that this way to pay is meant for, where each payment costs a fee; otherwise the offer's default. */
  k?: bigint
  /** The seller pays the fees of the payments. */
  sponsored?: boolean
}

/** The rail's part of an ORDER. */
export interface RailOrder {
  rail: RailName
  config?: ChannelConfig
  /** 65-byte EIP-712 `SessionAuth` signature by the payerAuthorizer. */
  channelAuth?: Hex
  deposit?: DepositAuthorization
  /** iota: the paying account. */
  account?: Hex
  /** Signature of the paying account over the session's binding; on evm the same `SessionAuth` as `channelAuth`. */
  accountAuth?: Hex
}

/** Digests that bind a channel to one order: sha2-256 digests of the offer's CID and of the buyer's peer ID bytes. */
export interface SessionBinding {
  offerDigest: Hex
  buyerPeerDigest: Hex
  /** 16-byte order nonce, left-aligned in 32 bytes. */
  orderNonce: Hex
}

/** A signed statement that asks for money. */
export interface Demand {
  payload: Uint8Array
  signature: Uint8Array
}

/** Coin of a seller that pays the fee of one payment, and how high that may be. */
export interface Gas {
  /** 32 bytes: object, and digest of this version. */
  coin: Hex
  version: bigint
  digest: Hex
  /** Atomic units per unit of gas, and in all. */
  price: bigint
  budget: bigint
}

export interface PayOptions extends AbortOptions {
  /** The statement that asks for this payment; rails that transfer need it. */
  demand?: Demand
}

/** Rail payload of PAYMENT on a rail that moves money each time: where it moved, and which statement asked for it. */
export interface TransferPayload {
  /** 32 bytes: the transaction's digest. */
  transaction: Hex
  /** The signed INVOICE, or ACCEPT for what is paid ahead; the digest of its payload is the transaction's memo. */
  demand: Demand
  /** Of a sponsored payment, which the seller signs too and sends: the transaction as BCS and the payer's signature. */
  unsent?: { bytes: Uint8Array; signature: Uint8Array }
}

/** The rail's payload of a PAYMENT; undefined on the free rail. */
export type PaymentPayload = VoucherPayload | TransferPayload

export function isVoucher(payload: PaymentPayload | undefined): payload is VoucherPayload {
  return payload !== undefined && 'channelId' in payload
}

export function isTransfer(payload: PaymentPayload | undefined): payload is TransferPayload {
  return payload !== undefined && 'transaction' in payload
}

/** Buyer's role on a rail. */
export interface Payer {
  readonly rail: RailName
  capabilities: () => PaymentCapability[]
  /**
   * Why these terms cannot be paid by this wallet (wrong network, unknown escrow, delay too long …); undefined when they can.
   * A session whose `maximum` is 0 needs no funds.
   */
  objection: (
    terms: PaymentTerms,
    listing: ListingPayment,
    options?: AbortOptions & { maximum?: bigint }
  ) => string | undefined | Promise<string | undefined>
  /** Why the wallet cannot pay even one record of a listing now; undefined when it can. */
  lacks?: (listing: ListingPayment, options?: AbortOptions) => Promise<string | undefined>
  /** What one payment costs besides its amount, atomic units of the asset; undefined where it costs nothing. */
  fee?: (terms: Pick<PaymentTerms, 'sponsored'>, options?: AbortOptions) => Promise<bigint>
  /**
   * Opens or reuses a channel that can pay `maximum` more, authorises a deposit where needed, and signs `channelAuth`.
   * Checks the budget, unless nothing is to be spent (`maximum` 0); throws `budget`, `funds` or `refused` before anything is signed.
   */
  open: (request: PayerRequest, options?: AbortOptions) => Promise<PayerSession>
  /**
   * Takes a session up again that was suspended, also by an earlier run of this node. Signs nothing.
   * Throws `notFound` when this wallet knows nothing of it.
   */
  resume: (request: ResumeRequest, options?: AbortOptions) => Promise<PayerSession>
  /** undefined on rails without channels. */
  readonly channels?: PayerChannels
}

/** A session to take up again, on either side. */
export interface ResumeRequest {
  sessionId: string
  /** undefined on rails without channels. */
  channelId?: Hex
  terms: PaymentTerms
  /** Peer ID of the other side. */
  peer: string
  maximum: bigint
  /** The account that the ORDER names; undefined on rails with channels. */
  account?: string
  /** The channel that the ORDER names: nothing is kept of one that was never to pay anything. */
  config?: ChannelConfig
  /** As in `PayerRequest`; undefined at the seller, and where the session is taken up only to be ended. */
  one?: bigint
  /** Only to be ended: neither budget nor ledger are asked whether it could go on. @default false */
  toEnd?: boolean
}

export interface PayerRequest {
  terms: PaymentTerms
  binding: SessionBinding
  /** Seller's peer ID: budgets are per seller. */
  seller: string
  /** Most that this session may cost. */
  maximum: bigint
  /** Most that one record can cost, per KiB that of the largest: budgets cap it. */
  one: bigint
}

/** What else ACCEPT says that a rail with channels needs. */
export interface AcceptOptions extends AbortOptions {
  /** What the seller says of a session that is resumed. @default 0 */
  credited?: bigint
}

export interface PayerSession {
  readonly order: RailOrder
  /** undefined on rails without channels. */
  readonly channelId?: Hex
  /** Signed for so far, cumulative. */
  readonly paid: bigint
  /**
   * Signed to the same seller over other channels and consumed by no session: paid ahead already. Asks no chain; undefined
   * on rails without channels.
   */
  readonly elsewhere?: () => bigint
  /** What RESUME shows again: covers `paid`; undefined while nothing was signed. */
  readonly payload: PaymentPayload | undefined
  /** Tells the rail the session ID (CID of ORDER) once it exists; stored durably. */
  begin: (sessionId: string, options?: AbortOptions) => Promise<void>
  /**
   * Takes what ACCEPT says of the channel: the base (consumed by ended sessions; undefined when the session owes nothing
   * any more) and the buyer's own last voucher as proof. Throws `paymentInvalid` when it is not what this buyer signed.
   */
  accept: (base: bigint | undefined, proof: VoucherPayload | undefined, options?: AcceptOptions) => Promise<void>
  /**
   * Signs for `sessionPaid` cumulative, or moves what is missing to it; the new amount is durable before this resolves.
   * Never lower than before.
   */
  pay: (sessionPaid: bigint, options?: PayOptions) => Promise<PaymentPayload | undefined>
  /** Each payment moves money and names the statement that asked for it. @default false */
  readonly transfers?: boolean
  /**
   * The seller says that the channel cannot pay for the rest of the order: resolves with a deposit for it to relay, or with
   * nothing when the channel can pay by now. Throws `budget` or `funds`. undefined where nothing is deposited.
   */
  topUp?: (options?: AbortOptions) => Promise<DepositAuthorization | undefined>
  /** The stream was lost: nothing more is promised than what was signed, until the session is resumed or ended. */
  suspend: (options?: AbortOptions) => Promise<void>
  /** The session is over: `due` of it counts as consumed, the rest stays in the channel for the next session. */
  end: (due: bigint, options?: AbortOptions) => Promise<void>
}

/** Seller's role on a rail. */
export interface Payee {
  readonly rail: RailName
  /** What an OFFER says for this way to pay of a listing; undefined when the rail cannot serve it now. */
  terms: (listing: ListingPayment) => PaymentTerms | undefined
  /**
   * Checks `channelAuth`, channel and balance as chain *state*, relays the deposit if one is given, stores the config
   * durably. Throws `refused` (user can act: unfunded) or `paymentInvalid`.
   */
  accept: (request: PayeeRequest, options?: AbortOptions) => Promise<PayeeSession>
  /**
   * Takes a session up again that was suspended, also by an earlier run of this node, or that ended owing something.
   * Reads the channel as state. Throws `notFound` when nothing is known of it.
   */
  resume: (request: ResumeRequest, options?: AbortOptions) => Promise<PayeeSession>
  /** Presents vouchers to the chain and settles; all channels, or the given ones. Resolves with the transactions. */
  claim: (channelIds?: Hex[], options?: AbortOptions) => Promise<ClaimResult>
  /** undefined on rails without channels. */
  readonly channels?: PayeeChannels
}

/** A transaction that moved money for a session: into or out of its channel, or straight to the seller. */
export interface LedgerMove {
  kind: 'deposit' | 'claim' | 'refund' | 'withdrawal' | 'payment'
  /** Atomic units. */
  amount: bigint
  /** As the ledger, and whoever explores it, writes it. */
  transaction: string
  /** Unix ms. */
  at: number
}

export interface PayeeRequest {
  terms: PaymentTerms
  binding: SessionBinding
  order: RailOrder
  /** Buyer's peer ID. */
  buyer: string
  maximum: bigint
  /** Asked for the account that the order names, once it is bound to the buyer and before anything is done for it. */
  authorize?: (account: string) => Promise<void>
}

export interface PayeeSession {
  /** undefined on rails without channels. */
  readonly channelId?: Hex
  /** Channel amount consumed by ended sessions; undefined on rails without channels. */
  readonly base: bigint | undefined
  /** Each payment moves money: one invoice is open at a time. @default false */
  readonly transfers?: boolean
  /**
   * What pays the fee of the payment that is asked for now, where this side pays it. One payment at a time: undefined until
   * the one before has come, and where the fee is not worth it.
   *
   * @param asked - what the payment brings the session to at least
   */
  offerGas?: (asked: bigint) => Gas | undefined
  /** The buyer's own last voucher, sent back in ACCEPT. */
  readonly proof: VoucherPayload | undefined
  /** Stored for this session so far, cumulative. */
  readonly credited: bigint
  /**
   * What the channel can pay for this session in all: balance − pending withdrawal − base − other sessions. undefined on
   * rails without channels.
   */
  available: () => bigint | undefined
  /** Confirmed balance of the channel that nobody withdraws: what the account's standing is backed by. */
  readonly covered: bigint
  /** The channel has lost what it held for this: neither side can have known. Rails without channels have no such case. */
  exceeds?: (sessionPaid: bigint) => boolean
  begin: (sessionId: string, options?: AbortOptions) => Promise<void>
  /** Pure check, no side effect: undefined when good, else the reason. */
  verify: (sessionPaid: bigint, payload: PaymentPayload | undefined) => string | undefined
  /** Verifies and stores; the voucher is durable when this resolves. Only then does it count as credit. */
  credit: (sessionPaid: bigint, payload: PaymentPayload | undefined, options?: AbortOptions) => Promise<void>
  /** Relays a deposit for the rest of the order, or looks whether one has come; `available` says what it brought. */
  topUp?: (deposit: DepositAuthorization | undefined, options?: AbortOptions) => Promise<void>
  /** The stream was lost: only what was paid stays promised, until the session is resumed or ended. */
  suspend: (options?: AbortOptions) => Promise<void>
  /** Ends the session: `base` grows by min(due, credited). Resolves with the proof embedded in RECEIPT. */
  end: (due: bigint, credited: bigint, options?: AbortOptions) => Promise<VoucherPayload | undefined>
}

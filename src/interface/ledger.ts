import type { ChannelConfig, VoucherPayload } from './channel.ts'
import type { AbortOptions, Hex } from './common.ts'
import type { PaymentPayload, RailName } from './payment.ts'

/** A signed statement as it went over the wire: the payload bytes that were signed, never re-encoded. */
export interface SignedStatement {
  /** CID string (CIDv1 dag-cbor sha2-256 of the payload). */
  cid: string
  kind: string
  /** Peer ID of the signer. */
  issuer: string
  payload: Uint8Array
  /** 64-byte Ed25519. */
  signature: Uint8Array
}

export type SessionRole = 'buyer' | 'seller'

/** A session as the ledger keeps it. Amounts in atomic units. */
export interface SessionRecord {
  /** CID of the ORDER. */
  id: string
  role: SessionRole
  listingId: Hex
  listingCid: string
  /** Peer ID of the other side. */
  peer: string
  /** Name in the transition table of the role. */
  state: string
  /** Rail and, on evm, channel. */
  rail: RailName
  channelId?: Hex
  /** Offset of the first record. */
  start: bigint
  /** Buyer: handled, as of the sink's commit. Seller: sent. */
  position: bigint
  /** Buyer: where a resume begins. Seller: the last end of a block that the buyer has acknowledged. */
  checkpoint: Checkpoint
  /** What the buyer's sink needs to go on from `position`, in its own words. */
  sink?: string
  due: bigint
  /** Buyer: signed. Seller: credited. */
  paid: bigint
  /** Seller: credit given. Buyer: prepay agreed to. */
  credit: bigint
  /** Window that the stream would have needed, once it was held back by the one that it had. */
  needed?: bigint
  /** Buyer: most that it pays since it stopped the session. */
  limit?: bigint
  openedAt: number
  updatedAt: number
}

/** What one side of a session may lose follows from this. */
export type SessionStakes = Pick<SessionRecord, 'role' | 'rail' | 'state' | 'due' | 'paid' | 'credit'>

/** Sessions of one role, rail and state, added up. Amounts in atomic units, as close as a double comes. */
export interface SessionTotals {
  role: SessionRole
  rail: RailName
  state: string
  sessions: number
  /** Billable. */
  records: number
  bytes: number
  due: number
  paid: number
}

/** A position at which a block ends, with what both sides compute there. */
export interface Checkpoint {
  position: bigint
  /** Root of the transcript, 32 bytes. */
  root: Uint8Array
  /** Billable records and bytes up to here. */
  records: bigint
  bytes: bigint
}

/** What is written together with a session's row: all of it or nothing. */
export interface SessionCommit {
  statements?: SignedStatement[]
  /** Kinds of which only the newest counts: earlier ones are dropped. */
  replaces?: string[]
  parts?: TranscriptPart[]
  /** Seller: positions from which the transcript can be taken up again. */
  checkpoints?: Checkpoint[]
}

/** A record that breaks the listing's schema, with the whole part of its block as the transcript has it. */
export interface Violation {
  /** Offset of the first record of the part, and index of the record in it. */
  first: bigint
  index: number
  /** Records as u32be length ‖ bytes; sha256 is the part's digest. */
  bytes: Uint8Array
  reason: string
}

/** Sessions and their statements. Every promise resolves when its write is durable (FULL, group commit). */
export interface SessionStore {
  put: (session: SessionRecord, commit?: SessionCommit, options?: AbortOptions) => Promise<void>
  get: (id: string, role: SessionRole, options?: AbortOptions) => Promise<SessionRecord | undefined>
  list: (role?: SessionRole, options?: AbortOptions) => Promise<SessionRecord[]>
  /** Says of a session that it is in use: whoever looks how old its row is takes it for a new one. Nothing else changes. */
  touch: (id: string, role: SessionRole, at: number, options?: AbortOptions) => Promise<void>
  keep: (sessionId: string, role: SessionRole, statements: SignedStatement[], options?: AbortOptions) => Promise<void>
  statements: (sessionId: string, role: SessionRole, options?: AbortOptions) => Promise<SignedStatement[]>
  /** Digest of each block part of the session in order: what the transcript is made of. */
  parts: (sessionId: string, role: SessionRole, options?: AbortOptions) => Promise<TranscriptPart[]>
  /** The last stored checkpoint of a session at or before a position; undefined when there is none. */
  checkpoint: (
    sessionId: string,
    role: SessionRole,
    position: bigint,
    options?: AbortOptions
  ) => Promise<Checkpoint | undefined>
  /** Forgets the checkpoints of sessions that have not moved since: nobody resumes them. */
  dropCheckpoints: (before: number, options?: AbortOptions) => Promise<void>
  /** The first one of a session; the same again, with more of its part, takes its place. */
  keepViolation: (sessionId: string, role: SessionRole, violation: Violation, options?: AbortOptions) => Promise<void>
  violation: (sessionId: string, role: SessionRole, options?: AbortOptions) => Promise<Violation | undefined>
}

/** One step of the transcript: c ← sha256(c ‖ first ‖ count ‖ digest). */
export interface TranscriptPart {
  first: bigint
  count: number
  digest: Uint8Array
}

/** Buyer's side of a channel. `signed` never decreases and is durable before the voucher leaves. */
export interface PayerChannel {
  channelId: Hex
  config: ChannelConfig
  seller: string
  chainId: number
  escrow: Hex
  /** Deposits known of (authorised or confirmed). */
  deposited: bigint
  /** Cumulative amount signed so far and its signature. */
  signed: bigint
  signature?: Hex
  /** Consumed by ended sessions. */
  base: bigint
  /** This comes from an older copy of the ledger: until the seller has shown its voucher, any of the balance may be used. */
  stale?: boolean
  /** The newest deposit that was authorised. */
  authorization?: OpenAuthorization
}

/**
 * A deposit that its seller may relay until it is over, or its nonce is used. Of all authorizations that share a salt, one
 * at most is carried out.
 */
export interface OpenAuthorization {
  salt: bigint
  /** Highest that was authorised with this salt. */
  amount: bigint
  /** Unix seconds, block time: the latest with this salt. */
  validBefore: bigint
}

/** Seller's side of a channel. Configs are kept because the contract does not. */
export interface PayeeChannel {
  channelId: Hex
  config: ChannelConfig
  chainId: number
  escrow: Hex
  /** Highest voucher held. */
  voucher?: VoucherPayload
  /** Consumed by ended sessions. */
  base: bigint
  /** Claimed on the chain as far as this node knows. */
  claimed: bigint
  /** A refund that may be on its way: its amount counts as gone until the chain shows that its nonce is used. */
  refund?: { amount: bigint; nonce: bigint }
}

export interface ChannelSession {
  sessionId: string
  channelId: Hex
  /** Cumulative paid in this session. */
  paid: bigint
  /** Until it has ended; a session that was cut is open. */
  open: boolean
  /** What of it counts as consumed, once it has ended. */
  consumed: bigint
  /** Payer: by how much the session raised the channel's voucher, which is what it spent. */
  signed: bigint
}

/** Channels and vouchers of both roles. Every promise resolves when its write is durable. */
export interface ChannelStore {
  putPayer: (channel: PayerChannel, session?: ChannelSession, options?: AbortOptions) => Promise<void>
  payer: (channelId: Hex, options?: AbortOptions) => Promise<PayerChannel | undefined>
  payers: (options?: AbortOptions) => Promise<PayerChannel[]>
  putPayee: (channel: PayeeChannel, session?: ChannelSession, options?: AbortOptions) => Promise<void>
  payee: (channelId: Hex, options?: AbortOptions) => Promise<PayeeChannel | undefined>
  payees: (options?: AbortOptions) => Promise<PayeeChannel[]>
  sessions: (role: 'payer' | 'payee', channelId: Hex, options?: AbortOptions) => Promise<ChannelSession[]>
}

/** Money spent, for budgets: one row per (seller, hour). */
export interface SpendingStore {
  add: (row: { seller: string; session: string; at: number; amount: bigint }, options?: AbortOptions) => Promise<void>
  /** Sum since `since` (Unix ms), of one seller or session if named. */
  sum: (filter: { since?: number; seller?: string; session?: string }, options?: AbortOptions) => Promise<bigint>
  /** Lowers the sum of a session to `amount`, newest rows first; one that is not above it stays. */
  lower: (session: { session: string; amount: bigint }, options?: AbortOptions) => Promise<void>
}

export type { PaymentPayload }

/** Rebuildable index of listings (index.db), filled by the registry. */
export interface IndexStore {
  run: (statements: Array<{ sql: string; params?: SqlValue[] }>, options?: AbortOptions) => Promise<void>
  all: <Row extends Record<string, SqlValue>>(
    sql: string,
    params?: SqlValue[],
    options?: AbortOptions
  ) => Promise<Row[]>
}

export type SqlValue = string | number | bigint | null | Uint8Array

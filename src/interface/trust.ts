import type { AbortOptions } from './common.ts'
import type { SessionRole } from './ledger.ts'
import type { RailName } from './payment.ts'

/**
 * Trust that grows (docs/specs/sdpp.md, Money). A seller gives credit, a buyer pays ahead; both keep the same book, each
 * in its own role: of whom it deals with, by peer ID and by account. Amounts are atomic units.
 */

/** Whom a book is kept of: a session counts for its peer and for its account. */
export interface TrustSubject {
  by: 'peer' | 'account'
  /** Peer ID; on evm the payer's account (buyer's book: the seller's `payTo`), lower case. */
  name: string
}

/** What remains of the sessions that are over. */
export interface TrustRecord {
  /** Σ due of completed sessions that was paid (buyer's book: and delivered). */
  settled: bigint
  /** How often credit was halved, as of the last payment time-out. */
  halvings: number
  /** `settled` at the last payment time-out. */
  halvedAt: bigint
  /** Volume to settle after it for each halving that is forgiven. */
  forgiveness: bigint
}

/** A record and what is at risk now. */
export interface Standing {
  settled: bigint
  /** Halvings that are not forgiven yet. */
  halvings: number
  /** Owed by sessions that are over or were cut. */
  debt: bigint
  /** Exposure of open sessions: their credit, or what they owed when they were taken up again if that is more. */
  open: bigint
}

/** Credit of one session (buyer's book: prepay). */
export interface Grant {
  role: SessionRole
  session: string
  peer: string
  /** undefined on rails without accounts. */
  account?: string
  credit: bigint
  /** What of the session counts in the records: written once, however often it ends. */
  settled: bigint
  /** Unpaid (buyer's book: paid and not delivered) when the session last ended; after a crash, what it may owe. */
  debt: bigint
  /** Comes out of the strangers' allowance of the hour of `at`. */
  stranger: boolean
  /** Until the session has ended or was cut. A crash leaves it open: exposure until somebody says how it ended. */
  open: boolean
  /** Unix ms at which the credit was given. */
  at: number
}

/** What a session can cost whoever gave it credit: all of it until it has ended, then what it owes. */
export function exposureOf({ credit, debt, open }: Pick<Grant, 'credit' | 'debt' | 'open'>): bigint {
  return open && credit > debt ? credit : debt
}

/** Records and grants. Every promise resolves when its write is durable. */
export interface TrustStore {
  /** One commit. A grant of the same role and session is replaced. */
  put: (grant: Grant, records: Array<TrustRecord & TrustSubject>, options?: AbortOptions) => Promise<void>
  grant: (role: SessionRole, session: string, options?: AbortOptions) => Promise<Grant | undefined>
  record: (role: SessionRole, subject: TrustSubject, options?: AbortOptions) => Promise<TrustRecord | undefined>
  /** Sums over all sessions but one. */
  exposure: (
    role: SessionRole,
    subject: TrustSubject,
    except?: string,
    options?: AbortOptions
  ) => Promise<{ debt: bigint; open: bigint }>
  /** Exposure of grants to strangers after `since` (Unix ms), of all sessions but one. */
  strangers: (role: SessionRole, since: number, except?: string, options?: AbortOptions) => Promise<bigint>
  /** Grants that are open or owe something, oldest first. */
  outstanding: (role?: SessionRole, options?: AbortOptions) => Promise<Grant[]>
}

export interface TrustRequest {
  role: SessionRole
  /** Each currency has a book of its own. @default 'evm' */
  rail?: RailName
  peer: string
  account?: string
  /** Price of one record: what a stranger gets. */
  one: bigint
  /** Most that is ever risked with one peer or account. */
  cap: bigint
  /** Confirmed, non-thawing balance of the payer's channel; undefined where nothing is deposited. */
  covered?: bigint
  /** No more than this is of use to the session: the rest stays for others of the same peer. */
  want?: bigint
  /** Least that the operator gives by hand to every session; what is owed is subtracted, other open sessions are not. */
  floor?: bigint
  /** Owed besides what the book knows. Asked when the request has its turn: a session that ends is in the one or the other. */
  elsewhere?: () => bigint
}

/** Says how much may be risked with whom, and remembers how it went. */
export interface TrustLedger {
  /**
   * Gives credit to a new session; durable when it resolves, so await it before ACCEPT (buyer: ORDER) is sent. Requests
   * are served one at a time: two never get the same room. `session` may be a function where the ID depends on the
   * amount (the buyer's ORDER names its prepay).
   */
  grant: (
    request: TrustRequest & { session: string | ((credit: bigint) => string) },
    options?: AbortOptions
  ) => Promise<bigint>
  /** What `grant` would give now, reserving nothing: for OFFER, where the account is not known yet. */
  offerable: (request: TrustRequest, options?: AbortOptions) => Promise<bigint>
  /**
   * The session has ended or was cut. May come again, with less debt after a late payment; a session's settled amount
   * counts once, when it owes nothing. Does nothing for a session without a grant.
   */
  close: (end: SessionEnd, options?: AbortOptions) => Promise<void>
  /**
   * Takes a session up again: its credit as policy has it now, never more than `cap` (what ACCEPT said). Can be less
   * than the session owes: then nothing is sent until that is paid.
   *
   * @throws DdmError `notFound` when the session never had a grant.
   */
  reopen: (
    request: Pick<TrustRequest, 'role' | 'one' | 'cap' | 'covered' | 'want' | 'floor'> & { session: string },
    options?: AbortOptions
  ) => Promise<bigint>
  standing: (
    role: SessionRole,
    who: { peer: string; account?: string },
    options?: AbortOptions
  ) => Promise<{ peer: Standing; account?: Standing }>
  /**
   * What sessions of a peer or its account owe that were cut or ended, but one: until it is paid, others get less. The rail
   * says whose currency.
   */
  owed: (
    role: SessionRole,
    who: { peer: string; account?: string; rail?: RailName },
    except: string,
    options?: AbortOptions
  ) => Promise<bigint>
  /** Grants that are open or owe something: after a start, those of sessions that nobody closed. */
  outstanding: (role?: SessionRole, options?: AbortOptions) => Promise<Grant[]>
}

export interface SessionEnd {
  role: SessionRole
  session: string
  /** Seller: due that was paid. Buyer: due that was paid and delivered; 0 while the session is not complete. */
  settled: bigint
  /** Seller: due − credited. Buyer: paid − due when there is no RECEIPT. */
  debt: bigint
  /** @default false */
  timedOut?: boolean
}

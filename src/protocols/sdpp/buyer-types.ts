import type {
  Listing,
  Logger,
  Payer,
  RandomBytes,
  RecordValidator,
  SessionStore,
  SignedStatement,
  TrustLedger
} from '../../interface/index.ts'
import type { StatementSigner, StatementVerifier } from '../../statements/index.ts'
import type { Answering } from './buyer-machine.ts'
import type { Clock } from './clock.ts'
import type { OrderWish } from './negotiation.ts'
import type { StoredSession } from './stored-session.ts'
import type { NarrowWindow } from './window-advice.ts'

export interface BuyerComponents {
  signer: StatementSigner
  sessions: SessionStore
  payers: readonly Payer[]
  clock: Clock
  logger: Logger
  /** Without it every seller may get all of the wish's `prepay` ahead. */
  trust?: TrustLedger
  /** @default real Ed25519 */
  verifier?: StatementVerifier
  /** @default node:crypto's */
  random?: RandomBytes
}

/** A session as the ledger has it, and what the consumer got of it in this process beyond that. */
export interface ResumePoint {
  stored: StoredSession
  /** Position up to which records were handed out: they are not handed out again. @default the stored position */
  delivered?: bigint
  /** What the consumer committed last. */
  committed?: Committed
}

/** The consumer's own count: records before `position` are durable there, and `sink` is its mark of it. */
export interface Committed {
  position: bigint
  sink?: string
}

export interface BuyRequest {
  /** Not needed to resume. */
  listing?: Listing
  wish: OrderWish
  /** Goes on with this session instead of ordering anew. */
  resume?: ResumePoint
  /** The consumer's mark before the first record. */
  sink?: string
  /**
   * Judges every record before it is paid for; the first bad one ends the session. Stays open: it is the caller's.
   *
   * @default records are not judged
   */
  validator?: RecordValidator
  /** Asks for what the channel still holds when the session ends. @default false */
  refund?: boolean
  /** Highest price per unit, as a fraction; an offer above it is refused. */
  maxPrice?: { amount: bigint; count: bigint }
  /** @default 'newest' */
  answering?: Answering
  /** Called once, when the window has turned out to hold the stream back. */
  onNarrow?: (narrow: NarrowWindow) => void
  /** Called when a payment has left. */
  onPaid?: () => void
}

/** What a buyer's node shows of a session. Amounts in atomic units. */
export interface BuyerSessionStatus {
  id: string | undefined
  phase: string
  received: bigint
  handled: bigint
  due: bigint
  paid: bigint
  /** Most that was signed for: what is on its way, or was lost with a stream, counts. */
  signed: bigint
  credited: bigint
  /** Signed, and not yet confirmed by the seller: on its way, not failed. */
  pending: bigint
  /** paid − due: what the buyer would lose now if the seller vanished. */
  risk: bigint
  /** Invoices received and payments sent. */
  invoices: number
  payments: number
}

export interface BuyerOutcome extends BuyerSessionStatus {
  id: string
  reason: number
  receipt: SignedStatement
}

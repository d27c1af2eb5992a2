import type { BuyerGate, Hex, Logger, RailName, RandomBytes, SessionStore, TrustLedger } from '../../interface/index.ts'
import type { StatementSigner, StatementVerifier } from '../../statements/index.ts'
import type { Product } from './catalog.ts'
import type { Clock } from './clock.ts'

export interface SellerSessionComponents {
  signer: StatementSigner
  products: () => readonly Product[]
  sessions: SessionStore
  clock: Clock
  logger: Logger
  /** Ends another stream of the same session and resolves when what it held is stored. */
  takeOver: (sessionId: string) => Promise<void>
  /** Without it every buyer gets all of the product's `credit`. */
  trust?: TrustLedger
  /** Without it everybody may buy. */
  gate?: BuyerGate
  /** @default real Ed25519 */
  verifier?: StatementVerifier
  /** @default node:crypto's */
  random?: RandomBytes
  /** Blocks from one stored checkpoint to the next. @default 16 */
  checkpointEvery?: number
}

/** What a seller's node shows of a session. Amounts in atomic units. */
export interface SellerSessionStatus {
  id: string | undefined
  buyer: string
  listing: string | undefined
  phase: string
  /** undefined before the order. */
  rail: RailName | undefined
  sent: bigint
  due: bigint
  credited: bigint
  /** Channel whose rest the buyer asked back, once the session has ended in order and owes nothing. */
  refund: Hex | undefined
}

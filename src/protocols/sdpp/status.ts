import { DdmError, type ErrorCode } from '../../interface/index.ts'

/**
 * Status codes by cause: 1xx fine, 2xx a refusal that a user can act on (status, then close), 4xx a protocol fault
 * (status if possible, then abort; both keep the evidence), 5xx internal.
 */
export const STATUS = {
  ok: 100,
  toppingUp: 101,
  unknownListing: 200,
  offerExpired: 201,
  channelUnfunded: 202,
  limitsIncompatible: 203,
  forbidden: 204,
  busy: 205,
  offsetPruned: 206,
  priceChanged: 207,
  budget: 208,
  noCommonRail: 209,
  termsOutsideOffer: 210,
  unknownSession: 211,
  malformed: 400,
  unexpected: 401,
  tooLarge: 402,
  badSignature: 403,
  paymentInvalid: 404,
  transcriptMismatch: 405,
  paymentTimeout: 406,
  schema: 407,
  timeout: 408,
  versionUnsupported: 409,
  accountMismatch: 410,
  internal: 500,
  shuttingDown: 501
} as const

export type StatusName = keyof typeof STATUS
export type StatusCode = (typeof STATUS)[StatusName]

export function statusName(code: number): StatusName | undefined {
  return (Object.keys(STATUS) as StatusName[]).find((name) => STATUS[name] === code)
}

/** Faults after which the two sides hold different accounts of what was delivered: going on would hide it. */
const DISPUTES: readonly number[] = [STATUS.transcriptMismatch, STATUS.accountMismatch, STATUS.badSignature]

/**
 * Whether a session ends for good. What the other side says it found may be its own mistake: the roots tell, when the
 * session is resumed. Only the seller's answer to RESUME is that comparison.
 */
export function isDispute({ code, side }: SdppError, resuming = false): boolean {
  return side === 'local' ? DISPUTES.includes(code) : resuming && code === STATUS.transcriptMismatch
}

/** What another try over another stream may mend. */
const TRANSIENT: readonly number[] = [
  STATUS.timeout,
  STATUS.shuttingDown,
  STATUS.paymentTimeout,
  STATUS.busy,
  STATUS.internal
]

/** Why a session ended; the `reason` of CLOSE and RECEIPT. */
export const CLOSE_REASON = {
  /** Quantity or end of the order reached. */
  complete: 0,
  /** The buyer wants no more. */
  buyerDone: 1,
  /** The product has no more records. */
  sourceEnded: 2,
  /** The order's maximum is reached. */
  maximum: 3,
  /** A record violates the schema. */
  schema: 4,
  /** One side is shutting down. */
  shuttingDown: 5,
  /** The buyer did not pay in time and owes nothing: it just stopped keeping `ahead` paid. */
  notPaid: 6
} as const

/** Also one that this version does not know, as far as integers are exact: it comes back in the RECEIPT. */
export function closeReason(reason: bigint): number {
  if (reason > BigInt(Number.MAX_SAFE_INTEGER)) throw new SdppError(STATUS.malformed, `CLOSE for reason ${reason}`)
  return Number(reason)
}

export type CloseReason = (typeof CLOSE_REASON)[keyof typeof CLOSE_REASON]

/** Ends a session from inside: `local` says which side found it, `code` what. Never carries a stack to the other side. */
export class SdppError extends Error {
  readonly code: StatusCode
  readonly side: 'local' | 'remote'
  /** The stream ended without a word: nobody refused anything. */
  readonly lost: boolean
  readonly details: Readonly<Record<string, string>>

  constructor(
    code: StatusCode,
    message: string,
    options: { side?: 'local' | 'remote'; lost?: boolean; details?: Record<string, string>; cause?: unknown } = {}
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SdppError'
    this.code = code
    this.side = options.side ?? 'local'
    this.lost = options.lost ?? false
    this.details = options.details ?? {}
  }

  /** 2xx and 501: said politely, then the stream is closed. A stream that was lost refuses nothing. */
  get isRefusal(): boolean {
    return !this.lost && ((this.code >= 200 && this.code < 300) || this.code === STATUS.shuttingDown)
  }
}

export function isTransient(error: SdppError): boolean {
  return error.lost || TRANSIENT.includes(error.code)
}

const CODE_OF_ERROR: Partial<Record<ErrorCode, StatusCode>> = {
  refused: STATUS.channelUnfunded,
  funds: STATUS.channelUnfunded,
  budget: STATUS.budget,
  priceAboveLimit: STATUS.budget,
  paymentInvalid: STATUS.paymentInvalid,
  unreachable: STATUS.busy,
  chain: STATUS.channelUnfunded,
  aborted: STATUS.shuttingDown,
  badRecord: STATUS.schema
}

/** What the other side may know of a local error: a coded status, never a stack. */
export function asSdppError(error: unknown): SdppError {
  if (error instanceof SdppError) return error
  const code = error instanceof DdmError ? CODE_OF_ERROR[error.code] : undefined
  if (code !== undefined) return new SdppError(code, (error as DdmError).message, { cause: error })
  return new SdppError(STATUS.internal, 'internal error', { cause: error })
}

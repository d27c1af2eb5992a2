/** What a caller may handle differently; each code maps to one process exit code in the command line (`EXIT_CODES`). */
export type ErrorCode =
  | 'usage' // a flag, an amount or a file that the user gave is wrong
  | 'config' // the home, the profile or the environment is wrong
  | 'homeBusy' // another process owns this home
  | 'keyLocked' // a key file cannot be opened: wrong or missing passphrase
  | 'networkMismatch' // chain ID, genesis or code hash is not what the profile names
  | 'unreachable' // RPC, bootstrap node or peer does not answer
  | 'portInUse'
  | 'notFound' // listing, session, peer or file
  | 'ambiguous' // a prefix fits several listings
  | 'priceAboveLimit'
  | 'budget'
  | 'funds' // wallet or channel has not enough
  | 'refused' // the other side said no (2xx)
  | 'protocol' // the other side broke the protocol (4xx)
  | 'paymentInvalid'
  | 'evidence' // a bundle or a statement does not verify
  | 'badRecord' // a source line that cannot be read
  | 'schema' // a record that was bought breaks the listing's schema
  | 'chain' // the chain refused a transaction
  | 'aborted'
  | 'internal'

/** Stable exit codes of the command line: documented in docs/guides/cli.md, never reused. */
export const EXIT_CODES: Readonly<Record<ErrorCode | 'ok', number>> = {
  ok: 0,
  internal: 1,
  usage: 2,
  config: 3,
  homeBusy: 4,
  keyLocked: 5,
  networkMismatch: 6,
  unreachable: 7,
  portInUse: 8,
  notFound: 9,
  ambiguous: 10,
  priceAboveLimit: 11,
  budget: 12,
  funds: 13,
  refused: 14,
  protocol: 15,
  paymentInvalid: 16,
  evidence: 17,
  badRecord: 18,
  chain: 19,
  schema: 20,
  aborted: 130
}

export interface DdmErrorOptions {
  cause?: unknown
  /** Machine-readable numbers of the case: both sides of a comparison, never only one. */
  details?: Record<string, string | number | boolean>
}

/**
 * The one error class that users see.
 *
 * @example
 * ```ts
 * throw new DdmError('priceAboveLimit', `the listing costs ${price} per record, more than --max ${max}`, {
 *   details: { price: '0.002', max: '0.001' }
 * })
 * ```
 */
export class DdmError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, message: string, options: DdmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DdmError'
    this.code = code
    this.details = options.details ?? {}
  }

  get exitCode(): number {
    return EXIT_CODES[this.code]
  }
}

import { DdmError, type ErrorCode, printable } from '../interface/index.ts'

/** An error as the API says it. @source RFC 9457 */
export interface Problem {
  type: string
  title: string
  status: number
  /** As the command line has it (docs/guides/cli.md, exit codes). */
  code: ErrorCode
  detail: string
  details?: Record<string, string | number | boolean>
}

const STATUS: Readonly<Record<ErrorCode, number>> = {
  usage: 400,
  badRecord: 400,
  schema: 400,
  evidence: 422,
  keyLocked: 403,
  budget: 403,
  refused: 403,
  notFound: 404,
  ambiguous: 409,
  homeBusy: 409,
  portInUse: 409,
  priceAboveLimit: 409,
  funds: 402,
  paymentInvalid: 402,
  aborted: 409,
  unreachable: 504,
  networkMismatch: 502,
  protocol: 502,
  chain: 502,
  config: 500,
  internal: 500
}

const CODES = new Set(Object.keys(STATUS))

/** What is not a `DdmError` is nobody's to read: only that it happened is said. */
export function problemOf(error: unknown): Problem {
  const known = error instanceof DdmError ? error : new DdmError('internal', 'the node failed; its log says why')
  const { code, message, details } = known
  return {
    type: `urn:ddm:error:${code}`,
    title: code,
    status: STATUS[code],
    code,
    detail: printable(message),
    ...(Object.keys(details).length === 0 ? {} : { details: { ...details } })
  }
}

/** The same error on the other side of the wire. */
export function errorOf(problem: unknown, fallback: string): DdmError {
  const { code, detail, details } = (problem ?? {}) as Partial<Problem>
  if (typeof code !== 'string' || !CODES.has(code) || typeof detail !== 'string') {
    return new DdmError('internal', fallback)
  }
  return new DdmError(code, detail, details === undefined ? {} : { details })
}

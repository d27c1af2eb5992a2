import { DdmError } from '../../interface/index.ts'

/** What the network said, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up now',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached'
}

/** A server that does not answer, or no more: what is tried again once it has answered. */
export function unreachable(name: string, error: unknown): DdmError {
  return new DdmError('unreachable', `${name} does not answer: ${reason(error)}`, { cause: error })
}

/** TLS errors do not go away by themselves. */
export function isTlsError(error: unknown): boolean {
  const { code = '' } = error as { code?: unknown }
  return typeof code === 'string' && /CERT|TLS|SSL|^EPROTO$|SELF_SIGNED|ISSUER/.test(code)
}

export function tlsFailure(name: string, error: unknown): DdmError {
  return new DdmError('config', `${name}: no secure connection: ${(error as Error).message}`, { cause: error })
}

function reason(error: unknown): string {
  // A host with several addresses gives one error for each.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error
  const { code, message } = first as { code?: unknown; message?: string }
  return (typeof code === 'string' ? REASONS[code] : undefined) ?? message ?? String(first)
}

import { DdmError, type ErrorCode } from '../../interface/index.ts'

/** What one check found, and what to do about it. */
export interface Finding {
  /** `disk`, `clock`, `rpc` … */
  check: string
  state: 'ok' | 'warn' | 'fail'
  found: string
  advice?: string
  /** Of a failure: the error that a node would end with. */
  code?: ErrorCode
}

export function ok(check: string, found: string): Finding {
  return { check, state: 'ok', found }
}

export function warn(check: string, found: string, advice: string): Finding {
  return { check, state: 'warn', found, advice }
}

export function fail(check: string, code: ErrorCode, found: string, advice: string): Finding {
  return { check, state: 'fail', found, advice, code }
}

/** An error that says what to do needs no further advice, unless nobody answers: then there is no telling why. */
export function failedWith(check: string, error: unknown): Finding {
  const code = error instanceof DdmError ? error.code : 'internal'
  const found = error instanceof Error ? error.message : String(error)
  return code === 'unreachable' ? fail(check, code, found, UNREACHABLE) : { check, state: 'fail', found, code }
}

const UNREACHABLE =
  'is a firewall in the way, or the profile out of date? "ddm network join FILE" takes a newer one; settings "rpc" and "bootstrap" name others'

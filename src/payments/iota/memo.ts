import { createHash } from 'node:crypto'
import type { Demand } from '../../interface/index.ts'

/**
 * What a payment carries (docs/specs/payments.md, iota): tag, kind and the sha2-256 digest of the statement that asked for
 * it. The digest is that of the statement's CID.
 */
const TAG = new TextEncoder().encode('DDM1')
const PAYMENT = 2

export function paymentMemo({ payload }: Demand): Uint8Array {
  return memoOf(createHash('sha256').update(payload).digest())
}

/**
 * @param digest - 32 bytes
 * @returns 37 bytes
 */
export function memoOf(digest: Uint8Array): Uint8Array {
  return Uint8Array.from([...TAG, PAYMENT, ...digest])
}

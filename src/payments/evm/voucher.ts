import { type Address, type Hex, MAX_AMOUNT, type VoucherPayload } from '../../interface/index.ts'
import type { Eip712 } from './eip712.ts'
import { malformedSignature } from './signature.ts'

/**
 * Why a voucher would not be accepted by the escrow; undefined when it would. The signer is recovered: a check against a
 * known key would pass a flipped recovery byte that reverts on the chain.
 */
export function voucherProblem(
  eip712: Eip712,
  domain: Uint8Array,
  voucher: VoucherPayload,
  expected: { channelId: Hex; payerAuthorizer: Address }
): string | undefined {
  if (voucher.channelId !== expected.channelId) {
    return `the voucher is for channel ${voucher.channelId}, the session's is ${expected.channelId}`
  }
  if (voucher.maxClaimableAmount < 0n || voucher.maxClaimableAmount > MAX_AMOUNT) {
    return `the voucher's amount ${voucher.maxClaimableAmount} is not below 2^128`
  }
  const malformed = malformedSignature(voucher.signature)
  if (malformed !== undefined) return malformed
  const digest = eip712.voucher(domain, voucher.channelId, voucher.maxClaimableAmount)
  const signer = eip712.recover(digest, voucher.signature)
  if (signer === expected.payerAuthorizer) return undefined
  return `the voucher is signed by ${signer ?? 'nobody'}, the channel's authorizer is ${expected.payerAuthorizer}`
}

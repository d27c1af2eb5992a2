export { type BundleInput, exportBundle } from './export.ts'
export { type VerifiedBundle, type VerifyOptions, verifyBundle } from './verify.ts'
export type { VoucherFinding, VoucherProof, VoucherVerifier } from './voucher.ts'

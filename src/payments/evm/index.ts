export type { ClaimPolicy } from './claim-plan.ts'
export {
  createEip712,
  type Eip712,
  encodeCollectorData,
  type ReceiveAuthorization,
  type TypedDomain
} from './eip712.ts'
export { type EvmPayeeInit, evmPayee } from './payee.ts'
export { type EvmPayerInit, type EvmSigner, evmPayer } from './payer.ts'
export { malformedSignature } from './signature.ts'
export { voucherProblem } from './voucher.ts'

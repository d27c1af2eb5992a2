import type { PurchaseStatus } from './types.ts'

/** How a purchase stands before anything of it is known. */
export const NOT_YET: PurchaseStatus = {
  id: undefined,
  phase: 'resolving',
  received: 0n,
  handled: 0n,
  due: 0n,
  paid: 0n,
  signed: 0n,
  credited: 0n,
  pending: 0n,
  risk: 0n,
  invoices: 0,
  payments: 0,
  resolvedThrough: undefined,
  rail: undefined,
  resumes: 0,
  rate: 0,
  quality: { invalid: 0, failures: 0 }
}

/**
 * Moments between which a process may die: before and after each act that money or data depends on. In production
 * nobody listens; a test that kills the process at each of them finds whatever was not durable first.
 */
export const FAULT_POINTS = [
  'order.stored',
  'accept.stored',
  'voucher.signing',
  'voucher.signed',
  'voucher.stored',
  'payment.sent',
  'payment.verified',
  'payment.stored',
  'invoice.stored',
  'position.synced',
  'position.stored',
  'receipt.stored',
  'acknowledgement.stored',
  'acknowledgement.sent',
  'acknowledgement.kept',
  'resume.sent',
  'resume.verified',
  'recovery.opened',
  'deposit.sending',
  'deposit.mined',
  'topUp.stored',
  'claim.sending',
  'claim.mined',
  'refund.stored',
  'refund.mined',
  'withdrawal.sending',
  'withdrawal.mined',
  'withdrawal.finishing',
  'withdrawal.finished'
] as const

export type FaultPoint = (typeof FAULT_POINTS)[number]

let listener: ((point: FaultPoint) => void) | undefined

/** Who is told of each point that this process passes; undefined for nobody. */
export function onFaultPoint(listen: ((point: FaultPoint) => void) | undefined): void {
  listener = listen
}

export function faultPoint(point: FaultPoint): void {
  listener?.(point)
}

import type { Statement } from '../client/types.ts'

/** What was agreed, out of the signed statements; undefined while that is not known. */
export interface Terms {
  /** First offset. */
  start: bigint | undefined
  quantity: bigint | undefined
  /** Most that the session may cost, atomic units. */
  maximum: bigint | undefined
  /** Most that the buyer wanted to pay ahead. */
  prepay: bigint | undefined
  /** What the seller delivers unpaid, and what may be paid ahead. */
  credit: bigint | undefined
  ahead: bigint | undefined
}

export function termsOf(statements: readonly Statement[]): Terms {
  const field = (kind: string, name: string): bigint | undefined => {
    const value = statements.findLast((statement) => statement.kind === kind)?.content[name]
    return typeof value === 'string' && /^[0-9]{1,78}$/.test(value) ? BigInt(value) : undefined
  }
  return {
    start: field('accept', 'start'),
    quantity: field('order', 'quantity'),
    maximum: field('order', 'maximum'),
    prepay: field('order', 'prepay'),
    credit: field('accept', 'credit'),
    ahead: field('accept', 'ahead')
  }
}

import type { Hex } from '../../interface/index.ts'
import type { ExecutedTransaction } from './ledger-client.ts'

export interface ExpectedPayment {
  payer: Hex
  payTo: Hex
  /** Nanos that are missing to what the PAYMENT says. */
  amount: bigint
  memo: Uint8Array
}

/** What reached an account; its own fee as a sponsor is no part of it. */
export function receivedBy(transaction: ExecutedTransaction, account: Hex): bigint {
  const changes = transaction.changes.filter((change) => change.account === account)
  const sum = changes.reduce((total, { amount }) => total + amount, 0n)
  return transaction.gasOwner === account ? sum + transaction.fee : sum
}

/** Pure: undefined when the transaction is the payment that was asked for, else the first thing that is not. */
export function paymentProblem(transaction: ExecutedTransaction, expected: ExpectedPayment): string | undefined {
  const { failure, sender, memos } = transaction
  const { payer, payTo, amount, memo } = expected
  const name = `transaction ${transaction.transaction}`
  if (failure !== undefined) return `${name} failed: ${failure}`
  if (sender !== payer) return `${name} was sent by ${sender}, the order is paid by ${payer}`
  if (memos.length === 0) return `${name} has no memo`
  if (!memos.some((one) => Buffer.compare(one, memo) === 0)) return `${name} has the memo of another invoice`
  const received = receivedBy(transaction, payTo)
  if (received <= 0n) return `${name} pays nothing to ${payTo}`
  if (received < amount) return `${name} pays ${received}, ${amount} was to be paid`
  return undefined
}

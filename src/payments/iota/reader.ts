import type { AbortOptions, Hex, MemoLedger } from '../../interface/index.ts'
import { type ExpectedPayment, paymentProblem } from './judge.ts'
import type { LedgerClient } from './ledger-client.ts'
import { memoOf } from './memo.ts'
import { readMemo } from './memo-ledger.ts'
import { connectLedger } from './sdk-client.ts'
import { toDigest } from './transaction.ts'

/** Looks at a network without an account of its own. */
export interface IotaReader {
  readonly memos: Pick<MemoLedger, 'network' | 'read'>
  /** Nanos. */
  balance: (owner: Hex, options?: AbortOptions) => Promise<bigint>
  /** Why a transaction is not the payment that somebody claims; undefined when it is. */
  paymentProblem: (
    transaction: Hex,
    expected: Omit<ExpectedPayment, 'memo'> & { demand: Hex },
    options?: AbortOptions
  ) => Promise<string | undefined>
}

export async function connectReader(
  init: { url: string; chainIdentifier: string },
  options?: AbortOptions
): Promise<IotaReader> {
  const client: LedgerClient = await connectLedger(init, options)
  return {
    memos: { network: client.network, read: (transaction, readOptions) => readMemo(client, transaction, readOptions) },
    balance: (owner, readOptions) => client.balance(owner, readOptions),
    paymentProblem: async (transaction, { demand, ...expected }, readOptions) => {
      const executed = await client.executed(transaction, readOptions)
      if (executed === undefined) return `${client.network} has no transaction ${toDigest(transaction)}`
      return paymentProblem(executed, { ...expected, memo: memoOf(Buffer.from(demand.slice(2), 'hex')) })
    }
  }
}

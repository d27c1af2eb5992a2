import type { AbortOptions, MemoLedger } from '../../interface/index.ts'
import type { LedgerClient } from './ledger-client.ts'
import { fromDigest, toDigest } from './transaction.ts'
import type { IotaWallet } from './wallet.ts'

/** Base58 of 32 bytes. */
const DIGEST = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/

/** Memos in transactions of their own, by the account that pays: its coins are in one transaction at a time. */
export function memoLedger(client: LedgerClient, wallet: IotaWallet): MemoLedger {
  return {
    network: client.network,
    account: wallet.address,
    write: async (memo: Uint8Array, options?: AbortOptions) => {
      const { transaction, at } = await wallet.send({ memo }, options)
      return { transaction: toDigest(transaction), at }
    },
    read: (transaction, options) => readMemo(client, transaction, options)
  }
}

export async function readMemo(
  client: LedgerClient,
  transaction: string,
  options?: AbortOptions
): ReturnType<MemoLedger['read']> {
  if (!DIGEST.test(transaction)) return undefined
  const executed = await client.executed(fromDigest(transaction), options)
  if (executed === undefined || executed.failure !== undefined) return undefined
  const { sender, memos, at } = executed
  return { sender, memos, at }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { type AbortOptions, DdmError, type Hex, type MemoLedger } from '../../interface/index.ts'
import type { LedgerClient } from './ledger-client.ts'
import { fromDigest, toDigest } from './transaction.ts'
import type { IotaWallet } from './wallet.ts'

/** Checkpoints come several times a second. */
const CHECKPOINT_TIMEOUT_MS = 30_000
const POLL_MS = 100

/** Base58 of 32 bytes. */
const DIGEST = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/

/** Memos in transactions of their own, by the account that pays: its coins are in one transaction at a time. */
export function memoLedger(client: LedgerClient, wallet: IotaWallet): MemoLedger {
  return {
    network: client.network,
    account: wallet.address,
    write: async (memo: Uint8Array, options?: AbortOptions) => {
      const { transaction, at } = await wallet.send({ memo }, options)
      return { transaction: toDigest(transaction), at: at > 0 ? at : await timeOf(client, transaction, options) }
    },
    read: (transaction, options) => readMemo(client, transaction, options)
  }
}

/** A node says when a transaction was carried out once it is in a checkpoint. */
async function timeOf(client: LedgerClient, transaction: Hex, options: AbortOptions = {}): Promise<number> {
  const until = performance.now() + CHECKPOINT_TIMEOUT_MS
  for (;;) {
    const at = (await client.executed(transaction, options))?.at ?? 0
    if (at > 0) return at
    if (performance.now() > until) {
      throw new DdmError('unreachable', `the ledger does not say when transaction ${transaction} was carried out`)
    }
    await sleep(POLL_MS, undefined, options)
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

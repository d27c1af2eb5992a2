import { base58btc } from 'multiformats/bases/base58'
import type { Hex, RailName } from '../interface/index.ts'
import { fromHex } from '../statements/index.ts'

/** A transaction as its ledger, and whoever explores it, writes it. */
export function transactionName(rail: RailName, transaction: Hex): string {
  return rail === 'iota' ? base58btc.baseEncode(fromHex(transaction)) : transaction
}

import type { AbortOptions, Hex, NetworkId } from '../../interface/index.ts'

/** A coin object as it can be spent: every use makes another version of it. Amounts in nanos (10⁻⁹ IOTA). */
export interface Coin {
  /** 32 bytes. */
  id: Hex
  version: bigint
  /** Of this version, base58. */
  digest: string
  balance: bigint
}

/** What a transaction did. */
export interface ExecutedTransaction {
  transaction: Hex
  /** Why it failed; its gas is gone all the same. */
  failure: string | undefined
  sender: Hex
  gasOwner: Hex
  /** Computation and storage less rebate: what the gas owner paid. */
  fee: bigint
  /** Change of each account's balance in the network's coin, fees included. */
  changes: Array<{ account: Hex; amount: bigint }>
  /** The coin that paid the fee, as it is now; its balance follows from what it was. */
  gasCoin: Omit<Coin, 'balance'>
  /** Coins that it made, without their balances. */
  created: Array<Omit<Coin, 'balance'> & { owner: Hex }>
  /** Bytes that the transaction carries without using them. */
  memos: Uint8Array[]
  /** Unix ms; 0 while the ledger has not said when: an answer to `execute` need not. */
  at: number
}

/** A transaction that can never be carried out: its coins are spent otherwise, or its signature is not theirs. */
export class RejectedTransaction extends Error {}

/**
 * What the rail needs of a ledger node. An interface, because the JSON-RPC behind it is being replaced by its makers.
 * A method that gets no answer rejects with `unreachable`.
 */
export interface LedgerClient {
  readonly network: NetworkId
  /** Nanos per gas unit. */
  gasPrice: (options?: AbortOptions) => Promise<bigint>
  coins: (owner: Hex, options?: AbortOptions) => Promise<Coin[]>
  balance: (owner: Hex, options?: AbortOptions) => Promise<bigint>
  /**
   * Sends a signed transaction; the same one again does nothing new. Resolves when it was executed, failed ones included.
   *
   * @throws RejectedTransaction when it never will be
   */
  execute: (
    bytes: Uint8Array,
    signatures: readonly Uint8Array[],
    options?: AbortOptions
  ) => Promise<ExecutedTransaction>
  /** What a transaction would do now, signed by nobody; what would fail is no error. */
  tryOut: (bytes: Uint8Array, options?: AbortOptions) => Promise<ExecutedTransaction>
  /** undefined while the node does not know it. */
  executed: (transaction: Hex, options?: AbortOptions) => Promise<ExecutedTransaction | undefined>
}

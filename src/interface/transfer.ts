import type { AbortOptions, Hex, NetworkId } from './common.ts'
import type { Demand } from './payment.ts'

/** Money that a transaction moved for a session, on rails without channels. Amounts in atomic units. */
export interface Transfer {
  network: NetworkId
  /** 32 bytes: the transaction's digest. */
  transaction: Hex
  session: string
  amount: bigint
  /** Of the session, with it: cumulative. */
  sessionPaid: bigint
  /** Payer: what it costs besides, as budgets count it; 0 where the payee pays that. */
  fee: bigint
  /** The statement that asked for it; the digest of its payload is the memo. */
  demand: Demand
  /** Unix ms. */
  at: number
}

/** `signed`: it may have been carried out, or may yet be; nobody knows. */
export type TransactionState = 'signed' | 'executed' | 'failed'

/** What a payer signed, as it left: sent again after a crash it is the same transaction. */
export interface SignedTransaction {
  network: NetworkId
  transaction: Hex
  /** BCS. */
  bytes: Uint8Array
  signature: Uint8Array
  /** Objects that it spends: nothing else is signed with them before its outcome is known. */
  coins: Hex[]
  state: TransactionState
}

/** Transactions and transfers of both roles. Every promise resolves when its write is durable. */
export interface TransferStore {
  /** Payer: before the transaction leaves. One transaction may pay several sessions. */
  putSigned: (transaction: SignedTransaction, transfers: readonly Transfer[], options?: AbortOptions) => Promise<void>
  settle: (
    which: Pick<SignedTransaction, 'network' | 'transaction'>,
    state: TransactionState,
    options?: AbortOptions
  ) => Promise<void>
  /** Those whose outcome nobody knows. */
  unsettled: (network: NetworkId, options?: AbortOptions) => Promise<SignedTransaction[]>
  /** Payer: the transfers of a session that did not fail, oldest first. */
  sent: (session: string, options?: AbortOptions) => Promise<Transfer[]>
  /**
   * Payee: a transaction pays once. Resolves with false, and writes nothing, when it is known already.
   */
  putReceived: (transfer: Transfer, options?: AbortOptions) => Promise<boolean>
  /** Payee: what a transaction paid. */
  received: (which: Pick<Transfer, 'network' | 'transaction'>, options?: AbortOptions) => Promise<Transfer | undefined>
  /** Payee: all that ever arrived, oldest first. */
  arrived: (network: NetworkId, options?: AbortOptions) => Promise<Array<Pick<Transfer, 'transaction' | 'amount'>>>
  /** Payee: the transfers of a session, oldest first. */
  receivedOf: (session: string, options?: AbortOptions) => Promise<Transfer[]>
}

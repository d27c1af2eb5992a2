import type { Hex, TransactionSerializableEIP1559, TransactionSerializableLegacy } from 'viem'
import type { AbortOptions, Address } from '../interface/index.ts'

/** Account that signs transactions; a viem `LocalAccount` is one. */
export interface TransactionSigner {
  readonly address: Address
  signTransaction: (transaction: TransactionSerializableEIP1559 | TransactionSerializableLegacy) => Promise<Hex>
}

export interface TransactionRequest {
  /** What it does, for messages: `posting a listing`. */
  label: string
  /** undefined deploys `data`. */
  to?: Address
  data: Hex
  /** Wei. */
  value?: bigint
  /** What needs more gas is refused, and what is sent is never allowed more: for calls into code that others wrote. */
  maxGas?: bigint | undefined
  /** Is sent after all that does not yield, and leaves it places in flight: for what others ask for. @default false */
  yields?: boolean
}

export interface TransactionLog {
  address: Hex
  topics: Hex[]
  data: Hex
}

/** A transaction that is mined and succeeded. */
export interface MinedTransaction {
  hash: Hex
  blockNumber: bigint
  blockHash: Hex
  gasUsed: bigint
  logs: TransactionLog[]
  /** Lower case; set when the transaction deployed a contract. */
  contractAddress: Address | undefined
}

export interface TransactionQueue {
  readonly account: Address
  /** Waiting and in flight. */
  readonly size: number
  /**
   * Simulates, sends in nonce order and waits until the transaction is mined at confirmation depth. Aborting before it
   * is sent takes it out of the queue; afterwards it only ends the wait.
   *
   * @throws DdmError `chain` (refused, with the contract's own error and numbers), `funds`, `unreachable`, `aborted`
   */
  send: (request: TransactionRequest, options?: AbortOptions) => Promise<MinedTransaction>
  /** Stops; who still waits gets `aborted`. What was sent may still be mined. */
  close: () => Promise<void>
}

/** As nodes give it. */
export interface Receipt {
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  gasUsed: Hex
  status: Hex
  logs: TransactionLog[]
  contractAddress: Hex | null
}

export function toMined(receipt: Receipt): MinedTransaction {
  return {
    hash: receipt.transactionHash,
    blockNumber: BigInt(receipt.blockNumber),
    blockHash: receipt.blockHash,
    gasUsed: BigInt(receipt.gasUsed),
    logs: receipt.logs,
    contractAddress: (receipt.contractAddress?.toLowerCase() as Address | undefined) ?? undefined
  }
}

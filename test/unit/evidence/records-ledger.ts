import type { Address, EventLedger, Hex, MemoLedger, RecordedDigest } from '../../../src/interface/index.ts'

/** Ledgers in memory: what was written in which transaction, one second apart. */
const START = Date.UTC(2026, 0, 10)

export interface MemoryMemoLedger extends MemoLedger {
  written: Array<{ sender: string; memos: Uint8Array[]; at: number }>
}

export function memoryMemoLedger(account = '0xa1'): MemoryMemoLedger {
  const written: MemoryMemoLedger['written'] = []
  return {
    network: 'iota:6364aad5',
    account,
    written,
    write: async (memo) => {
      const at = START + 1000 * written.length
      // Beside what others put into their transactions.
      written.push({ sender: account, memos: [new Uint8Array(3), memo], at })
      return { transaction: `tx${written.length - 1}`, at }
    },
    read: async (transaction) => written[Number(/^tx(\d+)$/.exec(transaction)?.[1])]
  }
}

export interface MemoryEventLedger extends EventLedger {
  written: Array<{ at: number; events: Array<{ sender: Address; root: Hex; count: number }> }>
}

export function memoryEventLedger(account: Address = '0xa1'): MemoryEventLedger {
  const written: MemoryEventLedger['written'] = []
  return {
    network: 'eip155:31337',
    account,
    written,
    emit: async (root, count) => {
      const at = START + 1000 * written.length
      written.push({ at, events: [{ sender: account, root, count }] })
      return { transaction: `0x${written.length - 1}`, sender: account, at }
    },
    read: async (transaction) => written[Number(/^0x(\d+)$/.exec(transaction)?.[1])]
  }
}

export const NO_STORE = { get: async (): Promise<RecordedDigest | undefined> => undefined }

export function digestOf(number: number): Uint8Array {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(28, number)
  return digest
}

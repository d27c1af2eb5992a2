import { decodeEventLog, encodeFunctionData, toEventSelector } from 'viem'
import type { AbortOptions, Address, EventLedger, Hex, NetworkProfile } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { recordsAbi } from './abi.ts'
import { networkId } from './profile.ts'
import type { Rpc } from './rpc.ts'
import type { Receipt, TransactionLog, TransactionQueue } from './transactions.ts'

const HASH = /^0x[0-9a-f]{64}$/
const RECORDED = toEventSelector('Recorded(address,bytes32,uint32)')

export interface EventLedgerInit {
  profile: NetworkProfile
  rpc: Rpc
  /** undefined: this chain is only read. */
  queue: TransactionQueue | undefined
}

interface Recorded {
  sender: Address
  root: Hex
  count: number
}

/** The contract `Records` as a ledger for digests; undefined when the profile names none. */
export function createEventLedger({ profile, rpc, queue }: EventLedgerInit): EventLedger | undefined {
  const { records } = profile.contracts
  if (records === undefined) return undefined

  function recorded(logs: readonly TransactionLog[]): Recorded[] {
    return logs.flatMap(({ address, topics, data }) => {
      if (address.toLowerCase() !== records || topics[0] !== RECORDED) return []
      const { args } = decodeEventLog({ abi: recordsAbi, topics: topics as [Hex, ...Hex[]], data })
      return [{ sender: args.by.toLowerCase() as Address, root: args.root, count: args.count }]
    })
  }

  /** Unix ms; undefined when the block left the chain. */
  async function timeOf(blockHash: Hex, options?: AbortOptions): Promise<number | undefined> {
    const block = await rpc.request<{ timestamp: Hex } | null>('eth_getBlockByHash', [blockHash, false], options)
    return block === null ? undefined : Number(block.timestamp) * 1000
  }

  return {
    network: networkId(profile),
    account: queue?.account,
    emit: async (root, count, options) => {
      if (queue === undefined) {
        throw new DdmError('config', 'recording digests needs a wallet, and this node runs without one')
      }
      const data = encodeFunctionData({ abi: recordsAbi, functionName: 'record', args: [root, count] })
      const mined = await queue.send({ label: 'recording digests', to: records, data }, options)
      const event = recorded(mined.logs).find((one) => one.root === root && one.count === count)
      if (event === undefined) {
        throw new DdmError('chain', `transaction ${mined.hash} recorded nothing; is ${records} a DDM records contract?`)
      }
      const at = await timeOf(mined.blockHash, options)
      if (at === undefined) throw new DdmError('chain', `the block of transaction ${mined.hash} left the chain`)
      return { transaction: mined.hash, sender: event.sender, at }
    },
    read: async (transaction, options) => {
      // Nodes answer anything else with errors of their own.
      if (!HASH.test(transaction)) return undefined
      const receipt = await rpc.request<Receipt | null>('eth_getTransactionReceipt', [transaction], options)
      if (receipt?.status !== '0x1') return undefined
      const head = BigInt(await rpc.request<Hex>('eth_blockNumber', [], options))
      if (head - BigInt(receipt.blockNumber) < BigInt(profile.chain.confirmations)) return undefined
      const at = await timeOf(receipt.blockHash, options)
      return at === undefined ? undefined : { at, events: recorded(receipt.logs) }
    }
  }
}

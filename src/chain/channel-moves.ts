import { decodeEventLog, encodeEventTopics, type Hex, numberToHex } from 'viem'
import type { AbortOptions, LedgerMove, NetworkProfile } from '../interface/index.ts'
import { channelEscrowAbi } from './abi.ts'
import { firstBlockAt } from './block-at.ts'
import { createRangeFetcher } from './log-ranges.ts'
import type { RawLog } from './registry-logs.ts'
import type { Rpc } from './rpc.ts'

/** Events of the escrow that move money. */
const MOVES = {
  Deposited: 'deposit',
  Claimed: 'claim',
  Refunded: 'refund',
  WithdrawFinalized: 'withdrawal'
} as const satisfies Record<string, LedgerMove['kind']>

const NAMES = Object.keys(MOVES) as Array<keyof typeof MOVES>

/** Topics of the events of one channel, whichever of them: each has the channel first. */
function topicsOf(channelId: Hex): [Hex[], Hex] {
  const selectors = NAMES.flatMap((eventName) => encodeEventTopics({ abi: channelEscrowAbi, eventName }) as Hex[])
  return [selectors, channelId]
}

/** Reads what moved money into and out of a channel, oldest first; nobody who only pays or sells needs it. */
export function createChannelMoves({ profile, rpc }: { profile: NetworkProfile; rpc: Rpc }) {
  const address = profile.contracts.escrow

  async function timeOf({ blockTimestamp, blockHash }: RawLog, options?: AbortOptions): Promise<number> {
    if (blockTimestamp !== undefined) return Number(blockTimestamp) * 1000
    const block = await rpc.request<{ timestamp: Hex } | null>('eth_getBlockByHash', [blockHash, false], options)
    return block === null ? 0 : Number(block.timestamp) * 1000
  }

  /** `since`: Unix ms; blocks before it are not looked at. */
  return async (channelId: Hex, since: number, options?: AbortOptions): Promise<LedgerMove[]> => {
    const topics = topicsOf(channelId)
    const fetch = createRangeFetcher((from, to, fetchOptions) =>
      rpc.request<RawLog[]>(
        'eth_getLogs',
        [{ address, topics, fromBlock: numberToHex(from), toBlock: numberToHex(to) }],
        fetchOptions
      )
    )
    const head = BigInt(await rpc.request<Hex>('eth_blockNumber', [], options))
    const first = await firstBlockAt(rpc, BigInt(Math.floor(since / 1000)), head, options)
    const moves: LedgerMove[] = []
    for (const log of await fetch(first, head, options)) {
      const event = decodeEventLog({ abi: channelEscrowAbi, topics: log.topics as [Hex, ...Hex[]], data: log.data })
      const kind = MOVES[event.eventName as keyof typeof MOVES]
      const amount = BigInt(log.data.slice(0, 66))
      moves.push({ kind, amount, transaction: log.transactionHash, at: await timeOf(log, options) })
    }
    return moves
  }
}

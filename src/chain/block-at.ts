import { type Hex, numberToHex } from 'viem'
import type { AbortOptions } from '../interface/index.ts'
import type { Rpc } from './rpc.ts'

/** First block whose time, in seconds, is ≥ `time`, or the head. */
export async function firstBlockAt(rpc: Rpc, time: bigint, head: bigint, options?: AbortOptions): Promise<bigint> {
  let low = 0n
  let high = head
  while (low < high) {
    const middle = (low + high) / 2n
    const block = await rpc.request<{ timestamp: Hex } | null>(
      'eth_getBlockByNumber',
      [numberToHex(middle), false],
      options
    )
    if (block !== null && BigInt(block.timestamp) >= time) high = middle
    else low = middle + 1n
  }
  return low
}

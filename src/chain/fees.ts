import type { Hex } from 'viem'
import { DdmError } from '../interface/index.ts'

/** The base fee may double in six full blocks before a transaction that offers twice of it is left behind. */
const BASE_FEE_FACTOR = 2n
/** Nodes take a replacement only at ≥ 10 % more in both fees. */
const BUMP_PERCENT = 115n
const KEPT_MS = 1000

/** Of EIP-1559, in wei per gas. */
export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

export interface FeeMarket {
  /** What a transaction offers now; asked at most once a second. */
  current: () => Promise<Fees>
  /** Has it asked again. */
  forget: () => void
}

export function createFeeMarket(request: <T>(method: string, params: unknown[]) => Promise<T>): FeeMarket {
  let known: { fees: Fees; at: number } | undefined
  return {
    current: async () => {
      if (known !== undefined && Date.now() - known.at < KEPT_MS) return known.fees
      const block = await request<{ baseFeePerGas?: Hex }>('eth_getBlockByNumber', ['latest', false])
      if (block.baseFeePerGas === undefined) {
        throw new DdmError('chain', 'this chain has no base fee (EIP-1559), so DDM cannot send to it')
      }
      const maxPriorityFeePerGas = BigInt(await request<Hex>('eth_maxPriorityFeePerGas', []))
      const maxFeePerGas = BigInt(block.baseFeePerGas) * BASE_FEE_FACTOR + maxPriorityFeePerGas
      known = { fees: { maxFeePerGas, maxPriorityFeePerGas }, at: Date.now() }
      return known.fees
    },
    forget: () => {
      known = undefined
    }
  }
}

/** What a replacement offers: enough for nodes to take it, and no less than the market asks. */
export function raiseFees(old: Fees, market: Fees): Fees {
  const raise = (before: bigint, now: bigint): bigint => {
    const least = (before * BUMP_PERCENT) / 100n + 1n
    return now > least ? now : least
  }
  return {
    maxFeePerGas: raise(old.maxFeePerGas, market.maxFeePerGas),
    maxPriorityFeePerGas: raise(old.maxPriorityFeePerGas, market.maxPriorityFeePerGas)
  }
}

import type { Hex } from 'viem'
import { DdmError, type FeeStyle } from '../interface/index.ts'

/** The base fee may double in six full blocks before a transaction that offers twice of it is left behind. */
const BASE_FEE_FACTOR = 2n
/** Nodes take a replacement only at ≥ 10 % more, in both fees where there are two. */
const BUMP_PERCENT = 115n
const KEPT_MS = 1000

/** Of EIP-1559, in wei per gas. */
export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/** Of the transactions before it, in wei per gas. */
export interface LegacyFees {
  gasPrice: bigint
}

export type FeeOffer = Fees | LegacyFees

export interface FeeMarket {
  /** What a transaction offers now; asked at most once a second. */
  current: () => Promise<FeeOffer>
  /** Has it asked again. */
  forget: () => void
}

type Request = <T>(method: string, params: unknown[]) => Promise<T>

export function createFeeMarket(request: Request, style: FeeStyle = 'eip1559'): FeeMarket {
  let known: { fees: FeeOffer; at: number } | undefined
  return {
    current: async () => {
      if (known !== undefined && Date.now() - known.at < KEPT_MS) return known.fees
      known = { fees: await (style === 'legacy' ? gasPriceOf(request) : feesOf(request)), at: Date.now() }
      return known.fees
    },
    forget: () => {
      known = undefined
    }
  }
}

async function gasPriceOf(request: Request): Promise<LegacyFees> {
  return { gasPrice: BigInt(await request<Hex>('eth_gasPrice', [])) }
}

async function feesOf(request: Request): Promise<Fees> {
  const block = await request<{ baseFeePerGas?: Hex }>('eth_getBlockByNumber', ['latest', false])
  if (block.baseFeePerGas === undefined) {
    throw new DdmError(
      'chain',
      'this chain has no base fee (EIP-1559): set chain.fees to "legacy" in the network profile (`ddm deploy --fees legacy`)'
    )
  }
  const maxPriorityFeePerGas = BigInt(await request<Hex>('eth_maxPriorityFeePerGas', []))
  return { maxFeePerGas: BigInt(block.baseFeePerGas) * BASE_FEE_FACTOR + maxPriorityFeePerGas, maxPriorityFeePerGas }
}

/** The most that an offer pays per gas. */
export function mostOf(offer: FeeOffer): bigint {
  return 'gasPrice' in offer ? offer.gasPrice : offer.maxFeePerGas
}

/** What a replacement offers: enough for nodes to take it, and no less than the market asks. Both are of one kind. */
export function raiseFees<F extends FeeOffer>(old: F, market: F): F
export function raiseFees(old: FeeOffer, market: FeeOffer): FeeOffer {
  const raise = (before: bigint, now: bigint): bigint => {
    const least = (before * BUMP_PERCENT) / 100n + 1n
    return now > least ? now : least
  }
  if ('gasPrice' in old || 'gasPrice' in market) return { gasPrice: raise(mostOf(old), mostOf(market)) }
  return {
    maxFeePerGas: raise(old.maxFeePerGas, market.maxFeePerGas),
    maxPriorityFeePerGas: raise(old.maxPriorityFeePerGas, market.maxPriorityFeePerGas)
  }
}

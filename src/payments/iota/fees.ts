import type { Price } from '../../interface/index.ts'

/** A simple transfer costs 1,000 units of computation (measured on a real node). */
const COMPUTATION_UNITS = 1_000n
/** Nanos that the ledger keeps while a coin exists, and gives back when it is merged. */
export const COIN_DEPOSIT = 980_400n
/** Of a transaction's bytes: computation is charged in steps, and 32 outputs are below the first. */
const BUDGET_UNITS = 5_000n

/** What one payment costs its payer: computation, and the deposit of the coin that the seller gets. */
export function paymentFee(gasPrice: bigint): bigint {
  return COMPUTATION_UNITS * gasPrice + COIN_DEPOSIT
}

/** Most that the fee of a transaction may be; what is not used up stays the payer's. */
export function gasBudget(gasPrice: bigint, newCoins: number): bigint {
  return BUDGET_UNITS * gasPrice + COIN_DEPOSIT * BigInt(newCoins + 1)
}

/** Smallest payment of which the fee is no more than so many percent. */
export function leastPayment(fee: bigint, percent: number): bigint {
  return (fee * 100n + BigInt(percent) - 1n) / BigInt(percent)
}

/**
 * Records per payment so that fees stay within a share of what is paid.
 *
 * @param percent - most that the fee of a payment may be of it
 * @example
 * ```ts
 * granularityFor({ amount: 1_000_000n, count: 1n, unit: 'record' }, 1_980_400n, 1) // 199n
 * ```
 */
export function granularityFor({ amount, count, unit }: Price, fee: bigint, percent: number): bigint | undefined {
  // Of a price by size nobody knows how many records make a payment large enough.
  if (amount === 0n || unit !== 'record') return undefined
  const records = (leastPayment(fee, percent) * count + amount - 1n) / amount
  return records < 1n ? 1n : records
}

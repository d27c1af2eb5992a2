import { formatUnits } from './amount.ts'
import type { PriceUnit } from './listing.ts'
import type { Currency } from './network.ts'

/** `0.0001 USDC per record`; the amount is atomic units. */
export function priceText(
  price: { amount: bigint | string; count: bigint | number; unit: PriceUnit },
  token: Currency
): string {
  const amount = BigInt(price.amount)
  if (amount === 0n) return 'free'
  const count = BigInt(price.count)
  // A price finer than the token's smallest unit is kept as an amount per more records; people read it per one.
  const zeros = /^10*$/.test(count.toString()) ? count.toString().length - 1 : undefined
  if (zeros !== undefined) return `${formatUnits(amount, token.decimals + zeros)} ${token.symbol} per ${price.unit}`
  return `${formatUnits(amount, token.decimals)} ${token.symbol} per ${count} ${price.unit === 'KiB' ? 'KiB' : 'records'}`
}

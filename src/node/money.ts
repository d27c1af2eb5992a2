import { type Currency, DdmError, formatUnits, type Price, type PriceUnit, parseUnits } from '../interface/index.ts'

/** Whole tokens as people write them, or atomic units: `'0.05'` or `50000n`. */
export function atomicAmount(value: string | bigint, token: Currency, name: string): bigint {
  return typeof value === 'bigint' ? value : parseUnits(value, token.decimals, name)
}

/**
 * A price in whole tokens as an exact fraction of atomic units: a price finer than the token's smallest unit becomes an
 * amount per more records.
 *
 * @example
 * ```ts
 * priceFromText('0.0000001', { unit: 'record', count: 1 }, usdc) // { amount: 1n, count: 10n, unit: 'record' }
 * ```
 */
export function priceFromText(text: string, per: { unit: PriceUnit; count: number }, token: Currency): Price {
  if (!Number.isSafeInteger(per.count) || per.count < 1) {
    throw new DdmError('usage', `a price is per 1 or more ${per.unit}s, not per ${per.count}`)
  }
  const decimals = /\.([0-9]+)$/.exec(text.trim())?.[1]?.length ?? 0
  const finer = Math.max(0, decimals - token.decimals)
  const amount = parseUnits(text, token.decimals + finer, 'price')
  let count = BigInt(per.count) * 10n ** BigInt(finer)
  let reduced = amount
  while (reduced !== 0n && reduced % 10n === 0n && count % 10n === 0n && count > BigInt(per.count)) {
    reduced /= 10n
    count /= 10n
  }
  if (count > BigInt(Number.MAX_SAFE_INTEGER)) throw new DdmError('usage', `price "${text}" is too fine`)
  return { amount: reduced, count, unit: per.unit }
}

export function tokenText(amount: bigint, token: Currency): string {
  return `${formatUnits(amount, token.decimals)} ${token.symbol}`
}

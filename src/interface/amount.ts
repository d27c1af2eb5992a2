import { DdmError } from './errors.ts'

/** Amounts are atomic units of a token (USDC has 6 decimals), always `0 ≤ amount < 2¹²⁸`; decimal strings outside memory. */
export const MAX_AMOUNT = (1n << 128n) - 1n

/** Longest decimal string of an amount: 2¹²⁸ − 1 has 39 digits. */
const ATOMIC = /^(0|[1-9][0-9]{0,38})$/

export function isAmountString(value: unknown): value is string {
  return typeof value === 'string' && ATOMIC.test(value) && BigInt(value) <= MAX_AMOUNT
}

/**
 * Reads an amount as people write it.
 *
 * @example
 * ```ts
 * parseUnits('0.05', 6) // 50000n atomic units
 * ```
 */
export function parseUnits(text: string, decimals: number, name = 'amount'): bigint {
  const match = /^([0-9]+)(?:\.([0-9]+))?$/.exec(text.trim())
  const fraction = match?.[2] ?? ''
  if (match?.[1] === undefined || match[1].length > 30) {
    throw new DdmError('usage', `${name} "${text}" is not an amount; write it like 0.05`)
  }
  if (fraction.length > decimals) {
    throw new DdmError('usage', `${name} "${text}" has ${fraction.length} decimals; the token has ${decimals}`)
  }
  const value = BigInt(match[1] + fraction.padEnd(decimals, '0'))
  if (value > MAX_AMOUNT) throw new DdmError('usage', `${name} "${text}" is too large`)
  return value
}

/**
 * Writes an amount as people read it, without trailing zeros.
 *
 * @example
 * ```ts
 * formatUnits(50000n, 6) // '0.05'
 * ```
 */
export function formatUnits(atomic: bigint, decimals: number): string {
  const digits = (atomic < 0n ? -atomic : atomic).toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return `${atomic < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

import { DdmError } from '../interface/index.ts'

/** A value as an error shows it: both sides of a comparison, never only one. */
export type Shown = string | bigint | number | boolean | undefined

function show(value: Shown): string {
  if (value === undefined) return 'nothing'
  const text = String(value)
  return text.length > 160 ? `${text.slice(0, 159)}…` : text
}

/** The error of a bundle: which link of the chain is wrong, and the two values that should agree. */
export function broken(link: string, expected: Shown, actual: Shown, cause?: unknown): DdmError {
  return new DdmError('evidence', `${link}: expected ${show(expected)}, found ${show(actual)}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { link, expected: show(expected), actual: show(actual) }
  })
}

/** Throws unless both are the same. */
export function same(link: string, expected: Shown, actual: Shown): void {
  if (expected !== actual) throw broken(link, expected, actual)
}

/** Throws unless `actual` is at most `limit`. */
export function atMost(link: string, limit: bigint, actual: bigint): void {
  if (actual > limit) throw broken(link, `at most ${limit}`, actual)
}

/**
 * Places of a day's sample: spread, so that it has many classes, and all are seen within ⌈length / count⌉ days.
 *
 * @param count - ≤ length
 */
export function sampleOf(count: number, length: number, day: number): number[] {
  let step = Math.ceil(length / count)
  while (divisor(step, length) > 1) step++
  return Array.from({ length: count }, (_, index) => ((day * count + index) * step) % length)
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}

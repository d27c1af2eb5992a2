import { HttpRequestError, ResponseBodyTooLargeError } from 'viem'
import type { AbortOptions } from '../interface/index.ts'
import { errorText, findCause } from './errors.ts'

/** Requests of one call that are under way at once; four is where a local node stops getting faster. */
const IN_FLIGHT = 4
/** Most public nodes serve this many blocks at once; smaller ones are learned from their refusals. */
const FIRST_SPAN = 10_000n

/** Says whether a node refused `eth_getLogs` for the size of its range or answer; each words it differently. */
export function isTooLarge(error: unknown): boolean {
  if (findCause(error, ResponseBodyTooLargeError) !== undefined) return true
  if (findCause(error, HttpRequestError)?.status === 413) return true
  const text = errorText(error)
  if (/rate.?limit|too many requests|compute units|per second/i.test(text)) return false
  return /(block )?range|too (large|many|big|wide)|more than \d+|exceed(s|ed)|limit(ed)? to|max(imum)? (is )?\d+|query timeout/i.test(
    text
  )
}

/** Fetches ranges of blocks; learns how many blocks the node serves at once. */
export function createRangeFetcher<T>(
  fetch: (from: bigint, to: bigint, options?: AbortOptions) => Promise<T[]>
): (from: bigint, to: bigint, options?: AbortOptions) => Promise<T[]> {
  let span = FIRST_SPAN

  async function fetchHalving(from: bigint, to: bigint, options?: AbortOptions): Promise<T[]> {
    try {
      return await fetch(from, to, options)
    } catch (error) {
      const length = to - from + 1n
      if (length === 1n || !isTooLarge(error)) throw error
      const half = length / 2n
      if (half < span) span = half
      const first = await fetchHalving(from, from + half - 1n, options)
      return [...first, ...(await fetchHalving(from + half, to, options))]
    }
  }

  return async (from, to, options) => {
    const pages: T[][] = []
    let next = from
    async function worker(): Promise<void> {
      while (next <= to) {
        const start = next
        const end = start + span - 1n < to ? start + span - 1n : to
        next = end + 1n
        const page = pages.push([]) - 1
        pages[page] = await fetchHalving(start, end, options)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
    return pages.flat()
  }
}

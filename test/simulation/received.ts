import { createHash } from 'node:crypto'
import type { DataFrame } from '../../src/protocols/sdpp/data-frame.ts'

/** Where a buyer stands in what came over a stream. */
export interface Place {
  readonly n: bigint
  /** The transcript at the end of the last whole block. */
  readonly closed: Buffer
  /** The session's part of the block since: its first offset, and its records. */
  readonly first: bigint
  readonly part: readonly Uint8Array[]
}

/** The transcript at a place (docs/specs/sdpp.md, Transcript). */
export function rootAt({ n, closed, first, part }: Place, start: bigint): string {
  if (part.length === 0) return closed.toString('hex')
  const fixed = Buffer.alloc(12)
  fixed.writeBigUInt64BE(first, 0)
  fixed.writeUInt32BE(Number(start + n - first), 8)
  const digest = createHash('sha256').update(Buffer.concat(part)).digest()
  return createHash('sha256').update(closed).update(fixed).update(digest).digest('hex')
}

/** The place after a frame; undefined when it does not follow on what came before. */
function follow(place: Place, start: bigint, data: DataFrame): Place | undefined {
  const { first, count, bytes, endOfBlock } = data
  if (first !== start + place.n) return undefined
  const next = {
    n: place.n + BigInt(count),
    closed: place.closed,
    first: place.part.length === 0 ? first : place.first,
    part: [...place.part, bytes.slice()]
  }
  return endOfBlock ? { ...next, closed: Buffer.from(rootAt(next, start), 'hex'), part: [] } : next
}

/** All places of a session that its buyer has ever reached, over all streams; several at one n when its seller tells two stories. */
export class Received {
  readonly #places = new Map<bigint, Place[]>()

  constructor(session: Uint8Array) {
    const closed = createHash('sha256').update('ddm-sdpp/2/transcript').update(session).digest()
    this.#places.set(0n, [{ n: 0n, closed, first: 0n, part: [] }])
  }

  at(n: bigint, root: string, start: bigint): Place | undefined {
    return this.#places.get(n)?.find((place) => rootAt(place, start) === root)
  }

  get beginning(): Place {
    return this.#places.get(0n)?.[0] as Place
  }

  extend(place: Place, start: bigint, data: DataFrame): Place | undefined {
    const next = follow(place, start, data)
    if (next === undefined) return undefined
    const known = this.#places.get(next.n) ?? []
    this.#places.set(next.n, known)
    const root = rootAt(next, start)
    const same = known.find(
      (one) => rootAt(one, start) === root && (one.part.length === 0) === (next.part.length === 0)
    )
    if (same === undefined) known.push(next)
    return same ?? next
  }
}

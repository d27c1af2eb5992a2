import type { Block } from '../interface/index.ts'

/** What a block costs in memory besides its bytes, roughly: keeps many tiny blocks from growing the cache. */
const OVERHEAD_BYTES = 400

/** Recently used blocks of one log up to a number of bytes, found by any offset that they hold. */
export class BlockCache {
  /** By first offset, least recently used first. */
  private readonly blocks = new Map<bigint, Block>()
  /** First offsets in order, for the search. */
  private readonly firsts: bigint[] = []
  private bytes = 0
  private readonly maxBytes: number

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get(offset: bigint): Block | undefined {
    const first = this.blocks.has(offset) ? offset : this.firsts[this.after(offset) - 1]
    const block = first === undefined ? undefined : this.blocks.get(first)
    if (block === undefined || offset >= block.first + BigInt(block.count)) return undefined
    this.blocks.delete(block.first)
    this.blocks.set(block.first, block)
    return block
  }

  add(block: Block): void {
    if (this.blocks.has(block.first)) return
    this.blocks.set(block.first, block)
    this.firsts.splice(this.after(block.first), 0, block.first)
    this.bytes += block.bytes.byteLength + OVERHEAD_BYTES
    // The newest stays even when it alone is too large: readers are about to ask for it.
    for (const [first, oldest] of this.blocks) {
      if (this.bytes <= this.maxBytes || this.blocks.size === 1) break
      this.remove(first, oldest)
    }
  }

  /** Forgets whole blocks before `offset`. */
  prune(offset: bigint): void {
    for (const [first, block] of this.blocks) {
      if (first + BigInt(block.count) <= offset) this.remove(first, block)
    }
  }

  private remove(first: bigint, block: Block): void {
    this.blocks.delete(first)
    this.firsts.splice(this.after(first) - 1, 1)
    this.bytes -= block.bytes.byteLength + OVERHEAD_BYTES
  }

  /** How many blocks start at or before `offset`. */
  private after(offset: bigint): number {
    let low = 0
    let high = this.firsts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.firsts[middle] as bigint) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

import type { BadRecord, Violation } from '../../interface/index.ts'
import { MAX_PART_BYTES } from './constants.ts'
import type { DataFrame } from './data-frame.ts'
import { SdppError, STATUS } from './status.ts'

/**
 * The session's part of the block that is open, as the transcript has it: with it, whoever has the seller's signature over
 * the transcript can be shown a record that breaks the schema. Parts without such a record are let go.
 */
export class OpenPart {
  #first = 0n
  #count = 0
  #bytes = 0
  #chunks: Uint8Array[] = []
  #bad: BadRecord | undefined
  #ended = false

  /**
   * @param bad - the record of this frame that breaks the schema
   * @throws SdppError `tooLarge` for a block that never ends: nothing in it could be shown
   */
  add({ first, count, bytes, endOfBlock }: DataFrame, bad?: BadRecord): void {
    if (this.#ended) return
    if (this.#count === 0) this.#first = first
    if (bad !== undefined) this.#bad ??= { ...bad, index: this.#count + bad.index }
    this.#chunks.push(bytes)
    this.#count += count
    this.#bytes += bytes.length
    if (this.#bytes > MAX_PART_BYTES) {
      throw new SdppError(STATUS.tooLarge, `a block of more than ${MAX_PART_BYTES} bytes cannot be kept as evidence`)
    }
    if (!endOfBlock) return
    this.#ended = this.#bad !== undefined
    if (this.#ended) return
    this.#chunks = []
    this.#count = 0
    this.#bytes = 0
  }

  /** The first record that breaks the schema, in as much of its part as came. */
  get violation(): Violation | undefined {
    const bad = this.#bad
    if (bad === undefined) return undefined
    return { first: this.#first, index: bad.index, bytes: Buffer.concat(this.#chunks), reason: bad.reason }
  }
}

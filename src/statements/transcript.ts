import { createHash, type Hash, hash } from 'node:crypto'
import type { TranscriptPart } from '../interface/index.ts'

const DOMAIN = new TextEncoder().encode('ddm-sdpp/2/transcript')

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/** c₀ = sha256(domain ‖ session CID, binary). */
export function transcriptStart(session: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([DOMAIN, session]))
}

/** c ← sha256(c ‖ u64be first ‖ u32be count ‖ sha256(part)). */
export function transcriptStep(c: Uint8Array, part: TranscriptPart): Uint8Array {
  const bytes = Buffer.allocUnsafe(32 + 12 + 32)
  bytes.set(c)
  bytes.writeBigUInt64BE(part.first, 32)
  bytes.writeUInt32BE(part.count, 40)
  bytes.set(part.digest, 44)
  return sha256(bytes)
}

/**
 * What both sides compute over the records of a session. It depends on session and log only, not on how frames were
 * cut: a block's open part counts as if it ended at the position asked for (docs/specs/sdpp.md, Transcript).
 */
export class Transcript {
  #closed: Uint8Array
  #part: { first: bigint; count: number; hash: Hash } | undefined
  #parts: TranscriptPart[] = []

  /**
   * @param session - bytes of the session's CID
   * @param root - root at a block end, to go on from there
   */
  constructor(session: Uint8Array, root: Uint8Array = transcriptStart(session)) {
    this.#closed = root
  }

  /** Parts closed since this was asked last, in order: they are the caller's to keep. */
  takeParts(): TranscriptPart[] {
    const parts = this.#parts
    this.#parts = []
    return parts
  }

  /**
   * Adds consecutive records of one block.
   *
   * @param digest - sha256 of `bytes`, when these are a whole block whose digest is known
   */
  add(first: bigint, count: number, bytes: Uint8Array, endOfBlock: boolean, digest?: Uint8Array): void {
    if (this.#part === undefined && endOfBlock) {
      this.#close({ first, count, digest: digest ?? sha256(bytes) })
      return
    }
    this.#part ??= { first, count: 0, hash: createHash('sha256') }
    this.#part.hash.update(bytes)
    this.#part.count += count
    if (endOfBlock) this.#close(this.openPart as TranscriptPart)
  }

  /** The part of the block that has not ended, as it stands. */
  get openPart(): TranscriptPart | undefined {
    if (this.#part === undefined) return undefined
    const { first, count, hash } = this.#part
    return { first, count, digest: hash.copy().digest() }
  }

  /** Root at the position reached so far. */
  root(): Uint8Array {
    const part = this.openPart
    return part === undefined ? this.#closed : transcriptStep(this.#closed, part)
  }

  #close(part: TranscriptPart): void {
    this.#closed = transcriptStep(this.#closed, part)
    this.#parts.push(part)
    this.#part = undefined
  }
}

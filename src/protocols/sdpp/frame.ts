import { MAX_CONTROL_BYTES, MAX_DATA_BYTES } from './constants.ts'
import { SdppError, STATUS } from './status.ts'

/** Frame kinds. Kinds ≥ 0x80 may be ignored; every other unknown kind is `unexpected`. */
export const FRAME = {
  HELLO: 0x01,
  MENU: 0x02,
  OFFER: 0x03,
  ORDER: 0x04,
  ACCEPT: 0x05,
  STATUS: 0x06,
  RESUME: 0x07,
  DATA: 0x08,
  INVOICE: 0x09,
  PAYMENT: 0x0a,
  POSITION: 0x0b,
  CLOSE: 0x0c,
  RECEIPT: 0x0d,
  RECEIPT_ACK: 0x0e,
  PING: 0x0f
} as const

export type FrameName = keyof typeof FRAME
export const FIRST_IGNORABLE_KIND = 0x80

const NAMES = new Map<number, FrameName>((Object.keys(FRAME) as FrameName[]).map((name) => [FRAME[name], name]))

export function frameName(kind: number): FrameName | undefined {
  return NAMES.get(kind)
}

/** u32be length of what follows, u8 kind, body. The parts of the body are joined here, once. */
export function encodeFrame(kind: number, ...body: Uint8Array[]): Uint8Array {
  const length = 1 + body.reduce((sum, part) => sum + part.length, 0)
  const frame = new Uint8Array(4 + length)
  new DataView(frame.buffer).setUint32(0, length)
  frame[4] = kind
  let at = 5
  for (const part of body) {
    frame.set(part, at)
    at += part.length
  }
  return frame
}

/** Cuts a byte stream into frames. A length over the limit is refused before anything is allocated for it. */
export class Deframer {
  readonly #header = new Uint8Array(5)
  #headerLength = 0
  #body: Uint8Array | undefined
  #bodyLength = 0
  readonly #onFrame: (kind: number, body: Uint8Array) => void

  /** `body` belongs to the callee; it may be a view of a larger received chunk. */
  constructor(onFrame: (kind: number, body: Uint8Array) => void) {
    this.#onFrame = onFrame
  }

  /** True between frames: a stream that ends elsewhere was truncated. */
  get idle(): boolean {
    return this.#headerLength === 0
  }

  /** @throws SdppError `malformed`, `unexpected` or `tooLarge` */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#headerLength < 5) {
        this.#header[this.#headerLength++] = chunk[at++] as number
        if (this.#headerLength < 5) continue
        this.#checkHeader()
        this.#bodyLength = 0
        this.#body = undefined
        if (this.#length() === 0) this.#finish(new Uint8Array(0))
        continue
      }
      const length = this.#length()
      const take = Math.min(length - this.#bodyLength, chunk.length - at)
      if (take === length) {
        const body = chunk.subarray(at, at + take)
        at += take
        this.#finish(body)
        continue
      }
      this.#body ??= new Uint8Array(length)
      this.#body.set(chunk.subarray(at, at + take), this.#bodyLength)
      this.#bodyLength += take
      at += take
      if (this.#bodyLength === length) this.#finish(this.#body)
    }
  }

  /** Length of the body, without the kind. */
  #length(): number {
    return new DataView(this.#header.buffer).getUint32(0) - 1
  }

  #checkHeader(): void {
    const length = this.#length()
    const kind = this.#header[4] as number
    if (length < 0) throw new SdppError(STATUS.malformed, 'a frame of length 0 has no kind')
    const limit = kind === FRAME.DATA ? MAX_DATA_BYTES : MAX_CONTROL_BYTES
    if (length > limit) {
      throw new SdppError(STATUS.tooLarge, `frame 0x${kind.toString(16)} claims ${length} bytes; the limit is ${limit}`)
    }
  }

  #finish(body: Uint8Array): void {
    const kind = this.#header[4] as number
    this.#headerLength = 0
    this.#body = undefined
    this.#onFrame(kind, body)
  }
}

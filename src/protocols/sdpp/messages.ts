import {
  amount,
  bytes,
  type CheckedStatement,
  decodeCanonical,
  deposit,
  encodeCanonical,
  FieldError,
  flag,
  link,
  list,
  map,
  optional,
  paymentPayload,
  rail,
  readStatement,
  type StatementKind,
  text,
  u64
} from '../../statements/index.ts'
import { type DataFrame, decodeData } from './data-frame.ts'
import { encodeFrame, FRAME, type FrameName, frameName } from './frame.ts'
import { SdppError, STATUS } from './status.ts'

const caip = text(128)

/** Control messages that nobody signs: a DAG-CBOR map each. */
export const MESSAGE_SHAPES = {
  HELLO: map({
    versions: list(u64, 8),
    nonce: bytes(16),
    pay: list(map({ rail, network: optional(caip), asset: optional(caip) }), 16),
    /** Document of the listing wanted; without it the seller answers with its MENU. */
    listing: optional(link),
    /** First entry of the MENU page wanted. */
    after: optional(u64)
  }),
  STATUS: map({
    code: u64,
    text: text(1024),
    details: optional(map({ have: optional(text(200)), need: optional(text(200)) }))
  }),
  RESUME: map({ session: link, position: u64, root: bytes(32), paid: amount, payload: optional(paymentPayload) }),
  PAYMENT: map({ n: u64, sessionPaid: amount, payload: optional(paymentPayload), deposit: optional(deposit) }),
  POSITION: map({ n: u64 }),
  CLOSE: map({ reason: u64, n: u64, text: optional(text(1024)), refund: optional(flag) }),
  PING: map({})
} as const

export type PlainName = keyof typeof MESSAGE_SHAPES
type Decoded<F> = F extends { decode: (value: unknown, path: string) => infer T } ? T : never
export type Plain<N extends PlainName> = Decoded<(typeof MESSAGE_SHAPES)[N]>

/** Frames that carry one signed statement: 64-byte signature, then the payload. */
export const SIGNED_FRAMES = {
  MENU: 'menu',
  OFFER: 'offer',
  ORDER: 'order',
  ACCEPT: 'accept',
  INVOICE: 'invoice',
  RECEIPT: 'receipt',
  RECEIPT_ACK: 'receipt-ack'
} as const satisfies Partial<Record<FrameName, StatementKind>>

export type SignedName = keyof typeof SIGNED_FRAMES
type SignedMessage = {
  [N in SignedName]: { name: N; statement: CheckedStatement<(typeof SIGNED_FRAMES)[N]> }
}[SignedName]
type PlainMessage = { [N in PlainName]: { name: N; content: Plain<N> } }[PlainName]
export type Message = SignedMessage | PlainMessage | { name: 'DATA'; data: DataFrame }

export function encodePlain<N extends PlainName>(name: N, content: Plain<N>): Uint8Array {
  const shape = MESSAGE_SHAPES[name] as unknown as { encode: (value: Plain<N>) => unknown }
  return encodeFrame(FRAME[name], encodeCanonical(shape.encode(content)))
}

export function encodeSigned(name: SignedName, statement: { payload: Uint8Array; signature: Uint8Array }): Uint8Array {
  return encodeFrame(FRAME[name], statement.signature, statement.payload)
}

/**
 * Reads the body of a frame. Signatures are not checked here.
 *
 * @throws SdppError `unexpected` for an unknown kind, `malformed` for a body that does not fit its kind
 */
export function decodeMessage(kind: number, body: Uint8Array): Message {
  const name = frameName(kind)
  if (name === undefined) throw new SdppError(STATUS.unexpected, `frame kind 0x${kind.toString(16)} is unknown`)
  if (name === 'DATA') return { name, data: decodeData(body) }
  try {
    if (Object.hasOwn(SIGNED_FRAMES, name)) {
      if (body.length < 64) throw new FieldError(name, `of ${body.length} bytes is truncated`)
      const statement = readStatement(SIGNED_FRAMES[name as SignedName], body.subarray(64), body.subarray(0, 64))
      return { name, statement } as SignedMessage
    }
    const content = MESSAGE_SHAPES[name as PlainName].decode(decodeCanonical(body), name)
    return { name, content } as PlainMessage
  } catch (error) {
    if (error instanceof FieldError)
      throw new SdppError(STATUS.malformed, `${name}: ${error.message}`, { cause: error })
    throw error
  }
}

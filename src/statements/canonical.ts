import { decode, encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { FieldError } from './field.ts'

/** Deeper nesting is refused: how much of it a decoder survives would depend on its stack. */
const MAX_DEPTH = 32

/** Integers beyond 2⁵³ come as bigint, so a number that is not a safe integer was a float. */
function refuseFloatsAndDepth(value: unknown, depth: number): void {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new FieldError('payload', 'contains a float')
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || CID.asCID(value) !== null) return
  if (depth === MAX_DEPTH) throw new FieldError('payload', `is nested deeper than ${MAX_DEPTH}`)
  for (const entry of Object.values(value)) refuseFloatsAndDepth(entry, depth + 1)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function encodeCanonical(value: unknown): Uint8Array {
  return encode(value)
}

/** Decodes DAG-CBOR that re-encodes to itself, holds no float and is not nested deeper than 32; throws `FieldError` for everything else. */
export function decodeCanonical(bytes: Uint8Array): unknown {
  let value: unknown
  let again: Uint8Array
  try {
    value = decode(bytes)
    again = encode(value)
  } catch (error) {
    throw new FieldError(
      'payload',
      `is not DAG-CBOR: ${error instanceof Error ? error.message.slice(0, 120) : 'error'}`
    )
  }
  if (!equalBytes(bytes, again)) throw new FieldError('payload', 'is not canonical DAG-CBOR')
  refuseFloatsAndDepth(value, 0)
  return value
}

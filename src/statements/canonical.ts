import { decode, encode } from '@ipld/dag-cbor'
import { FieldError } from './field.ts'

function refuseFloats(value: unknown): void {
  if (typeof value === 'number' && !Number.isInteger(value)) throw new FieldError('payload', 'contains a float')
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  if (Array.isArray(value)) value.forEach(refuseFloats)
  else if ((value as { asCID?: unknown }).asCID === undefined) Object.values(value).forEach(refuseFloats)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function encodeCanonical(value: unknown): Uint8Array {
  return encode(value)
}

/** Decodes DAG-CBOR that re-encodes to itself and holds no float; throws `FieldError` for everything else. */
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
  refuseFloats(value)
  return value
}

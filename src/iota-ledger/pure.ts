import { bcs } from '@iota/iota-sdk/bcs'

/** A type of plain values, or what is none: objects, and structs that only a Move VM knows. */
type Shape = { bytes: number } | { bool: true } | { text: true } | { option: Shape } | { vector: Shape }

const SIZES: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8, u128: 16, u256: 32, address: 32 }
const STRING = /^0x0*1::(string|ascii)::String$/
const ID = /^0x0*2::object::ID$/
const OPTION = /^0x0*1::option::Option<(.+)>$/
const VECTOR = /^vector<(.+)>$/
/** Types within types; what nodes allow. */
const MAX_DEPTH = 16

/** The shape of a type's bytes, `undefined` when no bytes of a transaction can be one. */
export function shapeOf(type: string, depth = 0): Shape | undefined {
  if (depth > MAX_DEPTH) return undefined
  const size = Object.hasOwn(SIZES, type) ? SIZES[type] : undefined
  if (size !== undefined) return { bytes: size }
  if (type === 'bool') return { bool: true }
  if (STRING.test(type)) return { text: true }
  if (ID.test(type)) return { bytes: 32 }
  const [, optional] = OPTION.exec(type) ?? []
  const [, element] = VECTOR.exec(type) ?? []
  const inner = optional ?? element
  const shape = inner === undefined ? undefined : shapeOf(inner, depth + 1)
  if (shape === undefined) return undefined
  return optional === undefined ? { vector: shape } : { option: shape }
}

/** Whether bytes are exactly one value of a shape in BCS. */
export function isValueOf(shape: Shape, bytes: Uint8Array): boolean {
  return after(shape, bytes, 0) === bytes.length
}

export function u64Of(bytes: Uint8Array): bigint | undefined {
  return bytes.length === 8 ? BigInt(bcs.u64().parse(bytes)) : undefined
}

export function addressOf(bytes: Uint8Array): string | undefined {
  return bytes.length === 32 ? bcs.Address.parse(bytes) : undefined
}

/** Where a value that starts at `from` ends; -1 when there is none. */
function after(shape: Shape, bytes: Uint8Array, from: number): number {
  if ('bytes' in shape) return from + shape.bytes <= bytes.length ? from + shape.bytes : -1
  if ('bool' in shape) return (bytes[from] ?? 2) < 2 ? from + 1 : -1
  const [length, start] = lengthAt(bytes, from)
  if ('text' in shape) {
    const end = start + length
    return length >= 0 && end <= bytes.length && isUtf8(bytes.subarray(start, end)) ? end : -1
  }
  if ('option' in shape && length > 1) return -1
  const element = 'option' in shape ? shape.option : shape.vector
  let end = length < 0 ? -1 : start
  // Every value has at least one byte, so that a length beyond the bytes ends soon.
  for (let index = 0; index < length && end >= 0; index++) end = after(element, bytes, end)
  return end
}

/** A length in ULEB128, shortest form, and where what follows starts; -1 when there is none. */
function lengthAt(bytes: Uint8Array, from: number): [length: number, start: number] {
  let length = 0
  for (let index = 0; index < 4; index++) {
    const byte = bytes[from + index]
    if (byte === undefined) break
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return byte === 0 && index > 0 ? [-1, from] : [length, from + index + 1]
  }
  return [-1, from]
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

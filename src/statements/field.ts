import { CID } from 'multiformats/cid'
import { isAmountString } from '../interface/index.ts'

/**
 * Fields of statements and messages: each knows how its value looks in canonical DAG-CBOR and refuses everything else.
 * A decoder never trusts a stranger's bytes; it throws `FieldError` naming the path.
 */
export interface Field<T> {
  readonly decode: (value: unknown, path: string) => T
  readonly encode: (value: T) => unknown
  readonly optional?: true
}

export class FieldError extends Error {
  readonly path: string
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`)
    this.name = 'FieldError'
    this.path = path
  }
}

const MAX_U64 = (1n << 64n) - 1n

/** Unsigned 64-bit integer; bigint in memory. */
export const u64: Field<bigint> = {
  decode(value, path) {
    const integer = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
    if (typeof integer !== 'bigint' || integer < 0n || integer > MAX_U64) throw new FieldError(path, 'is not a u64')
    return integer
  },
  encode: (value) => value
}

/** Atomic units below 2¹²⁸; decimal string on the wire because DAG-CBOR integers end at 64 bits. */
export const amount: Field<bigint> = {
  decode(value, path) {
    if (!isAmountString(value)) throw new FieldError(path, 'is not a decimal amount below 2^128')
    return BigInt(value)
  },
  encode: (value) => value.toString()
}

export const flag: Field<boolean> = {
  decode(value, path) {
    if (typeof value !== 'boolean') throw new FieldError(path, 'is not a boolean')
    return value
  },
  encode: (value) => value
}

/** Text of at most `max` UTF-16 units. */
export function text(max: number, pattern?: RegExp): Field<string> {
  return {
    decode(value, path) {
      if (typeof value !== 'string' || value.length > max)
        throw new FieldError(path, `is not text of ≤ ${max} characters`)
      if (pattern !== undefined && !pattern.test(value)) throw new FieldError(path, `does not match ${pattern}`)
      return value
    },
    encode: (value) => value
  }
}

export function oneOf<const T extends string>(...values: T[]): Field<T> {
  return {
    decode(value, path) {
      if (!values.includes(value as T)) throw new FieldError(path, `is not one of ${values.join(', ')}`)
      return value as T
    },
    encode: (value) => value
  }
}

/** Exactly so many bytes, one of several lengths, or at most `max`. */
type ByteLength = number | readonly number[] | { max: number }

export function bytes(length: ByteLength): Field<Uint8Array> {
  const lengths = typeof length === 'number' ? [length] : 'max' in length ? undefined : length
  const max = typeof length === 'object' && 'max' in length ? length.max : 0
  const wanted = lengths === undefined ? `at most ${max}` : lengths.join(' or ')
  return {
    decode(value, path) {
      const fits = value instanceof Uint8Array && (lengths?.includes(value.length) ?? value.length <= max)
      if (!fits) throw new FieldError(path, `is not ${wanted} bytes`)
      return value
    },
    encode: (value) => value
  }
}

/** `0x…` in memory, bytes on the wire. */
export function hex(length: ByteLength): Field<`0x${string}`> {
  const raw = bytes(length)
  return {
    decode: (value, path) => toHex(raw.decode(value, path)),
    encode: (value) => fromHex(value)
  }
}

export const link: Field<CID> = {
  decode(value, path) {
    const cid = CID.asCID(value)
    if (cid === null) throw new FieldError(path, 'is not a CID link')
    return cid
  },
  encode: (value) => value
}

export function list<T>(item: Field<T>, max: number): Field<T[]> {
  return {
    decode(value, path) {
      if (!Array.isArray(value) || value.length > max) throw new FieldError(path, `is not a list of ≤ ${max}`)
      return value.map((entry, index) => item.decode(entry, `${path}[${index}]`))
    },
    encode: (value) => value.map((entry) => item.encode(entry))
  }
}

export function optional<T>(field: Field<T>): Field<T | undefined> & { optional: true } {
  return {
    optional: true,
    decode: (value, path) => (value === undefined ? undefined : field.decode(value, path)),
    encode: (value) => (value === undefined ? undefined : field.encode(value))
  }
}

/** A map that is of the first kind when it has the key, else of the second. */
export function having<A, B>(key: string, first: Field<A>, second: Field<B>): Field<A | B> {
  const has = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.hasOwn(value, key)
  return {
    decode: (value, path) => (has(value) ? first : second).decode(value, path),
    encode: (value) => (has(value) ? first.encode(value as A) : second.encode(value as B))
  }
}

interface AnyField {
  readonly decode: (value: unknown, path: string) => unknown
  readonly encode: (value: never) => unknown
  readonly optional?: true
}
type Shape = Record<string, AnyField>
type OptionalKeys<S> = { [K in keyof S]: S[K] extends { optional: true } ? K : never }[keyof S]
type Value<F> = F extends { decode: (value: unknown, path: string) => infer T } ? T : never
/** The type that a shape decodes to. */
export type ValueOf<S> = { [K in Exclude<keyof S, OptionalKeys<S>>]: Value<S[K]> } & {
  [K in OptionalKeys<S>]?: Exclude<Value<S[K]>, undefined>
}

/** A map with known keys. Unknown keys are no fault: they stay in the bytes that were signed. */
export function map<S extends Shape>(shape: S): Field<ValueOf<S>> {
  const fields = Object.entries(shape)
  return {
    decode(value, path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
        throw new FieldError(path, 'is not a map')
      }
      const input = value as Record<string, unknown>
      const output: Record<string, unknown> = {}
      for (const [key, field] of fields) {
        const decoded = field.decode(Object.hasOwn(input, key) ? input[key] : undefined, `${path}.${key}`)
        if (decoded !== undefined) output[key] = decoded
      }
      return output as ValueOf<S>
    },
    encode(value) {
      const input = value as Record<string, unknown>
      const output: Record<string, unknown> = {}
      for (const [key, field] of fields) {
        const entry = input[key]
        if (entry !== undefined) output[key] = field.encode(entry as never)
      }
      return output
    }
  }
}

export function toHex(value: Uint8Array): `0x${string}` {
  return `0x${Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')}`
}

export function fromHex(value: string): Uint8Array {
  // Buffer stops at the first character that is no hex digit: a shorter result shows it.
  const bytes = value.startsWith('0x') ? Buffer.from(value.slice(2), 'hex') : undefined
  if (bytes === undefined || bytes.length * 2 !== value.length - 2) {
    throw new FieldError('hex', `"${value.slice(0, 80)}" is not 0x-prefixed hex`)
  }
  return new Uint8Array(bytes)
}

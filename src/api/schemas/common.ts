import Type, { type TOptional, type TSchema, type TUndefined, type TUnion } from 'typebox'
import type { Address, Hex } from '../../interface/index.ts'

/** An integer of any size: decimal digits on the wire, a bigint in memory. Of money: atomic units. */
export const Integer = Type.Codec(Type.String({ pattern: '^-?[0-9]{1,78}$', description: 'integer, decimal digits' }))
  .Decode((text) => BigInt(text))
  .Encode((value: bigint) => value.toString())

/** Hex on the wire, bytes in memory. */
export const Bytes = Type.Codec(Type.String({ pattern: '^([0-9a-f]{2})*$', description: 'bytes in hex' }))
  .Decode((text): Uint8Array => Buffer.from(text, 'hex'))
  .Encode((value: Uint8Array) => Buffer.from(value).toString('hex'))

export const HexText = Type.Unsafe<Hex>({ type: 'string', pattern: '^0x[0-9a-f]*$' })

export const AddressText = Type.Unsafe<Address>({ type: 'string', pattern: '^0x[0-9a-fA-F]{40}$' })

/** Names go into paths and are looked up: nothing else is needed in them. */
export const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '^[A-Za-z0-9_.:-]+$' })

/** What a caller may spend: whole tokens as text, or atomic units. */
export const Money = Type.Codec(
  Type.Union([
    Type.String({ pattern: '^[0-9]{1,60}([.][0-9]{1,30})?$', description: 'whole tokens, like 0.05' }),
    Type.Object({ units: Type.String({ pattern: '^[0-9]{1,78}$' }) }, { description: 'atomic units' })
  ])
)
  .Decode((value) => (typeof value === 'string' ? value : BigInt(value.units)))
  .Encode((value: string | bigint) => (typeof value === 'string' ? value : { units: value.toString() }))

/** A key that may be missing, or undefined in memory. */
export function Maybe<S extends TSchema>(schema: S): TOptional<TUnion<[S, TUndefined]>> {
  return Type.Optional(schema) as unknown as TOptional<TUnion<[S, TUndefined]>>
}

export function OneOf<T extends string>(...values: T[]) {
  return Type.Unsafe<T>({ type: 'string', enum: values })
}

export const Rail = OneOf('evm', 'iota', 'free')

export const Role = OneOf('buyer', 'seller')

import { DdmError, type SqlValue } from '../interface/index.ts'

/** SQLite's integers are signed: u64 above 2⁶³ − 1 is kept as two's complement. */
export function fromU64(value: bigint): bigint {
  if (value < 0n || value >= 1n << 64n) throw new DdmError('internal', `${value} is not an unsigned 64-bit integer`)
  return BigInt.asIntN(64, value)
}

export function toU64(value: SqlValue | undefined): bigint {
  return BigInt.asUintN(64, toBigInt(value))
}

/** Reads an integer or an amount. */
export function toBigInt(value: SqlValue | undefined): bigint {
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'string') return BigInt(value)
  throw new DdmError('internal', 'the database holds something else where an integer belongs')
}

export function toText<T extends string = string>(value: SqlValue | undefined): T {
  if (typeof value === 'string') return value as T
  throw new DdmError('internal', 'the database holds something else where text belongs')
}

export function toBytes(value: SqlValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new DdmError('internal', 'the database holds something else where bytes belong')
}

import { fromHex, toBase58, toHex } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import { normalizeIotaAddress } from '@iota/iota-sdk/utils'
import { createBLAKE2b } from 'hash-wasm'

export const COIN_TYPE = '0x2::iota::IOTA'
export const OBJECT_TYPE = `0x2::coin::Coin<${COIN_TYPE}>`

/** Nanos that a coin object locks: 129 bytes at 100 storage units each and 76 nanos a unit. */
export const COIN_DEPOSIT = 129n * 100n * 76n

/** A coin object at one version. */
export interface LedgerCoin {
  id: string
  owner: string
  balance: bigint
  version: bigint
  /** Transaction that made this version, base58. */
  previous: string
  /** What its owner gets back when it is gone. */
  rebate: bigint
}

/** BLAKE2b-256 of bytes: the hash of everything on this network. */
export type Blake = (...parts: Uint8Array[]) => Uint8Array

export async function createBlake(): Promise<Blake> {
  const hasher = await createBLAKE2b(256)
  return (...parts) => {
    hasher.init()
    for (const part of parts) hasher.update(part)
    return hasher.digest('binary')
  }
}

const u64 = (value: bigint): Uint8Array => bcs.u64().serialize(value).toBytes()
const OBJECT_DOMAIN = new TextEncoder().encode('Object::')
const FAUCET_DOMAIN = new TextEncoder().encode('faucet')

/** First tag of `Data`, then the type tag of IOTA's own coin. */
const MOVE_GAS_COIN = Uint8Array.of(0, 1)
const ADDRESS_OWNER = Uint8Array.of(0)
/** Of an object's ID: the hash domain of objects that a transaction makes. */
const OBJECT_ID_TAG = Uint8Array.of(0xf1)

/**
 * Digest of an object version: BLAKE2b-256 of `Object::` and its BCS.
 *
 * @source iota-types `Object`: data, owner, previous_transaction, storage_rebate
 */
export function coinDigest(blake: Blake, { id, owner, balance, version, previous, rebate }: LedgerCoin): string {
  const contents = new Uint8Array([...fromHex(id), ...u64(balance)])
  return toBase58(
    blake(
      OBJECT_DOMAIN,
      MOVE_GAS_COIN,
      u64(version),
      bcs.byteVector().serialize(contents).toBytes(),
      ADDRESS_OWNER,
      fromHex(owner),
      bcs.ObjectDigest.serialize(previous).toBytes(),
      u64(rebate)
    )
  )
}

/** ID of the n-th object that a transaction makes. */
export function createdId(blake: Blake, transaction: string, index: bigint): string {
  const digest = bcs.ObjectDigest.serialize(transaction).toBytes().slice(1)
  return `0x${toHex(blake(OBJECT_ID_TAG, digest, u64(index)))}`
}

export function faucetId(blake: Blake, owner: string, number: bigint): string {
  return `0x${toHex(blake(FAUCET_DOMAIN, u64(number), fromHex(owner)))}`
}

export function normal(address: string): string {
  return normalizeIotaAddress(address)
}

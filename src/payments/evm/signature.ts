import secp256k1 from 'secp256k1'
import type { Address, Hex } from '../../interface/index.ts'
import { fromHex, toHex } from '../../statements/index.ts'
import type { Eip712 } from './eip712.ts'

/** Half of the group order: above it a signature is the malleated twin of another. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/** 65 bytes r ‖ s ‖ v with low s and v ∈ {27, 28}, as the contracts take them. */
export function signDigest(digest: Uint8Array, privateKey: Uint8Array): Hex {
  const { signature, recid } = secp256k1.ecdsaSign(digest, privateKey)
  return `${toHex(signature)}${(27 + recid).toString(16)}`
}

/** Why the bytes are not a signature that the contract would take; undefined when they are. */
export function malformedSignature(signature: Hex): string | undefined {
  if (!/^0x([0-9a-fA-F]{2})*$/.test(signature)) return 'a signature is written as 0x and hex digits'
  if (signature.length !== 132) return `a signature has 65 bytes, not ${(signature.length - 2) / 2}`
  const v = Number.parseInt(signature.slice(130), 16)
  if (v !== 27 && v !== 28) return `the recovery byte of a signature is 27 or 28, not ${v}`
  if (BigInt(`0x${signature.slice(66, 130)}`) > HALF_ORDER) return 'the signature has a high s'
  return undefined
}

/** The address that signed; undefined when none did. */
export function recoverSigner(eip712: Eip712, digest: Uint8Array, signature: Hex): Address | undefined {
  try {
    const bytes = fromHex(signature)
    const publicKey = secp256k1.ecdsaRecover(bytes.subarray(0, 64), (bytes[64] as number) - 27, digest, false)
    return toHex(eip712.keccak(publicKey.subarray(1)).subarray(12))
  } catch {
    return undefined
  }
}

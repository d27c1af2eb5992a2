import type { Hex } from '../../interface/index.ts'

/** Half of the group order: above it a signature is the malleated twin of another. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/** Why the bytes are not a signature that the contract would take; undefined when they are. */
export function malformedSignature(signature: Hex): string | undefined {
  if (!/^0x([0-9a-fA-F]{2})*$/.test(signature)) return 'a signature is written as 0x and hex digits'
  if (signature.length !== 132) return `a signature has 65 bytes, not ${(signature.length - 2) / 2}`
  const v = Number.parseInt(signature.slice(130), 16)
  if (v !== 27 && v !== 28) return `the recovery byte of a signature is 27 or 28, not ${v}`
  if (BigInt(`0x${signature.slice(66, 130)}`) > HALF_ORDER) return 'the signature has a high s'
  return undefined
}

import { randomBytes } from 'node:crypto'
import { keccak } from 'hash-wasm'
import secp256k1 from 'secp256k1'
import type { Address } from '../../interface/index.ts'

/** A secp256k1 key. */
export interface EvmKey {
  /** Lower case. */
  readonly address: Address
  /** 32 bytes. Not enumerable: neither JSON, nor a logger, nor the console prints it by accident. */
  readonly privateKey: Uint8Array
}

export function generateEvmSecret(): Uint8Array {
  // The odds that 32 random bytes are not below the curve's order are 2⁻¹²⁸.
  for (;;) {
    const secret = new Uint8Array(randomBytes(32))
    if (secp256k1.privateKeyVerify(secret)) return secret
  }
}

/**
 * Last 20 bytes of the keccak-256 of the public key; undefined when the secret is not a key.
 * @source Ethereum Yellow Paper, appendix F
 */
export async function evmKey(secret: Uint8Array): Promise<EvmKey | undefined> {
  if (secret.length !== 32 || !secp256k1.privateKeyVerify(secret)) return undefined
  const publicKey = secp256k1.publicKeyCreate(secret, false)
  const hash = await keccak(publicKey.subarray(1), 256)
  const key = { address: `0x${hash.slice(-40)}` as Address }
  return Object.defineProperty(key, 'privateKey', { value: secret, enumerable: false }) as EvmKey
}

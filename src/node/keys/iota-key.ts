import { randomBytes } from 'node:crypto'
import type { Hex } from '../../interface/index.ts'
import { iotaAddress } from '../../payments/index.ts'

/** An Ed25519 key of an IOTA account. */
export interface IotaKey {
  /** 32 bytes, lower case. */
  readonly address: Hex
  /** 32 bytes. Not enumerable: neither JSON, nor a logger, nor the console prints it by accident. */
  readonly seed: Uint8Array
}

export function generateIotaSecret(): Uint8Array {
  return new Uint8Array(randomBytes(32))
}

/** undefined when the secret is not a key. */
export async function iotaKey(secret: Uint8Array): Promise<IotaKey | undefined> {
  if (secret.length !== 32) return undefined
  const key = { address: await iotaAddress(secret) }
  return Object.defineProperty(key, 'seed', { value: secret, enumerable: false }) as IotaKey
}

import type { AbortOptions, Hex, NetworkId, SessionBinding } from '../../interface/index.ts'
import type { IotaRail, IotaRailInit } from './rail.ts'
import type { IotaReader } from './reader.ts'

export { granularityFor } from './fees.ts'
export type { IotaRail, IotaRailInit } from './rail.ts'
export type { IotaReader } from './reader.ts'

// The SDK takes a while to load: only who pays or is paid in IOTA waits for it.

/**
 * Both roles on the iota rail: payments by transactions whose memo is the digest of the invoice that they pay.
 *
 * @example
 * ```ts
 * const rail = await openIotaRail({ url, chainIdentifier, seed, issuer: peerId, assetId, transfers, budget, logger })
 * ```
 *
 * @throws DdmError `networkMismatch`, `unreachable`
 */
export async function openIotaRail(init: IotaRailInit, options?: AbortOptions): Promise<IotaRail> {
  const { connectRail } = await import('./rail.ts')
  return connectRail(init, options)
}

/**
 * @param seed - 32 bytes
 * @returns the account's address, 32 bytes
 */
export async function iotaAddress(seed: Uint8Array): Promise<Hex> {
  const { iotaAccount } = await import('./account.ts')
  return iotaAccount(seed).address
}

/** Whether an account signed for the session that an order begins; offline. */
export async function isAuthorized(
  account: Hex,
  signature: Hex,
  network: NetworkId,
  binding: SessionBinding
): Promise<boolean> {
  const accounts = await import('./account.ts')
  return accounts.isAuthorized(account, signature, network, binding)
}

/** Looks at an IOTA network: memos, and whether payments are what somebody claims. */
export async function openIotaReader(
  init: { url: string; chainIdentifier: string },
  options?: AbortOptions
): Promise<IotaReader> {
  const { connectReader } = await import('./reader.ts')
  return connectReader(init, options)
}

/**
 * Asks a node which network it serves: 8 hex digits.
 *
 * @throws DdmError `unreachable`
 */
export async function iotaChainIdentifier(url: string, options?: AbortOptions): Promise<string> {
  const { chainIdentifierOf } = await import('./sdk-client.ts')
  return chainIdentifierOf(url, options)
}

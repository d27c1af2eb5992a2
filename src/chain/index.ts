import type { AbortOptions, NetworkProfile } from '../interface/index.ts'
import type { Chain, ChainInit } from './connect.ts'
import type { DeployInit } from './deploy.ts'
import type { DevAccount, FundDevAccountInit } from './dev.ts'

export type { Chain, ChainInit } from './connect.ts'
export type { DeployInit } from './deploy.ts'
export type { DevAccount, FundAmounts, FundDevAccountInit } from './dev.ts'
export { type LocalChain, type LocalChainInit, startLocalChain } from './local.ts'
export {
  assetId,
  defaultToken,
  formatProfile,
  networkId,
  parseProfile,
  readProfile,
  writeProfile
} from './profile.ts'
export type { MinedTransaction, TransactionQueue, TransactionRequest, TransactionSigner } from './transactions.ts'
export type { ChainWallet } from './wallet.ts'

// viem takes half a second to load: only who talks to a chain pays for it.

/**
 * Connects to the chain that a network profile names, and proves that it is that chain: chain ID and genesis hash of each
 * URL before its first use and again after it failed, and the escrow's code.
 *
 * @example
 * ```ts
 * const chain = await connectChain({ profile, wallet: { account, privateKey }, logger })
 * const { version } = await chain.registry.post(listing) // 1
 * await chain.close()
 * ```
 *
 * @throws DdmError `networkMismatch` naming both values, `unreachable` naming the URLs
 */
export async function connectChain(init: ChainInit, options?: AbortOptions): Promise<Chain> {
  const { connect } = await import('./connect.ts')
  return await connect(init, options)
}

/**
 * Deploys registry, escrow and collectors (and, on a dev chain, the test token), and describes them as a network profile.
 *
 * @example
 * ```ts
 * const profile = await deployContracts({ rpcUrl, privateKey, name: 'local', dev: true, logger })
 * await writeProfile('local.network.json', profile)
 * ```
 *
 * @throws DdmError `usage` (no token), `unreachable`, `funds`, `chain`
 */
export async function deployContracts(init: DeployInit, options?: AbortOptions): Promise<NetworkProfile> {
  const { deploy } = await import('./deploy.ts')
  return await deploy(init, options)
}

/** The funded accounts of a local chain, ten unless anvil was told otherwise. Never use them elsewhere: all know the keys. */
export async function devAccounts(count = 10): Promise<DevAccount[]> {
  const { deriveDevAccounts } = await import('./dev.ts')
  return deriveDevAccounts(count)
}

/**
 * Gives an account free coins (wei) and test tokens (atomic units) on a dev chain.
 *
 * @throws DdmError `config` when the profile's chain is no dev chain
 */
export async function fundDevAccount(init: FundDevAccountInit, options?: AbortOptions): Promise<void> {
  const { fundOnce } = await import('./dev.ts')
  await fundOnce(init, options)
}

import { parseProfile, readProfile } from '../chain/index.ts'
import { DdmError, type NetworkProfile } from '../interface/index.ts'
import type { NodeConfig } from './config.ts'
import { type HomePaths, readNetworkFile } from './home.ts'
import type { ConnectionLimits } from './network.ts'
import type { NodeInit } from './types.ts'

/** The profile named by the caller, else the one that the home has joined. */
export async function loadProfile(network: NodeInit['network'], paths: HomePaths): Promise<NetworkProfile> {
  if (typeof network === 'string') return readProfile(network)
  const profile = network ?? (await readNetworkFile(paths))
  if (profile !== undefined) return parseProfile(profile)
  throw new DdmError(
    'config',
    `the home ${paths.root} has joined no network: "ddm network join FILE" does, or name a profile with --network`
  )
}

/** The user's own RPC URLs take the place of the profile's; chain ID, genesis and contracts stay the profile's. */
export function withOverrides(profile: NetworkProfile, { rpc }: Pick<NodeConfig, 'rpc'>): NetworkProfile {
  return rpc.length === 0 ? profile : { ...profile, chain: { ...profile.chain, rpcUrls: rpc } }
}

/** What a node accepts: of the settings those that name connections. */
export function connectionLimits(config: NodeConfig): ConnectionLimits {
  const { inboundPerSecond, maxConnectionsPerIp, maxPendingPerIp, idleTimeout, limitLoopback } = config
  const { maxConnections, reservedConnections } = config
  return {
    inboundPerSecond,
    maxConnectionsPerIp,
    maxPendingPerIp,
    idleConnectionMs: idleTimeout,
    limitLoopback,
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(reservedConnections === undefined ? {} : { reservedConnections })
  }
}

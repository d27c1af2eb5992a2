import type { NetworkProfile } from '../../interface/index.ts'
import type { RailName } from '../client/types.ts'

/**
 * Where people look at a transaction, as the node's own network profile says: never a peer, and never anything that a
 * click would run. undefined where the profile names nothing, as on a local chain.
 */
export function explorerUrl(
  { chain, iota }: Pick<NetworkProfile, 'chain' | 'iota'>,
  rail: RailName,
  transaction: string
): string | undefined {
  const page = rail === 'iota' ? iota?.explorer : chain.explorer
  const url = URL.parse(page?.replaceAll('{transaction}', encodeURIComponent(transaction)) ?? '')
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined
}

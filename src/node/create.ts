import type { AbortOptions } from '../interface/index.ts'
import type { BootstrapNode } from './bootstrap.ts'
import type { InitHomeInit, InitializedHome } from './init-home.ts'
import type { LocalNode, NodeInit } from './types.ts'

/*
 * libp2p and helia take a second to load: only who starts a node waits for them, not who asks one that runs.
 */

/**
 * Starts a node: keys, ledger, peer-to-peer network, chain, registry, both roles of SDPP.
 *
 * @example
 * ```ts
 * const node = await createNode({ home: '.ddm/bot', network: 'network.json', insecureDevKeys: true })
 * const [listing] = await node.listings.search('weather')
 * for await (const record of node.buy(listing, { records: 10, max: '0.01' })) console.log(record.json())
 * await node.stop()
 * ```
 *
 * @throws DdmError `homeBusy`, `keyLocked`, `config`, `networkMismatch`, `unreachable`, `portInUse`
 */
export async function createNode(init: NodeInit, options: AbortOptions = {}): Promise<LocalNode> {
  const node = await import('./node.ts')
  return node.createNode(init, options)
}

/**
 * Starts a bootstrap node.
 *
 * @example
 * ```ts
 * const node = await createBootstrap({ home: '/var/lib/ddm', network: 'network.json' })
 * node.addresses() // what goes into the profile's `bootstrap`
 * ```
 *
 * @throws DdmError `homeBusy`, `keyLocked`, `config`, `networkMismatch`, `unreachable`, `portInUse`
 */
export async function createBootstrap(init: NodeInit, options: AbortOptions = {}): Promise<BootstrapNode> {
  const bootstrap = await import('./bootstrap.ts')
  return bootstrap.createBootstrap(init, options)
}

/** Makes a home ready: network, keys, caps. What is there already stays as it is. See `init-home.ts`. */
export async function initHome(init: InitHomeInit): Promise<InitializedHome> {
  const home = await import('./init-home.ts')
  return home.initHome(init)
}

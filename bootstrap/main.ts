import type { AbortOptions } from '../src/interface/index.ts'
import { loadConfig, type NodeConfig } from '../src/node/config.ts'
import { createHome, lockHome } from '../src/node/home.ts'
import { loadIdentity, type PassphraseSource, passphraseFrom } from '../src/node/keys.ts'
import { createLogger, type NodeLogger } from '../src/node/logger.ts'
import { createNetwork, type Network, type NetworkInit } from '../src/node/network.ts'

/** Ports that the guide opens in the firewall. */
export const BOOTSTRAP_LISTEN = ['/ip4/0.0.0.0/tcp/4001', '/ip4/0.0.0.0/tcp/4002/ws']

/** What runs on top of the network: the keeping and serving of listing documents. */
export type BootstrapService = (
  parts: { network: Network; config: NodeConfig; home: string; logger: NodeLogger },
  options: AbortOptions
) => Promise<{ stop: () => Promise<void> }>

export interface BootstrapInit {
  /** Folder of its own: identity, peers, blocks. */
  home: string
  /** @default BOOTSTRAP_LISTEN, unless the configuration says otherwise */
  listen?: string[]
  /** Other bootstrap nodes: they find each other and share the DHT. @default none */
  peers?: string[]
  /** Gossip topics that it subscribes to, so that announcements pass through it: `/ddm/listings/1/<network>`. @default none */
  topics?: string[]
  /** Settings that win over `DDM_*` and `config.json`. */
  config?: Partial<NodeConfig>
  passphrase?: string | PassphraseSource
  /** Limits of what it relays. */
  relay?: NetworkInit['relay']
  services?: BootstrapService[]
  /** @default one made from the configuration */
  logger?: NodeLogger
}

export interface BootstrapNode {
  readonly peerId: string
  readonly network: Network
  /** Multiaddrs with /p2p/: what goes into the network profile. */
  addresses: () => string[]
  stop: () => Promise<void>
}

/**
 * Starts a bootstrap node: the first contact of every other node of a network. It answers DHT queries, relays connections
 * to nodes that cannot be dialled, passes gossip on and, with its services, keeps listing documents. It has no wallet.
 *
 * Throws `homeBusy`, `portInUse`, `keyLocked` or `config`.
 *
 * @example
 * ```ts
 * const node = await startBootstrap({ home: '/var/lib/ddm', topics: ['/ddm/listings/1/local'] })
 * console.log(node.addresses()) // ['/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…']
 * ```
 */
export async function startBootstrap(init: BootstrapInit, options: AbortOptions = {}): Promise<BootstrapNode> {
  const undo: Array<() => Promise<void>> = []
  const stop = async (): Promise<void> => {
    for (let last = undo.pop(); last !== undefined; last = undo.pop()) await last()
  }
  try {
    const paths = await createHome(init.home)
    const lock = await lockHome(paths)
    undo.push(() => lock.release())
    const { config, sources } = await loadConfig({
      file: paths.config,
      overrides: { ...init.config, role: 'bootstrap' }
    })
    const logger = init.logger ?? openLogger(config, undo)

    const { identity, unencrypted } = await loadIdentity(paths, {
      create: true,
      insecureDevKeys: config.insecureDevKeys,
      passphrase: init.passphrase ?? passphraseFrom()
    })
    for (const file of unencrypted) logger.warn('this key file is not encrypted', { file })

    const network = await createNetwork({
      identity,
      paths,
      role: 'bootstrap',
      logger,
      listen: init.listen ?? (sources.listen === 'default' ? BOOTSTRAP_LISTEN : config.listen),
      announce: config.announce,
      bootstrap: [...(init.peers ?? []), ...config.bootstrap],
      connections: {
        inboundPerSecond: config.inboundPerSecond,
        ...(config.maxConnections === undefined ? {} : { maxConnections: config.maxConnections })
      },
      ...(init.topics === undefined ? {} : { topics: init.topics }),
      ...(init.relay === undefined ? {} : { relay: init.relay })
    })
    undo.push(() => network.stop())
    for (const topic of init.topics ?? []) network.libp2p.services.pubsub.subscribe(topic)
    for (const start of init.services ?? []) {
      const service = await start({ network, config, home: paths.root, logger }, options)
      undo.push(() => service.stop())
    }
    options.signal?.throwIfAborted()
    logger.info('bootstrap node is up', { addresses: network.addresses() })
    return { peerId: network.peerId.toString(), network, addresses: () => network.addresses(), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function openLogger({ logLevel, logFile }: NodeConfig, undo: Array<() => Promise<void>>): NodeLogger {
  const logger = createLogger({ level: logLevel, ...(logFile === undefined ? {} : { file: logFile }) })
  undo.push(async () => logger.close())
  return logger
}

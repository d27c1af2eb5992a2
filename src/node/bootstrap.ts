import { connectChain } from '../chain/index.ts'
import type { AbortOptions } from '../interface/index.ts'
import { announcementTopic, createRegistry } from '../registry/index.ts'
import { openIndex } from '../storage/index.ts'
import { Closers } from './closers.ts'
import { loadConfig } from './config.ts'
import { createHome, lockHome } from './home.ts'
import { loadIdentity, passphraseFrom } from './keys.ts'
import { openLogger } from './logger.ts'
import { BOOTSTRAP_LISTEN, createNetwork } from './network.ts'
import { connectionLimits, loadProfile, withOverrides } from './settings.ts'
import type { NodeInit } from './types.ts'

/** A bootstrap node: entry to the DHT, relay, gossip, and keeper of verified listing documents. It has no wallet. */
export interface BootstrapNode {
  readonly peerId: string
  readonly addresses: () => string[]
  stop: () => Promise<void>
}

/** See `create.ts`. */
export async function createBootstrap(init: NodeInit, options: AbortOptions = {}): Promise<BootstrapNode> {
  const closers = new Closers()
  try {
    const paths = await createHome(init.home)
    const lock = await lockHome(paths)
    closers.add(() => lock.release())
    const overrides = { ...init.config, role: 'bootstrap' as const }
    const { config, sources } = await loadConfig({ file: paths.config, overrides })
    const logger = await openLogger(config)
    closers.add(() => logger.close())
    const profile = withOverrides(await loadProfile(init.network, paths), config)
    const { identity, unencrypted } = await loadIdentity(paths, {
      create: true,
      insecureDevKeys: init.insecureDevKeys ?? config.insecureDevKeys,
      passphrase: init.passphrase ?? passphraseFrom()
    })
    for (const file of unencrypted) logger.warn('key file is not encrypted', { file })
    const index = await openIndex({ path: paths.index })
    closers.add(() => index.close())
    const chain = await connectChain({ profile, logger }, options)
    closers.add(() => chain.close())
    const network = await createNetwork({
      identity,
      paths,
      role: 'bootstrap',
      logger,
      // Well-known ports, because its addresses go into a profile that others keep.
      listen: sources.listen === 'default' ? BOOTSTRAP_LISTEN : config.listen,
      announce: config.announce,
      bootstrap: [...profile.bootstrap, ...config.bootstrap],
      topics: [announcementTopic(profile.name)],
      connections: connectionLimits(config)
    })
    closers.add(() => network.stop())
    const registry = createRegistry(
      {
        chain: chain.registry,
        index,
        blocks: network.blocks,
        pubsub: network.libp2p.services.pubsub,
        contentRouting: network.libp2p.contentRouting,
        peerId: network.peerId,
        logger
      },
      { network: profile.name, keepDocuments: true }
    )
    closers.add(() => registry.stop())
    await registry.start()
    let stopped: Promise<void> | undefined
    return {
      peerId: network.peerId.toString(),
      addresses: () => network.addresses(),
      stop: () => {
        stopped ??= closers.close()
        return stopped
      }
    }
  } catch (error) {
    await closers.close().catch(() => {})
    throw error
  }
}

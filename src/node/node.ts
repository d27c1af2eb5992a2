import { type Chain, connectChain, defaultToken } from '../chain/index.ts'
import {
  type AbortOptions,
  type Address,
  faultPoint,
  type Hex,
  type NetworkProfile,
  parseUnits
} from '../interface/index.ts'
import { announcementTopic, createRegistry } from '../registry/index.ts'
import { createSigner } from '../statements/index.ts'
import { openIndex, openLedger } from '../storage/index.ts'
import { Closers } from './closers.ts'
import { loadConfig } from './config.ts'
import { createHome, type HomeLock, lockHome } from './home.ts'
import { type Keys, loadKeys, passphraseFrom } from './keys.ts'
import { openLogger } from './logger.ts'
import { createNetwork } from './network.ts'
import { createRails } from './rails.ts'
import { Recording } from './recording.ts'
import { RunningNode } from './running-node.ts'
import { connectionLimits, loadProfile, withOverrides } from './settings.ts'
import type { LocalNode, NodeInit } from './types.ts'

/** Funds that a node on a dev chain gives itself when it has less than a tenth of them. */
const DEV_NATIVE = 10n ** 18n
const DEV_TOKENS = '1000'

/** See `create.ts`. */
export async function createNode(init: NodeInit, options: AbortOptions = {}): Promise<LocalNode> {
  const closers = new Closers()
  try {
    return await startNode(init, closers, options)
  } catch (error) {
    await closers.close().catch(() => {})
    throw error
  }
}

async function startNode(init: NodeInit, closers: Closers, options: AbortOptions): Promise<LocalNode> {
  const paths = await createHome(init.home)
  const lock: HomeLock = await lockHome(paths)
  closers.add(() => lock.release())
  const { config } = await loadConfig({ file: paths.config, overrides: init.config ?? {} })
  const logger = await openLogger(config)
  closers.add(() => logger.close())
  const profile = withOverrides(await loadProfile(init.network, paths), config)
  const insecureDevKeys = init.insecureDevKeys ?? config.insecureDevKeys
  const passphrase = init.passphrase ?? passphraseFrom()
  const keys = await loadKeys(paths, {
    create: true,
    insecureDevKeys,
    passphrase,
    iota: profile.iota !== undefined
  })
  for (const file of keys.unencrypted) logger.warn('key file is not encrypted', { file })

  const { account, wallet } = walletOf(keys)
  const [opened, index, network, chain] = await all(closers, [
    [openLedger({ path: paths.ledger, logger }), (opened) => opened.close()],
    [openIndex({ path: paths.index }), (opened) => opened.close()],
    [
      createNetwork({
        identity: keys.identity,
        paths,
        role: config.role,
        logger,
        listen: config.listen,
        announce: config.announce,
        bootstrap: [...profile.bootstrap, ...config.bootstrap],
        topics: [announcementTopic(profile.name)],
        connections: connectionLimits(config)
      }),
      (started) => started.stop()
    ],
    [connectChain({ profile, wallet, logger }, options), (connected) => connected.close()]
  ])
  faultPoint('recovery.opened')
  if (profile.chain.dev === true) await fundOnDevChain(chain, account, profile, options)
  const signer = createSigner(network.peerId.toString(), keys.identity.raw.subarray(0, 32))
  const rails = await createRails({ chain, ledger: opened, paths, keys, config, profile, signer, logger }, options)
  closers.add(() => rails.close())
  const recording = new Recording({
    config,
    store: opened.records,
    memos: rails.iota?.memos,
    events: chain.records,
    logger: logger.child('records')
  })
  closers.add(() => recording.stop())
  const ledger = { ...opened, sessions: recording.watch(opened.sessions) }
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
    { network: profile.name, keepDocuments: config.role !== 'light' }
  )
  closers.add(() => registry.stop())
  await registry.start()
  await network.whenReady(options)
  const parts = {
    paths,
    config,
    profile,
    keys,
    logger,
    ledger,
    index,
    network,
    chain,
    signer,
    rails,
    registry
  }
  const node = new RunningNode(parts, closers)
  await node.start()
  await recording.start(opened.sessions)
  return node
}

/** Starts things side by side; those that started are closed even when another failed. */
async function all<T extends unknown[]>(
  closers: Closers,
  starting: { [K in keyof T]: [Promise<T[K]>, (value: T[K]) => Promise<unknown>] }
): Promise<T> {
  const results = await Promise.allSettled(
    starting.map(async ([start, close]) => {
      const value = await start
      closers.add(() => close(value))
      return value
    })
  )
  const failed = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
  if (failed !== undefined) throw failed.reason
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as T
}

function walletOf({ wallet }: Keys): { account: Address; wallet: { account: Address; privateKey: Hex } } {
  const account = wallet.address
  return { account, wallet: { account, privateKey: `0x${Buffer.from(wallet.privateKey).toString('hex')}` } }
}

async function fundOnDevChain(
  chain: Chain,
  account: Address,
  profile: NetworkProfile,
  options: AbortOptions
): Promise<void> {
  const token = defaultToken(profile)
  const tokens = parseUnits(DEV_TOKENS, token.decimals)
  const [native, held] = await Promise.all([
    chain.nativeBalance(account, options),
    chain.tokenBalance(account, options)
  ])
  if (native >= DEV_NATIVE / 10n && held >= tokens / 10n) return
  await chain.faucet?.(account, { native: DEV_NATIVE, token: tokens }, options)
}

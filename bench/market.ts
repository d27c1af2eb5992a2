import { join } from 'node:path'
import type { NetworkProfile } from '../src/interface/index.ts'
import {
  createBootstrap,
  deployContracts,
  devAccounts,
  startIotaLedger,
  startLocalChain,
  writeProfile
} from '../src/node/index.ts'
import { type Peer, startPeer } from './child.ts'

const CONFIG = { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'error' as const, inboundPerSecond: 1000 }

export interface Market {
  seller: Peer
  buyer: Peer
  profile: NetworkProfile
  config: typeof CONFIG
}

/** Chain, bootstrap node, and a seller and a buyer in processes of their own. */
export async function startMarket(
  directory: string,
  closers: Array<() => Promise<unknown>>,
  flags: string[] = [],
  { iota = false }: { iota?: boolean } = {}
): Promise<Market> {
  const chain = await startLocalChain()
  closers.push(() => chain.close())
  const [deployer] = await devAccounts(1)
  if (deployer === undefined) throw new Error('no dev account')
  const logger = { debug: () => {}, info: () => {}, warn: console.warn, error: console.error }
  const { rpcUrl } = chain
  const profile = await deployContracts({ rpcUrl, privateKey: deployer.privateKey, name: 'bench', dev: true, logger })
  const bootstrap = await createBootstrap({
    home: join(directory, 'bootstrap'),
    network: profile,
    insecureDevKeys: true,
    config: CONFIG
  })
  closers.push(() => bootstrap.stop())
  const file = join(directory, 'network.json')
  const ledger = iota ? await startIotaLedger({ logger }) : undefined
  if (ledger !== undefined) closers.push(() => ledger.close())
  const joined: NetworkProfile = {
    ...profile,
    bootstrap: bootstrap.addresses(),
    ...(ledger === undefined
      ? {}
      : { iota: { chainIdentifier: ledger.chainIdentifier, rpcUrl: ledger.url, faucetUrl: ledger.faucetUrl } })
  }
  await writeProfile(file, joined)
  const peers = ['seller', 'buyer'].map((role) => startPeer('./market-peer.ts', [join(directory, role), file], flags))
  const [seller, buyer] = peers as [Peer, Peer]
  closers.push(
    () => buyer.stop(),
    () => seller.stop()
  )
  await Promise.all(peers.map((peer) => peer.ask({ type: 'ready' })))
  return { seller, buyer, profile: joined, config: CONFIG }
}

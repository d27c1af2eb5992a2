import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { deployContracts, devAccounts, startLocalChain, writeProfile } from '../../src/node/index.ts'
import { Random } from '../simulation/random.ts'
import { type ChainView, viewChain } from './chain-view.ts'
import { CuttingProxy } from './proxy.ts'

/** What a world is in. */
export interface Surroundings {
  folder: string
  /** File of the network profile. */
  network: string
  chain: ChainView
  /** The product's file, and its records. */
  product: { file: string; lines: readonly string[] }
  proxy: CuttingProxy
  random: Random
  close: () => Promise<void>
}

const RECORDS = 400
const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: console.error }

/**
 * A chain, a product and a proxy for one world. Worlds share nothing: a node that reads the listings of others, whom it
 * cannot reach, waits for their documents.
 */
export async function prepare(folder: string, seed: number): Promise<Surroundings> {
  await mkdir(folder)
  const random = new Random(seed)
  const lines = published(random)
  const file = join(folder, 'product.jsonl')
  await writeFile(file, `${lines.join('\n')}\n`)
  const local = await startLocalChain()
  try {
    const [deployer] = await devAccounts(1)
    if (deployer === undefined) throw new Error('no dev account')
    const { privateKey } = deployer
    const profile = await deployContracts({ rpcUrl: local.rpcUrl, privateKey, name: 'chaos', dev: true, logger })
    const network = join(folder, 'network.json')
    await writeProfile(network, profile)
    const proxy = await CuttingProxy.start(new Random(seed + 500), await freePort(random))
    const close = async (): Promise<void> => {
      await proxy.close()
      await local.close()
    }
    return { folder, network, chain: viewChain(profile), product: { file, lines }, proxy, random, close }
  } catch (error) {
    await local.close()
    throw error
  }
}

/** Records of all sizes, each another. */
function published(random: Random): string[] {
  return Array.from({ length: RECORDS }, (_, n) => JSON.stringify({ n, text: 'x'.repeat(random.int(0, 300)) }))
}

/** Below the range from which systems take ports for outgoing connections: it is still free after a kill. */
async function freePort(random: Random): Promise<number> {
  for (;;) {
    const port = random.int(20_000, 32_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}

import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import {
  type Address,
  DdmError,
  type Hex,
  type ListingDocument,
  type ListingDraft,
  type Logger,
  type RegistryChain
} from '../../../src/interface/index.ts'
import type { RegistryBlocks, RegistryComponents, RegistryInit } from '../../../src/registry/index.ts'
import { createRegistry } from '../../../src/registry/index.ts'
import { openIndex } from '../../../src/storage/index.ts'
import { MemoryChain } from '../../support/memory-chain.ts'
import { MemoryPubSub, PubSubNetwork } from './pubsub.ts'

export const PEER = '12D3KooWQ5q8dmB4o2RzUNyWWtoqsJvv1RZsFuv3g1aYnGBbUYhd'
export const OTHER_PEER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
export const THIRD_PEER = '12D3KooWCzchDu1MUKXWW2CfAQsg59rLGQtafjV24FsUDsiAZ3sq'
export const ACCOUNT: Address = `0x${'a1'.repeat(20)}`
export const OTHER_ACCOUNT: Address = `0x${'b2'.repeat(20)}`
export const TOKEN: Address = `0x${'cc'.repeat(20)}`

export const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export function salt(n: number): Hex {
  return `0x${n.toString(16).padStart(64, '0')}`
}

export function draft(n: number, changes: Partial<ListingDocument> = {}, peerId = PEER): ListingDraft {
  return {
    salt: salt(n),
    document: {
      title: `Weather station ${n}`,
      description: 'Hourly temperature and humidity from a roof in Seattle.\nOne record per hour.',
      keywords: ['weather', 'PM2.5'],
      seller: { peerId },
      schema: { encoding: 'json' },
      payment: [
        {
          rail: 'evm',
          network: 'eip155:31337',
          asset: `eip155:31337/erc20:${TOKEN}`,
          payTo: ACCOUNT,
          price: { amount: '100', count: 1, unit: 'record' }
        }
      ],
      ...changes
    }
  }
}

export function documentOf(n: number, changes: Partial<ListingDocument> = {}): ListingDocument {
  const { document } = draft(n)
  return { v: 1, id: salt(n), issuedAt: '2026-11-01T12:00:00Z', ...document, ...changes }
}

/** Blocks that all nodes of a test see: what bitswap does between processes. */
export class SharedBlocks implements RegistryBlocks {
  readonly world: Map<string, Uint8Array>
  readonly local = new Map<string, Uint8Array>()
  gets = 0

  constructor(world = new Map<string, Uint8Array>()) {
    this.world = world
  }

  async put(cid: CID, bytes: Uint8Array): Promise<void> {
    this.local.set(cid.toString(), bytes)
    this.world.set(cid.toString(), bytes)
  }

  async has(cid: CID): Promise<boolean> {
    return this.local.has(cid.toString())
  }

  async get(cid: CID, { maxBytes }: { maxBytes: number }): Promise<Uint8Array> {
    this.gets++
    const bytes = this.world.get(cid.toString())
    if (bytes === undefined) throw new Error('nobody has the block')
    if (bytes.length > maxBytes) throw new DdmError('protocol', `the block has ${bytes.length} bytes`)
    return bytes
  }
}

export interface NodeInit<Chain extends RegistryChain = MemoryChain> extends Partial<RegistryInit> {
  chain?: Chain
  blocks?: SharedBlocks
  network?: string
  gossip?: PubSubNetwork
  peerId?: string
  path?: string
  logger?: Logger
}

/** A registry on a real index, a chain in memory and blocks and gossip that tests hold in their hands. */
export async function startNode<Chain extends RegistryChain = MemoryChain>(init: NodeInit<Chain> = {}) {
  const chain = (init.chain ?? new MemoryChain({ account: ACCOUNT })) as Chain
  const { blocks = new SharedBlocks(), path = ':memory:' } = init
  const { gossip = new PubSubNetwork(), peerId = PEER, network = 'test', logger = quiet } = init
  const index = await openIndex({ path })
  const pubsub = new MemoryPubSub(gossip, peerId)
  const provided: string[] = []
  const components: RegistryComponents = {
    chain,
    index,
    blocks,
    pubsub,
    contentRouting: {
      provide: async (cid) => {
        provided.push(cid.toString())
      }
    },
    peerId: { toString: () => peerId },
    logger
  }
  const registry = createRegistry(components, { pollMs: 50, documentWaitMs: 0, ...init, network })
  await registry.start()
  const stop = async () => {
    await registry.stop()
    await index.close()
  }
  return { registry, chain, index, blocks, pubsub, gossip, provided, stop, [Symbol.asyncDispose]: stop }
}

export async function until(condition: () => boolean | Promise<boolean>, what: string, ms = 60_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function sha256(bytes: Uint8Array): Hex {
  return `0x${createHash('sha256').update(bytes).digest('hex')}`
}

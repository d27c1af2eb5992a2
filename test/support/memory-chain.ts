import { createHash, randomBytes } from 'node:crypto'
import { encodeAbiParameters, keccak256 } from 'viem'
import type { Address, ChainBlock, Hex, ListingStatus, RegistryChain, RegistryLog } from '../../src/interface/index.ts'

/** An event as a block holds it; where it stands is filled in by `mine`. */
export type MemoryEvent =
  | { event: 'ListingPut'; seller: Address; salt: Hex; manifest: Hex; token: Address; unitPrice: bigint; unit: number }
  | { event: 'ListingStatus'; seller: Address; salt: Hex; status: ListingStatus }

interface MemoryBlock extends ChainBlock {
  events: MemoryEvent[]
  logs: RegistryLog[]
}

const EPOCH = 1_790_000_000n

/**
 * A chain in memory whose blocks a script mines, orphans and breaks. It follows the rules of the contract: versions
 * count up, only listings that exist change their status, retired is final; events that break them are left out.
 */
export class MemoryChain implements RegistryChain {
  readonly chainId: number
  readonly genesisHash: Hex
  readonly registry: Address = `0x${'22'.repeat(20)}`
  readonly account: Address | undefined
  readonly #blocks: MemoryBlock[]
  readonly #listeners = new Set<(head: ChainBlock) => void>()
  /** Calls made, by method. */
  readonly calls: Record<string, number> = {}
  /** Runs before each read; throw to fail it, mine or reorganise to move the chain under the reader. */
  onCall: (method: string) => void = () => {}

  constructor(init: { account?: Address; chainId?: number; seed?: string; share?: MemoryChain } = {}) {
    this.account = init.account ?? init.share?.account
    this.chainId = init.chainId ?? 31337
    const genesis: MemoryBlock = {
      number: 0n,
      hash: hashOf(init.seed ?? randomBytes(8).toString('hex')),
      parentHash: `0x${'00'.repeat(32)}`,
      timestamp: EPOCH,
      events: [],
      logs: []
    }
    // Two accounts look at one chain.
    this.#blocks = init.share === undefined ? [genesis] : init.share.#blocks
    if (init.share !== undefined) {
      this.#listeners = init.share.#listeners
    }
    this.genesisHash = (this.#blocks[0] ?? genesis).hash
  }

  get tip(): ChainBlock {
    return this.#at(this.#blocks.length - 1)
  }

  mine(events: MemoryEvent[] = []): ChainBlock {
    const parent = this.#at(this.#blocks.length - 1)
    const number = parent.number + 1n
    const hash = hashOf(`${parent.hash}${number}${randomBytes(8).toString('hex')}`)
    const block: MemoryBlock = { number, hash, parentHash: parent.hash, timestamp: EPOCH + number, events, logs: [] }
    for (const event of events) {
      const log = this.#log(block, event)
      if (log !== undefined) block.logs.push(log)
    }
    this.#blocks.push(block)
    for (const listener of this.#listeners) listener(block)
    return block
  }

  /** Replaces the last blocks: `replay` says which of their events come again, in the new blocks. */
  reorg(depth: number, blocks: MemoryEvent[][]): void {
    this.#blocks.splice(Math.max(1, this.#blocks.length - depth))
    for (const events of blocks) this.mine(events)
    if (blocks.length === 0) for (const listener of this.#listeners) listener(this.tip)
  }

  eventsOf(depth: number): MemoryEvent[][] {
    return this.#blocks.slice(Math.max(1, this.#blocks.length - depth)).map(({ events }) => events)
  }

  /** All logs of the canonical chain, in order. */
  get canonical(): RegistryLog[] {
    return this.#blocks.flatMap(({ logs }) => logs)
  }

  async head(): Promise<ChainBlock> {
    this.#called('head')
    return this.tip
  }

  async block(at: bigint | Hex): Promise<ChainBlock | undefined> {
    this.#called('block')
    if (typeof at === 'bigint') return this.#blocks[Number(at)]
    return this.#blocks.find(({ hash }) => hash === at)
  }

  async logs(from: bigint, to: bigint): Promise<RegistryLog[]> {
    this.#called('logs')
    return this.#blocks.slice(Number(from), Number(to) + 1).flatMap(({ logs }) => logs)
  }

  async logsOf(blockHash: Hex): Promise<RegistryLog[]> {
    this.#called('logsOf')
    // Nodes differ in what they say of an orphaned block; silence is the worst of it.
    return this.#blocks.find(({ hash }) => hash === blockHash)?.logs ?? []
  }

  onHead(listener: (head: ChainBlock) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  listingId(account: Address, salt: Hex): Hex {
    return keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [account, salt]))
  }

  async post(listing: {
    salt: Hex
    manifest: Hex
    token: Address
    unitPrice: bigint
    unit: number
    terms: Hex
  }): Promise<{ hash: Hex; blockNumber: bigint; blockHash: Hex; version: number }> {
    this.#called('post')
    if (this.account === undefined) throw new Error('no account')
    const { salt, manifest, token, unitPrice, unit } = listing
    const block = this.mine([{ event: 'ListingPut', seller: this.account, salt, manifest, token, unitPrice, unit }])
    const [log] = this.#at(Number(block.number)).logs
    if (log?.event !== 'ListingPut') throw new Error('reverted: ListingRetired')
    return { hash: log.transactionHash, blockNumber: block.number, blockHash: block.hash, version: log.version }
  }

  async setStatus(listingId: Hex, status: ListingStatus): Promise<{ hash: Hex }> {
    this.#called('setStatus')
    const put = this.#blocks
      .flatMap(({ events }) => events)
      .find((event) => this.listingId(event.seller, event.salt) === listingId)
    if (put === undefined || put.seller !== this.account) throw new Error('reverted: NotSeller')
    const block = this.mine([{ event: 'ListingStatus', seller: put.seller, salt: put.salt, status }])
    const [log] = this.#at(Number(block.number)).logs
    if (log === undefined) throw new Error('reverted: ListingRetired')
    return { hash: log.transactionHash }
  }

  #called(method: string): void {
    this.calls[method] = (this.calls[method] ?? 0) + 1
    this.onCall(method)
  }

  #at(index: number): MemoryBlock {
    const block = this.#blocks[index]
    if (block === undefined) throw new Error(`no block ${index}`)
    return block
  }

  #log(block: MemoryBlock, event: MemoryEvent): RegistryLog | undefined {
    const listingId = this.listingId(event.seller, event.salt)
    const before = [...this.#blocks.flatMap(({ logs }) => logs), ...block.logs].filter(
      (log) => log.event !== 'PeerBound' && log.listingId === listingId
    )
    const version = before.filter((log) => log.event === 'ListingPut').length
    if (before.some((log) => log.event === 'ListingStatus' && log.status === 'retired')) return undefined
    const logIndex = block.logs.length
    const place = {
      blockNumber: block.number,
      blockHash: block.hash,
      logIndex,
      transactionHash: hashOf(`${block.hash}${logIndex}`),
      timestamp: block.timestamp,
      listingId,
      seller: event.seller
    }
    if (event.event === 'ListingStatus') {
      return version === 0 ? undefined : { ...place, event: 'ListingStatus', version, status: event.status }
    }
    const { manifest, token, unitPrice, unit } = event
    return { ...place, event: 'ListingPut', version: version + 1, manifest, token, unitPrice, unit }
  }
}

function hashOf(text: string): Hex {
  return `0x${createHash('sha256').update(text).digest('hex')}`
}

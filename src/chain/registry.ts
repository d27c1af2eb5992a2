import { encodeAbiParameters, encodeFunctionData, keccak256, numberToHex } from 'viem'
import type {
  AbortOptions,
  Address,
  ChainBlock,
  Hex,
  NetworkProfile,
  RegistryChain,
  RegistryLog
} from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { listingRegistryAbi } from './abi.ts'
import { type HeadWatcher, toBlock } from './heads.ts'
import { createRangeFetcher } from './log-ranges.ts'
import { type RawLog, registryEvents, STATUSES } from './registry-logs.ts'
import type { Rpc } from './rpc.ts'
import type { TransactionQueue } from './transactions.ts'

type RawBlock = Parameters<typeof toBlock>[0]

export interface RegistryChainInit {
  profile: NetworkProfile
  rpc: Rpc
  heads: HeadWatcher
  /** undefined: this chain is only read. */
  queue: TransactionQueue | undefined
}

export function createRegistryChain({ profile, rpc, heads, queue }: RegistryChainInit): RegistryChain {
  const registry = profile.contracts.registry
  const events = registryEvents()

  async function getLogs(filter: Record<string, unknown>, options?: AbortOptions): Promise<RawLog[]> {
    const logs = await rpc.request<RawLog[]>(
      'eth_getLogs',
      [{ address: registry, topics: [events.topics], ...filter }],
      options
    )
    return logs.filter((log) => log.removed !== true)
  }

  async function block(at: bigint | Hex, options?: AbortOptions): Promise<ChainBlock | undefined> {
    const raw =
      typeof at === 'bigint'
        ? await rpc.request<RawBlock | null>('eth_getBlockByNumber', [numberToHex(at), false], options)
        : await rpc.request<RawBlock | null>('eth_getBlockByHash', [at, false], options)
    return raw === null ? undefined : toBlock(raw)
  }

  async function decode(logs: RawLog[], options?: AbortOptions): Promise<RegistryLog[]> {
    const times = new Map<Hex, bigint>()
    const decoded: RegistryLog[] = []
    for (const log of logs) {
      let time = log.blockTimestamp === undefined ? times.get(log.blockHash) : BigInt(log.blockTimestamp)
      if (time === undefined) {
        const found = await block(log.blockHash, options)
        // The block left the chain since: its logs are no longer true.
        if (found === undefined) continue
        time = found.timestamp
        times.set(log.blockHash, time)
      }
      const one = events.decode(log, time)
      if (one !== undefined) decoded.push(one)
    }
    return decoded
  }

  const fetchRange = createRangeFetcher<RawLog>((from, to, options) =>
    getLogs({ fromBlock: numberToHex(from), toBlock: numberToHex(to) }, options)
  )

  function writer(): TransactionQueue {
    if (queue === undefined) {
      throw new DdmError('config', 'publishing needs a wallet, and this node runs without one')
    }
    return queue
  }

  return {
    chainId: profile.chain.id,
    genesisHash: profile.chain.genesisHash,
    registry,
    account: queue?.account,
    head: async (options) => toBlock(await rpc.request<RawBlock>('eth_getBlockByNumber', ['latest', false], options)),
    block,
    logs: async (from, to, options) => (to < from ? [] : await decode(await fetchRange(from, to, options), options)),
    logsOf: async (blockHash, options) => await decode(await getLogs({ blockHash }, options), options),
    onHead: heads.onHead,
    listingId,
    post: async (listing, options) => {
      const { salt, manifest, token, unitPrice, unit, terms } = listing
      const mined = await writer().send(
        {
          label: 'posting a listing',
          to: registry,
          data: encodeFunctionData({
            abi: listingRegistryAbi,
            functionName: 'post',
            args: [salt, manifest, token, unitPrice, unit, terms]
          })
        },
        options
      )
      for (const log of mined.logs) {
        const place = {
          blockNumber: '0x0',
          blockHash: mined.blockHash,
          logIndex: '0x0',
          transactionHash: mined.hash
        } as const
        const event = events.decode({ ...log, ...place }, 0n)
        if (event?.event === 'ListingPut') {
          const { hash, blockNumber, blockHash } = mined
          return { hash, blockNumber, blockHash, version: event.version }
        }
      }
      throw new DdmError('chain', `transaction ${mined.hash} posted no listing; is ${registry} a DDM registry?`)
    },
    setStatus: async (id, status, options) => {
      const { hash } = await writer().send(
        {
          label: `setting a listing to ${status}`,
          to: registry,
          data: encodeFunctionData({
            abi: listingRegistryAbi,
            functionName: 'setStatus',
            args: [id, STATUSES.indexOf(status)]
          })
        },
        options
      )
      return { hash }
    }
  }
}

/** `keccak256(abi.encode(seller, salt))`, as the contract derives it. */
export function listingId(account: Address, salt: Hex): Hex {
  return keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [account, salt]))
}

import { concat, decodeFunctionResult, encodeAbiParameters, encodeFunctionData, type Hex, keccak256 } from 'viem'
import type { AbortOptions, Address, FeeStyle, Logger, NetworkProfile, NetworkToken } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import {
  allowanceCollectorBytecode,
  channelEscrowBytecode,
  eip3009CollectorBytecode,
  listingRegistryBytecode,
  recordsBytecode,
  testTokenAbi,
  testTokenBytecode
} from './abi.ts'
import { shortText } from './errors.ts'
import { parseProfile } from './profile.ts'
import { createTransactionQueue, DEV_TIMING, PUBLIC_TIMING } from './queue.ts'
import { createRpc, type Rpc } from './rpc.ts'
import type { TransactionQueue } from './transactions.ts'
import { signerOf } from './wallet.ts'

export interface DeployInit {
  rpcUrl: string
  /** Key of the account that pays for the deployment. On a dev chain it becomes the owner of the test token. */
  privateKey: Hex
  /** Name of the network. */
  name: string
  /** Deploys a test token, and marks the profile as one of a local chain. @default false */
  dev?: boolean
  /** @default 0 on dev chains, 2 otherwise */
  confirmations?: number
  /** @default 'legacy' when the chain has no base fee, else 'eip1559' */
  fees?: FeeStyle
  /** Existing ERC-20 with EIP-3009, such as USDC; needed unless `dev`. */
  token?: Address
  /** Existing escrow with the interface of ours, such as the public one. @default a new one */
  escrow?: Address
  /** Further URLs of the same chain, for the profile. */
  rpcUrls?: string[]
  /** Multiaddrs for the profile. @default [] */
  bootstrap?: string[]
  logger: Logger
}

export async function deploy(init: DeployInit, options?: AbortOptions): Promise<NetworkProfile> {
  const { rpcUrl, logger } = init
  const dev = init.dev === true
  if (!dev && init.token === undefined) {
    throw new DdmError(
      'usage',
      'name the token in which this network pays (--token ADDRESS); only dev chains get a test token'
    )
  }
  const rpc = createRpc({ urls: [rpcUrl], logger })
  const chainId = Number(await rpc.request<Hex>('eth_chainId', [], options))
  const fees = init.fees ?? (await feeStyle(rpc, options))
  const queue = createTransactionQueue({
    rpc,
    chainId,
    signer: signerOf(init.privateKey),
    confirmations: 0,
    fees,
    timing: dev ? DEV_TIMING : PUBLIC_TIMING,
    logger
  })
  try {
    const genesis = await rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['0x0', false], options)
    const registry = await create(queue, 'ListingRegistry', listingRegistryBytecode, options)
    const escrow = init.escrow ?? (await create(queue, 'ChannelEscrow', channelEscrowBytecode, options))
    const escrowCode = await rpc.request<Hex>('eth_getCode', [escrow, 'latest'], options)
    if (escrowCode === '0x') throw new DdmError('usage', `there is no escrow contract at ${escrow}`)
    const owner = encodeAbiParameters([{ type: 'address' }], [escrow])
    const eip3009Collector = await create(queue, 'Eip3009Collector', concat([eip3009CollectorBytecode, owner]), options)
    const allowanceCollector = await create(
      queue,
      'AllowanceCollector',
      concat([allowanceCollectorBytecode, owner]),
      options
    )
    const records = await create(queue, 'Records', recordsBytecode, options)
    const token = init.token ?? (await create(queue, 'TestToken', testTokenBytecode, options))
    return parseProfile({
      v: 1,
      name: init.name,
      chain: {
        id: chainId,
        genesisHash: genesis.hash,
        rpcUrls: [rpcUrl, ...(init.rpcUrls ?? [])],
        confirmations: init.confirmations ?? (dev ? 0 : 2),
        ...(fees === 'legacy' && { fees }),
        ...(dev && { dev })
      },
      contracts: {
        registry,
        escrow,
        escrowCodeHash: keccak256(escrowCode),
        eip3009Collector,
        allowanceCollector,
        records
      },
      tokens: [await describeToken(rpc, token, options)],
      bootstrap: init.bootstrap ?? []
    })
  } finally {
    await queue.close()
    await rpc.close()
  }
}

async function feeStyle(rpc: Rpc, options?: AbortOptions): Promise<FeeStyle> {
  const latest = await rpc.request<{ baseFeePerGas?: Hex }>('eth_getBlockByNumber', ['latest', false], options)
  return latest.baseFeePerGas === undefined ? 'legacy' : 'eip1559'
}

async function create(queue: TransactionQueue, name: string, data: Hex, options?: AbortOptions): Promise<Address> {
  const mined = await queue.send({ label: `deploying ${name}`, data }, options)
  if (mined.contractAddress === undefined)
    throw new DdmError('chain', `deploying ${name}: ${mined.hash} made no contract`)
  return mined.contractAddress
}

/** What a profile says of a token comes from the token. `version` is EIP-712's; tokens without one mean "1". */
async function describeToken(rpc: Rpc, address: Address, options?: AbortOptions): Promise<NetworkToken> {
  async function read<T extends 'symbol' | 'name' | 'version' | 'decimals'>(functionName: T): Promise<unknown> {
    const data = encodeFunctionData({ abi: testTokenAbi, functionName: functionName as 'symbol' })
    const result = await rpc.request<Hex>('eth_call', [{ to: address, data }, 'latest'], options)
    return decodeFunctionResult({ abi: testTokenAbi, functionName, data: result } as never)
  }
  try {
    const [symbol, name, decimals] = await Promise.all([read('symbol'), read('name'), read('decimals')])
    const version = await read('version').catch((error: unknown) => {
      if (error instanceof DdmError) throw error
      return '1'
    })
    return { address, symbol: String(symbol), name: String(name), decimals: Number(decimals), version: String(version) }
  } catch (cause) {
    if (cause instanceof DdmError) throw cause
    throw new DdmError('usage', `${address} does not answer as an ERC-20 token: ${shortText(cause)}`, { cause })
  }
}

import { type Hex, keccak256 } from 'viem'
import type {
  AbortOptions,
  Address,
  ChannelChain,
  EventLedger,
  LedgerMove,
  Logger,
  NetworkProfile,
  RegistryChain
} from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { createChannelMoves } from './channel-moves.ts'
import { createChannelChain, readTokenBalance } from './channels.ts'
import { type FundAmounts, fund } from './dev.ts'
import { createHeadWatcher } from './heads.ts'
import { defaultToken } from './profile.ts'
import { createTransactionQueue, DEV_TIMING, PUBLIC_TIMING } from './queue.ts'
import { createEventLedger } from './records.ts'
import { createRegistryChain } from './registry.ts'
import { createRpc, type Rpc, shownUrl } from './rpc.ts'
import type { TransactionQueue } from './transactions.ts'
import { type ChainWallet, openWallet } from './wallet.ts'

const DEV_POLL_MS = 250
const PUBLIC_POLL_MS = 4000

export interface ChainInit {
  profile: NetworkProfile
  /** Without one the chain is only read. */
  wallet?: ChainWallet
  logger: Logger
  /** Milliseconds per RPC request. @default 10000 */
  fetchTimeout?: number
}

/** A chain that has proven to be the one that the profile names. */
export interface Chain {
  readonly registry: RegistryChain
  /** undefined without a wallet. */
  readonly channels: ChannelChain | undefined
  /** What moved money into and out of a channel since a time (Unix ms), oldest first. */
  readonly channelMoves: (channelId: Hex, since: number, options?: AbortOptions) => Promise<LedgerMove[]>
  /** undefined when the profile names no contract for it. */
  readonly records: EventLedger | undefined
  /** The one queue through which the wallet sends; undefined without a wallet. */
  readonly transactions: TransactionQueue | undefined
  /** Wei. */
  nativeBalance: (owner: Address, options?: AbortOptions) => Promise<bigint>
  /** Atomic units of the profile's first token. */
  tokenBalance: (owner: Address, options?: AbortOptions) => Promise<bigint>
  /** Gives free coins and test tokens; undefined except on dev chains. */
  readonly faucet: ((owner: Address, amounts: FundAmounts, options?: AbortOptions) => Promise<void>) | undefined
  close: () => Promise<void>
}

export async function connect(init: ChainInit, options?: AbortOptions): Promise<Chain> {
  const { profile, logger } = init
  const { id, genesisHash, rpcUrls, confirmations, fees, dev } = profile.chain
  const signer = init.wallet === undefined ? undefined : openWallet(init.wallet)
  const rpc = createRpc({
    urls: rpcUrls,
    expected: { id, genesisHash },
    logger,
    ...(init.fetchTimeout !== undefined && { timeout: init.fetchTimeout })
  })
  try {
    await checkContracts(rpc, profile, options)
  } catch (error) {
    await rpc.close()
    throw error
  }
  const heads = createHeadWatcher(rpc, dev === true ? DEV_POLL_MS : PUBLIC_POLL_MS, logger)
  const transactions =
    signer &&
    createTransactionQueue({
      rpc,
      chainId: id,
      signer,
      confirmations,
      fees,
      timing: dev === true ? DEV_TIMING : PUBLIC_TIMING,
      logger
    })
  return {
    registry: createRegistryChain({ profile, rpc, heads, queue: transactions }),
    channels: transactions && createChannelChain({ profile, rpc, queue: transactions }),
    channelMoves: createChannelMoves({ profile, rpc }),
    records: createEventLedger({ profile, rpc, queue: transactions }),
    transactions,
    nativeBalance: async (owner, options) =>
      BigInt(await rpc.request<Hex>('eth_getBalance', [owner, 'latest'], options)),
    tokenBalance: (owner, options) => readTokenBalance(rpc, defaultToken(profile).address, owner, options),
    faucet: dev === true ? (owner, amounts, options) => fund(rpc, profile, owner, amounts, options) : undefined,
    close: async () => {
      await Promise.all([heads.close(), transactions?.close()])
      await rpc.close()
    }
  }
}

/** Chain ID and genesis are checked by every URL's first request; what is left is whether our contracts are there. */
async function checkContracts(rpc: Rpc, profile: NetworkProfile, options?: AbortOptions): Promise<void> {
  const { registry, escrow, escrowCodeHash, records } = profile.contracts
  const codeAt = (address: Address): Promise<Hex> => rpc.request<Hex>('eth_getCode', [address, 'latest'], options)
  const [registryCode, escrowCode, recordsCode] = await Promise.all([
    codeAt(registry),
    codeAt(escrow),
    records === undefined ? undefined : codeAt(records)
  ])
  const at = profile.chain.rpcUrls.map(shownUrl).join(', ')
  for (const [name, address, code] of [
    ['registry', registry, registryCode],
    ['records contract', records, recordsCode]
  ] as const) {
    if (code !== '0x') continue
    throw new DdmError(
      'networkMismatch',
      `the network profile names the ${name} ${address}, but there is no contract at that address on ${at}`,
      { details: { expected: String(address), actual: 'no code' } }
    )
  }
  const actual = escrowCode === '0x' ? 'no code' : keccak256(escrowCode)
  if (actual !== escrowCodeHash) {
    throw new DdmError(
      'networkMismatch',
      `the escrow ${escrow} on ${at} has code hash ${actual}, the network profile says ${escrowCodeHash}. ` +
        'Do not deposit there; get the current profile from who runs the network',
      { details: { expected: escrowCodeHash, actual } }
    )
  }
}

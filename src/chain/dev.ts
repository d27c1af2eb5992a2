import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeFunctionData, type Hex, numberToHex } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import type { AbortOptions, Address, Logger, NetworkProfile } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { testTokenAbi } from './abi.ts'
import { aborted, errorText, refusal, revertOf, shortText } from './errors.ts'
import { defaultToken } from './profile.ts'
import { createRpc, type Rpc } from './rpc.ts'

/** Known to everybody: it is printed by every anvil and hardhat node. Worth nothing outside a local chain. */
const DEV_MNEMONIC = 'test test test test test test test test test test test junk'
const RECEIPT_POLL_MS = 20

export interface FundAmounts {
  /** Wei. */
  native?: bigint
  /** Atomic units of the profile's first token. */
  token?: bigint
}

export interface DevAccount {
  address: Address
  privateKey: Hex
}

/** The funded accounts of a local chain; the first deploys the contracts and owns the test token. */
export function deriveDevAccounts(count: number): DevAccount[] {
  return Array.from({ length: count }, (_, addressIndex) => {
    const account = mnemonicToAccount(DEV_MNEMONIC, { addressIndex })
    const key = account.getHdKey().privateKey
    if (key === null) throw new DdmError('internal', 'a mnemonic gives private keys')
    return { address: account.address.toLowerCase() as Address, privateKey: `0x${Buffer.from(key).toString('hex')}` }
  })
}

/**
 * The node itself signs for its dev accounts and gives the nonces, so that several processes can ask at the same time.
 */
export async function fund(
  rpc: Rpc,
  profile: NetworkProfile,
  owner: Address,
  amounts: FundAmounts,
  options?: AbortOptions
): Promise<void> {
  if (profile.chain.dev !== true) {
    throw new DdmError('config', `${profile.name} is no dev chain: nobody gives coins away there`)
  }
  const transactions: Array<{ from: Address | undefined; to: Address; data?: Hex; value?: Hex }> = []
  const token = defaultToken(profile).address
  if ((amounts.native ?? 0n) > 0n) {
    const [from] = await rpc.request<Address[]>('eth_accounts', [], options)
    transactions.push({ from, to: owner, value: numberToHex(amounts.native ?? 0n) })
  }
  if ((amounts.token ?? 0n) > 0n) {
    const data = encodeFunctionData({ abi: testTokenAbi, functionName: 'owner' })
    const minter = await rpc.request<Hex>('eth_call', [{ to: token, data }, 'latest'], options)
    const mint = encodeFunctionData({ abi: testTokenAbi, functionName: 'mint', args: [owner, amounts.token ?? 0n] })
    transactions.push({ from: `0x${minter.slice(-40)}`, to: token, data: mint })
  }
  for (const transaction of transactions) {
    // With the same nonce, equal requests of two processes would be one transaction; nobody reads what follows the call.
    const data = `${transaction.data ?? '0x'}${randomBytes(8).toString('hex')}`
    await sendUnlocked(rpc, { ...transaction, data }, options)
  }
}

async function sendUnlocked(rpc: Rpc, transaction: Record<string, unknown>, options?: AbortOptions): Promise<void> {
  let hash: Hex | undefined
  for (;;) {
    hash ??= await trySend(rpc, transaction, options)
    const receipt = hash && (await rpc.request<{ status: Hex } | null>('eth_getTransactionReceipt', [hash], options))
    if (receipt?.status === '0x1') return
    if (receipt) throw new DdmError('chain', `funding a dev account: transaction ${hash} reverted`)
    // Another process's transaction may have taken its place.
    if (hash && (await rpc.request<unknown>('eth_getTransactionByHash', [hash], options)) === null) hash = undefined
    await sleep(RECEIPT_POLL_MS * (1 + Math.random()), undefined, options).catch((error: unknown) => {
      throw aborted('funding a dev account', error)
    })
  }
}

/** undefined when the node gave the nonce to two requests of the same moment: then it is asked again. */
async function trySend(
  rpc: Rpc,
  transaction: Record<string, unknown>,
  options?: AbortOptions
): Promise<Hex | undefined> {
  try {
    return await rpc.request<Hex>('eth_sendTransaction', [transaction], options)
  } catch (error) {
    if (error instanceof DdmError) throw error
    const revert = revertOf(error)
    if (revert !== undefined) throw refusal('funding a dev account', revert, {}, error)
    if (/nonce|underpriced|already imported/i.test(errorText(error))) return undefined
    throw new DdmError('chain', `funding a dev account: the node refused: ${shortText(error)}`, { cause: error })
  }
}

export interface FundDevAccountInit extends FundAmounts {
  profile: NetworkProfile
  address: Address
  logger: Logger
}

export async function fundOnce(init: FundDevAccountInit, options?: AbortOptions): Promise<void> {
  const { profile, address, logger } = init
  const { id, genesisHash, rpcUrls } = profile.chain
  const rpc = createRpc({ urls: rpcUrls, expected: { id, genesisHash }, logger })
  try {
    await fund(rpc, profile, address, init, options)
  } finally {
    await rpc.close()
  }
}

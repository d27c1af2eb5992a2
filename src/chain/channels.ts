import { encodeEventTopics, encodeFunctionData, type Hex, numberToHex } from 'viem'
import type {
  AbortOptions,
  Address,
  ChannelChain,
  ChannelState,
  NetworkProfile,
  VoucherClaim
} from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { channelEscrowAbi, testTokenAbi } from './abi.ts'
import { revertOf } from './errors.ts'
import { defaultToken } from './profile.ts'
import type { Rpc } from './rpc.ts'
import type { TransactionQueue } from './transactions.ts'

/** The escrow's shortest delay (15 minutes): what a withdrawal waits at least when its event cannot be found. */
const MIN_WITHDRAW_DELAY_S = 900n

export interface ChannelChainInit {
  profile: NetworkProfile
  rpc: Rpc
  queue: TransactionQueue
}

type View = 'channels' | 'pendingWithdrawals' | 'receivers'

export function createChannelChain({ profile, rpc, queue }: ChannelChainInit): ChannelChain {
  const { escrow, eip3009Collector, allowanceCollector } = profile.contracts
  const token = defaultToken(profile)
  const confirmations = BigInt(profile.chain.confirmations)
  const withdrawals = new Map<string, bigint>()

  /** The two words that each of these views returns; zeros when the escrow did not exist yet at that block. */
  async function pair(view: View, args: Hex[], at: Hex, options?: AbortOptions): Promise<[bigint, bigint]> {
    const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: view, args: args as never })
    const result = await rpc.request<Hex>('eth_call', [{ to: escrow, data }, at], options)
    if (result === '0x') return [0n, 0n]
    return [BigInt(result.slice(0, 66)), BigInt(`0x${result.slice(66, 130)}`)]
  }

  async function stateAt(channelId: Hex, at: bigint, options?: AbortOptions) {
    const block = numberToHex(at)
    const [[balance, totalClaimed], [pendingWithdrawal, initiatedAt]] = await Promise.all([
      pair('channels', [channelId], block, options),
      pair('pendingWithdrawals', [channelId], block, options)
    ])
    return { balance, totalClaimed, pendingWithdrawal, initiatedAt }
  }

  async function channel(channelId: Hex, options?: AbortOptions): Promise<ChannelState> {
    const head = BigInt(await rpc.request<Hex>('eth_blockNumber', [], options))
    const newest = await stateAt(channelId, head, options)
    const depth = head > confirmations ? head - confirmations : 0n
    const confirmed = confirmations === 0n ? newest : await stateAt(channelId, depth, options)
    // Money counts once it is confirmed; money that is leaving counts as gone from the first block that says so.
    const { pendingWithdrawal, initiatedAt } = newest.initiatedAt > 0n ? newest : confirmed
    return {
      balance: newest.balance < confirmed.balance ? newest.balance : confirmed.balance,
      totalClaimed: confirmed.totalClaimed,
      pendingWithdrawal,
      finalizeAfter: initiatedAt === 0n ? 0n : await finalizeAfter(channelId, initiatedAt, head, options)
    }
  }

  /** The contract keeps when a withdrawal began, its event when it may end; the delay is in neither's storage. */
  async function finalizeAfter(channelId: Hex, initiatedAt: bigint, head: bigint, options?: AbortOptions) {
    const key = `${channelId} ${initiatedAt}`
    const known = withdrawals.get(key)
    if (known !== undefined) return known
    const block = await firstBlockAt(initiatedAt, head, options)
    const topics = encodeEventTopics({ abi: channelEscrowAbi, eventName: 'WithdrawInitiated', args: { channelId } })
    // Several blocks of a dev chain may share a second.
    const last = await firstBlockAt(initiatedAt + 1n, head, options)
    const logs = await rpc.request<Array<{ data: Hex }>>(
      'eth_getLogs',
      [{ address: escrow, topics, fromBlock: numberToHex(block), toBlock: numberToHex(last) }],
      options
    )
    const data = logs.at(-1)?.data
    if (data === undefined) return initiatedAt + MIN_WITHDRAW_DELAY_S
    const at = BigInt(`0x${data.slice(66, 130)}`)
    withdrawals.set(key, at)
    return at
  }

  /** First block whose time is ≥ `time`, or the head. */
  async function firstBlockAt(time: bigint, head: bigint, options?: AbortOptions): Promise<bigint> {
    let low = 0n
    let high = head
    while (low < high) {
      const middle = (low + high) / 2n
      const block = await rpc.request<{ timestamp: Hex } | null>(
        'eth_getBlockByNumber',
        [numberToHex(middle), false],
        options
      )
      if (block !== null && BigInt(block.timestamp) >= time) high = middle
      else low = middle + 1n
    }
    return low
  }

  function claimData(claims: VoucherClaim[]): Hex {
    const rows = claims.map(({ config, voucher, totalClaimed }) => ({
      voucher: { channel: config, maxClaimableAmount: voucher.maxClaimableAmount },
      signature: voucher.signature,
      totalClaimed
    }))
    return encodeFunctionData({ abi: channelEscrowAbi, functionName: 'claim', args: [rows] })
  }

  return {
    chainId: profile.chain.id,
    escrow,
    token: { address: token.address, name: token.name, version: token.version, decimals: token.decimals },
    eip3009Collector,
    account: queue.account,
    channel,
    tokenBalance: (owner, options) => readTokenBalance(rpc, token.address, owner, options),
    deposit: async (config, { amount, collector, data }, options) => {
      const chosen = collector.toLowerCase() as Address
      if (chosen !== eip3009Collector && chosen !== allowanceCollector) {
        throw new DdmError('refused', `the deposit names collector ${chosen}, which is none of this network's`, {
          details: { collector: chosen, eip3009Collector, allowanceCollector }
        })
      }
      const call = encodeFunctionData({
        abi: channelEscrowAbi,
        functionName: 'deposit',
        args: [config, amount, chosen, data]
      })
      return (await queue.send({ label: 'depositing into a channel', to: escrow, data: call }, options)).hash
    },
    simulateClaim: async (claims, options) => {
      try {
        await rpc.request<Hex>(
          'eth_call',
          [{ from: queue.account, to: escrow, data: claimData(claims) }, 'latest'],
          options
        )
        return undefined
      } catch (error) {
        const revert = revertOf(error)
        if (revert === undefined) throw error
        return revert.text
      }
    },
    claim: async (claims, options) => {
      const label = `claiming ${claims.length} ${claims.length === 1 ? 'voucher' : 'vouchers'}`
      return (await queue.send({ label, to: escrow, data: claimData(claims) }, options)).hash
    },
    settle: async (receiver, asset, options) => {
      const [claimed, settled] = await pair('receivers', [receiver, asset], 'latest' as Hex, options)
      if (claimed === settled) return undefined
      const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'settle', args: [receiver, asset] })
      return (await queue.send({ label: 'paying out what was claimed', to: escrow, data }, options)).hash
    },
    timestamp: async (options) => {
      const block = await rpc.request<{ timestamp: Hex }>('eth_getBlockByNumber', ['latest', false], options)
      return BigInt(block.timestamp)
    }
  }
}

/** Atomic units of an ERC-20 that an account holds, as of the latest block. */
export async function readTokenBalance(
  rpc: Rpc,
  token: Address,
  owner: Address,
  options?: AbortOptions
): Promise<bigint> {
  const data = encodeFunctionData({ abi: testTokenAbi, functionName: 'balanceOf', args: [owner] })
  const result = await rpc.request<Hex>('eth_call', [{ to: token, data }, 'latest'], options)
  if (result === '0x') throw new DdmError('networkMismatch', `there is no token at ${token} on this chain`)
  return BigInt(result)
}

import { decodeFunctionResult, encodeEventTopics, encodeFunctionData, type Hex, numberToHex } from 'viem'
import type {
  AbortOptions,
  Address,
  ChannelChain,
  ChannelConfig,
  ChannelState,
  NetworkProfile,
  VoucherClaim
} from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import { channelEscrowAbi, testTokenAbi } from './abi.ts'
import { firstBlockAt } from './block-at.ts'
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

/** Channels that one request reads: two views each, some 5,000 gas of the 50 million that nodes allow a call. */
const STATES_AT_ONCE = 250

interface RawState {
  balance: bigint
  totalClaimed: bigint
  pendingWithdrawal: bigint
  initiatedAt: bigint
}

export function createChannelChain({ profile, rpc, queue }: ChannelChainInit): ChannelChain {
  const { escrow, eip3009Collector, allowanceCollector } = profile.contracts
  const token = defaultToken(profile)
  const confirmations = BigInt(profile.chain.confirmations)
  const withdrawals = new Map<string, bigint>()

  const confirmedAt = (head: bigint): bigint => (head > confirmations ? head - confirmations : 0n)

  /** Both views of each channel in one call; zeros when the escrow did not exist yet at that block. */
  async function statesAt(channelIds: readonly Hex[], at: bigint, options?: AbortOptions): Promise<RawState[]> {
    const calls = channelIds.flatMap((channelId) => [
      encodeFunctionData({ abi: channelEscrowAbi, functionName: 'channels', args: [channelId] }),
      encodeFunctionData({ abi: channelEscrowAbi, functionName: 'pendingWithdrawals', args: [channelId] })
    ])
    const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'multicall', args: [calls] })
    const result = await rpc.request<Hex>('eth_call', [{ to: escrow, data }, numberToHex(at)], options)
    const views =
      result === '0x' ? [] : decodeFunctionResult({ abi: channelEscrowAbi, functionName: 'multicall', data: result })
    return channelIds.map((_, index) => {
      const [balance, totalClaimed] = words(views[2 * index])
      const [pendingWithdrawal, initiatedAt] = words(views[2 * index + 1])
      return { balance, totalClaimed, pendingWithdrawal, initiatedAt }
    })
  }

  async function rawStates(channelIds: readonly Hex[], options?: AbortOptions) {
    const head = BigInt(await rpc.request<Hex>('eth_blockNumber', [], options))
    const newest = await statesAt(channelIds, head, options)
    const confirmed = confirmations === 0n ? newest : await statesAt(channelIds, confirmedAt(head), options)
    const states = newest.map((now, index) => merge(now, confirmed[index] as RawState))
    return { head, states }
  }

  async function channel(channelId: Hex, options?: AbortOptions): Promise<ChannelState> {
    const { head, states } = await rawStates([channelId], options)
    const [{ initiatedAt, ...state }] = states as [(typeof states)[0]]
    return {
      ...state,
      finalizeAfter: initiatedAt === 0n ? 0n : await finalizeAfter(channelId, initiatedAt, head, options)
    }
  }

  async function channelStates(
    channels: Parameters<ChannelChain['channelStates']>[0],
    options?: AbortOptions
  ): Promise<ChannelState[]> {
    const all: ChannelState[] = []
    for (let at = 0; at < channels.length; at += STATES_AT_ONCE) {
      const some = channels.slice(at, at + STATES_AT_ONCE)
      const { states } = await rawStates(
        some.map(({ channelId }) => channelId),
        options
      )
      for (const [index, { initiatedAt, ...state }] of states.entries()) {
        const delay = BigInt(some[index]?.config.withdrawDelay ?? 0)
        all.push({ ...state, finalizeAfter: initiatedAt === 0n ? 0n : initiatedAt + delay })
      }
    }
    return all
  }

  /** The contract keeps when a withdrawal began, its event when it may end; the delay is in neither's storage. */
  async function finalizeAfter(channelId: Hex, initiatedAt: bigint, head: bigint, options?: AbortOptions) {
    const key = `${channelId} ${initiatedAt}`
    const known = withdrawals.get(key)
    if (known !== undefined) return known
    const block = await firstBlockAt(rpc, initiatedAt, head, options)
    const topics = encodeEventTopics({ abi: channelEscrowAbi, eventName: 'WithdrawInitiated', args: { channelId } })
    // Several blocks of a dev chain may share a second.
    const last = await firstBlockAt(rpc, initiatedAt + 1n, head, options)
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
    channelStates,
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
      // Claims and refunds come first: strangers may order as many deposits as they like.
      const request = {
        label: 'depositing into a channel',
        to: escrow,
        data: call,
        maxGas: options?.maxGas,
        yields: true
      }
      return (await queue.send(request, options)).hash
    },
    isAuthorizationUsed: async (owner, nonce, options) => {
      const args = [owner, nonce] as const
      const data = encodeFunctionData({ abi: testTokenAbi, functionName: 'authorizationState', args })
      const head = BigInt(await rpc.request<Hex>('eth_blockNumber', [], options))
      const at = numberToHex(confirmedAt(head))
      const used = await rpc.request<Hex>('eth_call', [{ to: token.address, data }, at], options)
      // Nothing when the token did not exist yet at that block.
      return used !== '0x' && BigInt(used) === 1n
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
      const args = [receiver, asset] as const
      const view = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'receivers', args })
      const [claimed, settled] = words(
        await rpc.request<Hex>('eth_call', [{ to: escrow, data: view }, 'latest'], options)
      )
      if (claimed === settled) return undefined
      const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'settle', args: [receiver, asset] })
      return (await queue.send({ label: 'paying out what was claimed', to: escrow, data }, options)).hash
    },
    refundNonce: async (channelId, options) => {
      const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'refundNonce', args: [channelId] })
      return BigInt(await rpc.request<Hex>('eth_call', [{ to: escrow, data }, 'latest'], options))
    },
    refund: async (config, { amount, nonce, signature }, options) => {
      const args = [config, amount, nonce, signature] as const
      const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'refundWithSignature', args })
      return (await queue.send({ label: 'refunding a deposit', to: escrow, data }, options)).hash
    },
    initiateWithdraw: async (config, amount, options) => {
      const args = [config, amount] as const
      const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'initiateWithdraw', args })
      return (await queue.send({ label: 'asking a deposit back', to: escrow, data }, options)).hash
    },
    finalizeWithdraw: async (config: ChannelConfig, options) => {
      const data = encodeFunctionData({ abi: channelEscrowAbi, functionName: 'finalizeWithdraw', args: [config] })
      return (await queue.send({ label: 'taking a deposit back', to: escrow, data }, options)).hash
    },
    gasPrice: async (options) => BigInt(await rpc.request<Hex>('eth_gasPrice', [], options)),
    timestamp: async (options) => {
      const block = await rpc.request<{ timestamp: Hex }>('eth_getBlockByNumber', ['latest', false], options)
      return BigInt(block.timestamp)
    }
  }
}

/** Money counts once it is confirmed; money that is leaving counts as gone from the first block that says so. */
function merge(newest: RawState, confirmed: RawState): RawState & { unconfirmed: bigint } {
  const { pendingWithdrawal, initiatedAt } = newest.initiatedAt > 0n ? newest : confirmed
  const more = newest.balance > confirmed.balance
  return {
    balance: more ? confirmed.balance : newest.balance,
    unconfirmed: more ? newest.balance - confirmed.balance : 0n,
    totalClaimed: confirmed.totalClaimed,
    pendingWithdrawal,
    initiatedAt
  }
}

/** The two words that each view of a channel returns. */
function words(result: Hex | undefined): [bigint, bigint] {
  if (result === undefined || result === '0x') return [0n, 0n]
  return [BigInt(result.slice(0, 66)), BigInt(`0x${result.slice(66, 130)}`)]
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

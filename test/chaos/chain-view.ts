import { createPublicClient, createTestClient, erc20Abi, http, parseAbi } from 'viem'
import { channelEscrowAbi } from '../../src/chain/abi.ts'
import type { Address, Hex, NetworkProfile } from '../../src/interface/index.ts'

/** What the chain says, read past the code under test. */
export interface ChainView {
  channel: (id: Hex) => Promise<{ balance: bigint; claimed: bigint }>
  /** What the buyer got back of a channel since it was last paid into. */
  returned: (id: Hex) => Promise<bigint>
  tokens: (owner: Address) => Promise<bigint>
  /** Makes so many seconds pass. */
  pass: (seconds: number) => Promise<void>
}

const EVENTS = parseAbi([
  'event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance)',
  'event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount)',
  'event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount)'
])

export function viewChain(profile: NetworkProfile): ChainView {
  const transport = http(profile.chain.rpcUrls[0])
  const client = createPublicClient({ transport })
  const clock = createTestClient({ mode: 'anvil', transport })
  const token = profile.tokens[0]?.address as Address
  return {
    channel: async (id) => {
      const [balance, claimed] = await client.readContract({
        address: profile.contracts.escrow,
        abi: channelEscrowAbi,
        functionName: 'channels',
        args: [id]
      })
      return { balance, claimed }
    },
    returned: async (id) => {
      const { escrow: address } = profile.contracts
      const logs = await client.getLogs({ address, events: EVENTS, fromBlock: 0n, strict: true })
      const events = logs.filter(({ args }) => args.channelId === id)
      const paidIn = events.findLastIndex(({ eventName }) => eventName === 'Deposited')
      return events.slice(paidIn + 1).reduce((sum, { args }) => sum + args.amount, 0n)
    },
    pass: async (seconds) => {
      await clock.increaseTime({ seconds })
      await clock.mine({ blocks: 1 })
    },
    tokens: (owner) => client.readContract({ address: token, abi: erc20Abi, functionName: 'balanceOf', args: [owner] })
  }
}

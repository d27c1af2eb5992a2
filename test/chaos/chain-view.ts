import { createPublicClient, erc20Abi, http } from 'viem'
import { channelEscrowAbi } from '../../src/chain/abi.ts'
import type { Address, Hex, NetworkProfile } from '../../src/interface/index.ts'

/** What the chain says, read past the code under test. */
export interface ChainView {
  channel: (id: Hex) => Promise<{ balance: bigint; claimed: bigint }>
  tokens: (owner: Address) => Promise<bigint>
}

export function viewChain(profile: NetworkProfile): ChainView {
  const client = createPublicClient({ transport: http(profile.chain.rpcUrls[0]) })
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
    tokens: (owner) => client.readContract({ address: token, abi: erc20Abi, functionName: 'balanceOf', args: [owner] })
  }
}

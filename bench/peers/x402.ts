import { createPublicClient, createWalletClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { testTokenAbi } from '../../src/chain/abi.ts'
import type { Hex, NetworkProfile } from '../../src/interface/index.ts'
import { devAccounts } from '../../src/node/index.ts'
import { startPeer } from '../child.ts'
import type { Contender } from '../peers.ts'

/** Atomic units for each request. */
const PRICE = 100n

/**
 * HTTP requests that are paid one by one with the scheme `exact`: the seller's server, its facilitator and the buyer are those
 * of npm `@x402/*`; each payment is settled on the same local chain, and the balances must say so.
 */
export async function x402Rounds(
  profile: NetworkProfile,
  requests: number,
  closers: Array<() => unknown>
): Promise<Contender[]> {
  const [deployer, buyer, seller, relayer] = await devAccounts(4)
  const [token] = profile.tokens
  const [rpcUrl] = profile.chain.rpcUrls
  if (deployer === undefined || buyer === undefined || seller === undefined || relayer === undefined) return []
  if (token === undefined || rpcUrl === undefined) return []
  const transport = http(rpcUrl)
  const reader = createPublicClient({ chain: foundry, transport, pollingInterval: 20 })
  const accounts = { buyer: privateKeyToAccount(buyer.privateKey), seller: privateKeyToAccount(seller.privateKey) }
  const writer = createWalletClient({ chain: foundry, transport, account: privateKeyToAccount(deployer.privateKey) })
  const asset = token.address
  const hash = await writer.writeContract({
    address: asset,
    abi: testTokenAbi,
    functionName: 'mint',
    args: [accounts.buyer.address, 10n ** 9n]
  })
  await reader.waitForTransactionReceipt({ hash })

  const server = startPeer('./peers/x402-peer.ts')
  const client = startPeer('./peers/x402-peer.ts')
  closers.push(
    () => client.stop(),
    () => server.stop()
  )
  const terms = {
    rpcUrl,
    asset,
    name: token.name,
    version: token.version,
    payTo: accounts.seller.address,
    price: `${PRICE}`
  }
  const { port } = await server.ask<{ port: number }>({ type: 'serve', ...terms, relayerKey: relayer.privateKey })
  await client.ask({ type: 'connect', port, buyerKey: buyer.privateKey })
  const balance = (owner: Hex) =>
    reader.readContract({ address: asset, abi: testTokenAbi, functionName: 'balanceOf', args: [owner] })

  return [1, 8].map(
    (inFlight): Contender => ({
      name: inFlight === 1 ? 'x402 exact, one by one' : `x402 exact, ${inFlight} at a time`,
      paid: 'every record',
      records: requests,
      round: async (records) => {
        const before = await balance(accounts.seller.address)
        const perSecond = await client.ask<number>({ type: 'buy', records, inFlight })
        const moved = (await balance(accounts.seller.address)) - before
        if (moved !== PRICE * BigInt(records))
          throw new Error(`x402: ${moved} moved for ${records} requests at ${PRICE}`)
        return perSecond
      }
    })
  )
}

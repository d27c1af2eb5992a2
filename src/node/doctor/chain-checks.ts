import { type Chain, connectChain, defaultToken } from '../../chain/index.ts'
import { type AbortOptions, formatUnits, type Logger, type NetworkProfile } from '../../interface/index.ts'
import type { HomePaths } from '../home.ts'
import { readPublicPart } from '../keys/key-file.ts'
import { type Finding, fail, failedWith, ok, warn } from './finding.ts'

const SLOW_RPC_MS = 2_000
/** Offers, deposits and time-outs are judged by the clock: docs/specs/sdpp.md allows 30 s between two machines. */
const MAX_SKEW_S = 30
/** A public chain that has made no block for so long stands still, or the node behind the URL does. */
const MAX_BLOCK_AGE_S = 15 * 60

/** RPC, chain ID, genesis and contract code: connecting checks all of them. */
export async function checkRpc(
  profile: NetworkProfile,
  logger: Logger,
  options?: AbortOptions
): Promise<{ finding: Finding; chain?: Chain }> {
  const startedAt = performance.now()
  try {
    const chain = await connectChain({ profile, logger }, options)
    const ms = Math.round(performance.now() - startedAt)
    const found = `chain ${profile.chain.id}, genesis and contracts are those of "${profile.name}"; answered in ${ms} ms`
    const finding =
      ms > SLOW_RPC_MS
        ? warn('rpc', found, 'name a faster RPC with the setting "rpc": deposits and claims wait for it')
        : ok('rpc', found)
    return { finding, chain }
  } catch (error) {
    return { finding: failedWith('rpc', error) }
  }
}

/**
 * Compares the clock with the newest block's time: the future cannot have happened.
 *
 * @param now - Unix ms
 */
export async function checkClock(
  chain: Pick<Chain, 'registry'>,
  profile: NetworkProfile,
  { now = Date.now, ...options }: AbortOptions & { now?: () => number } = {}
): Promise<Finding> {
  const { number, timestamp } = await chain.registry.head(options)
  const age = Math.floor(now() / 1000) - Number(timestamp)
  if (age < -MAX_SKEW_S) {
    return fail(
      'clock',
      'config',
      `block ${number} is ${-age} s in the future of this clock`,
      'set the clock (NTP): what it signs would have expired for others'
    )
  }
  if (age > MAX_BLOCK_AGE_S && profile.chain.dev !== true) {
    return warn(
      'clock',
      `block ${number} is ${age} s old`,
      'either this clock is ahead, or the RPC stands still: compare with another'
    )
  }
  return ok('clock', `block ${number} is ${Math.max(0, age)} s old by this clock`)
}

/** What the wallet can pay with. */
export async function checkBalance(
  chain: Pick<Chain, 'nativeBalance' | 'tokenBalance'>,
  profile: NetworkProfile,
  paths: HomePaths,
  options?: AbortOptions
): Promise<Finding> {
  const account = await readPublicPart(paths.wallet)
  if (account === undefined)
    return warn('balance', 'there is no wallet yet', 'the first command that starts a node makes one')
  const { symbol, decimals } = defaultToken(profile)
  const owner = account as `0x${string}`
  const [native, token] = await Promise.all([chain.nativeBalance(owner, options), chain.tokenBalance(owner, options)])
  const found = `${account} holds ${formatUnits(token, decimals)} ${symbol} and ${formatUnits(native, 18)} coins for gas`
  if (profile.chain.dev === true) return ok('balance', found)
  if (token === 0n && native === 0n)
    return warn('balance', found, `to buy, send ${symbol} to it; to sell, a few coins for gas`)
  if (token === 0n) return warn('balance', found, `to buy, send ${symbol} to it`)
  if (native === 0n) return warn('balance', found, 'to sell, send a few coins for gas to it')
  return ok('balance', found)
}

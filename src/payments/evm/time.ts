import type { AbortOptions, ChannelChain } from '../../interface/index.ts'

/**
 * What the next block's timestamp will be, in Unix seconds, as far as anybody can tell. Chains that make a block only when
 * somebody sends (IOTA EVM, a local chain) have an old latest block while nobody does.
 *
 * @param now - Unix ms of this machine's clock
 */
export async function nextBlockTime(
  chain: Pick<ChannelChain, 'timestamp'>,
  now: () => number,
  options?: AbortOptions
): Promise<bigint> {
  const latest = await chain.timestamp(options)
  const here = BigInt(Math.floor(now() / 1000))
  return here > latest ? here : latest
}

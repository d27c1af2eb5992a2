/**
 * What the next block's timestamp will be, in Unix seconds, as far as anybody can tell. Chains that make a block only when
 * somebody sends (IOTA EVM, a local chain) have an old latest block while nobody does.
 *
 * @param latest - timestamp of the latest block, Unix seconds
 * @param now - Unix ms of this machine's clock
 */
export function nextBlockTime(latest: bigint, now: number): bigint {
  const here = BigInt(Math.floor(now / 1000))
  return here > latest ? here : latest
}

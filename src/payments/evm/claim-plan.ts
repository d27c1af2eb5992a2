/** When vouchers are presented to the chain by themselves. */
export interface ClaimPolicy {
  /** Atomic units unclaimed over all channels. */
  above: bigint
  /** Seconds after which a voucher is presented if that is worth its gas. */
  interval: number
  /** Seconds after which it is presented anyway: a quarter of the withdraw delay leaves time for further tries. */
  oldAfter: number
  /** Atomic units of the token that one native coin (10¹⁸ wei) is worth; 0: gas is not weighed. */
  nativePrice: bigint
  /** Gas may cost this much of what a claim brings, in percent, while nothing presses. */
  gasPercent: bigint
}

export interface ClaimCandidate {
  /** Atomic units that a claim would bring now. */
  claimable: bigint
  /** Since the oldest of it was paid; infinite for what an earlier run left. */
  ageSeconds: number
  /** The payer has asked its deposit back. */
  withdrawing: boolean
  /** A reorg has undone an earlier claim. */
  orphaned: boolean
}

/** Measured on the local chain: a claim of one voucher 46,705, of fifty 997,569, and the `settle` after it 46,007. */
const ROW_GAS = 20_000n
const BATCH_GAS = 75_000n
/** Measured: 83,176, and a claim before it. */
export const REFUND_GAS = 180_000n

/** Measured: 118,382 for a new channel, 97,564 for one that is there. */
export const DEPOSIT_GAS = 118_382n
/** Twice as much: enough for a contract wallet that checks a signature or two, and all that one can make the relay cost. */
export const MAX_DEPOSIT_GAS = 250_000n

const WEI_PER_COIN = 10n ** 18n

/** What gas costs, in atomic units of the token, rounded up. */
export function gasCost(gas: bigint, gasPrice: bigint, { nativePrice }: Pick<ClaimPolicy, 'nativePrice'>): bigint {
  return (gas * gasPrice * nativePrice + WEI_PER_COIN - 1n) / WEI_PER_COIN
}

/**
 * Pure: which channels to claim now. What presses (a withdrawal, age, a reorg) is claimed as soon as it brings more than
 * it costs; the rest when gas is at most its share of it.
 *
 * @param gasPrice - wei per gas
 */
export function planClaims<T extends ClaimCandidate>(
  channels: readonly T[],
  policy: ClaimPolicy,
  gasPrice: bigint
): T[] {
  const row = gasCost(ROW_GAS, gasPrice, policy)
  const batch = gasCost(BATCH_GAS, gasPrice, policy)
  const isWorth = (brings: bigint, cost: bigint): boolean => brings * policy.gasPercent >= cost * 100n
  const open = channels.filter(({ claimable }) => claimable > 0n)
  const tooMuch = sum(open) > policy.above
  const pressing = open.filter((channel) => presses(channel, policy) && channel.claimable > row)
  const due = open.filter(
    (channel) =>
      !pressing.includes(channel) &&
      (tooMuch || channel.ageSeconds >= policy.interval) &&
      isWorth(channel.claimable, row)
  )
  const all = [...pressing, ...due]
  if (sum(pressing) > batch + row * BigInt(pressing.length)) return all
  return all.length > 0 && isWorth(sum(all), batch + row * BigInt(all.length)) ? all : []
}

function presses({ withdrawing, orphaned, ageSeconds }: ClaimCandidate, { oldAfter }: ClaimPolicy): boolean {
  return withdrawing || orphaned || ageSeconds >= oldAfter
}

function sum(channels: readonly ClaimCandidate[]): bigint {
  return channels.reduce((total, { claimable }) => total + claimable, 0n)
}

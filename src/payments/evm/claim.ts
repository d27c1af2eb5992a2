import {
  type AbortOptions,
  type Address,
  type ChannelChain,
  type ClaimResult,
  DdmError,
  type Logger,
  type VoucherClaim
} from '../../interface/index.ts'
import type { PayeeLane } from './payee-lane.ts'

/** More vouchers do not fit a transaction of a common block gas limit. */
const MAX_BATCH = 200

/** When vouchers are presented to the chain by themselves. */
export interface ClaimPolicy {
  /** Atomic units. */
  above: bigint
  /** Seconds since the oldest unclaimed voucher; a quarter of the withdraw delay leaves time for two more tries. */
  olderThan: bigint
}

/** Pure: whether a channel should be claimed now. */
export function shouldClaim(
  channel: { unclaimed: bigint; ageSeconds: bigint; withdrawing: boolean },
  policy: ClaimPolicy
): boolean {
  if (channel.unclaimed <= 0n) return false
  return channel.withdrawing || channel.unclaimed > policy.above || channel.ageSeconds >= policy.olderThan
}

export interface ClaimComponents {
  chain: ChannelChain
  logger: Logger
  lanes: () => Promise<PayeeLane[]>
}

/**
 * Claims in batches and settles. Each batch is simulated first; a row that the chain would refuse is found by bisection
 * and left out, so that one bad voucher does not hold up the others. Safe to repeat after a crash: the chain's own
 * `totalClaimed` says what is left.
 */
export async function claimChannels(
  { chain, logger, lanes }: ClaimComponents,
  options: AbortOptions
): Promise<ClaimResult> {
  const result: ClaimResult = { claimed: 0n, transactions: [], rejected: [] }
  const receivers = new Map<string, { receiver: Address; token: Address }>()
  const rows: Row[] = []
  for (const lane of await lanes()) {
    const { config, channelId } = lane.channel
    receivers.set(`${config.receiver} ${config.token}`, { receiver: config.receiver, token: config.token })
    const row = await rowOf(lane, result, options)
    if (row !== undefined) rows.push(row)
    else logger.debug('nothing to claim', { channelId })
  }
  for (let at = 0; at < rows.length; at += MAX_BATCH) {
    const good = await passing(chain, rows.slice(at, at + MAX_BATCH), result, options)
    if (good.length > 0) await claimBatch(chain, good, result, options)
  }
  for (const { receiver, token } of receivers.values()) {
    const settled = await chain.settle(receiver, token, options)
    if (settled !== undefined) result.transactions.push(settled)
  }
  return result
}

interface Row {
  lane: PayeeLane
  claim: VoucherClaim
  /** Claimed before. */
  from: bigint
}

/** Claims what was paid for; what is only signed in advance stays the buyer's until it is used. */
async function rowOf(lane: PayeeLane, result: ClaimResult, options: AbortOptions): Promise<Row | undefined> {
  const { voucher, config, claimed, channelId } = lane.channel
  if (voucher === undefined || lane.total <= claimed) return undefined
  const { totalClaimed, balance } = await lane.refresh(options)
  // Claimed by an earlier run that did not live to write it down.
  if (lane.channel.claimed > claimed) await lane.store(options)
  const owed = lane.total < voucher.maxClaimableAmount ? lane.total : voucher.maxClaimableAmount
  if (owed <= totalClaimed) return undefined
  if (owed > balance) {
    result.rejected.push({ channelId, reason: `${owed} is owed, the channel holds ${balance}` })
  }
  const total = owed < balance ? owed : balance
  return total > totalClaimed
    ? { lane, claim: { config, voucher, totalClaimed: total }, from: totalClaimed }
    : undefined
}

/** The state may have moved since the simulation: then the batch waits for the next run, and does not hold up others. */
async function claimBatch(chain: ChannelChain, rows: Row[], result: ClaimResult, options: AbortOptions): Promise<void> {
  try {
    const claims = rows.map(({ claim }) => claim)
    result.transactions.push(await chain.claim(claims, options))
  } catch (error) {
    if (!(error instanceof DdmError) || error.code !== 'chain') throw error
    const reason = error.message
    result.rejected.push(...rows.map(({ lane }) => ({ channelId: lane.channel.channelId, reason })))
    return
  }
  for (const { lane, claim, from } of rows) {
    result.claimed += claim.totalClaimed - from
    if (claim.totalClaimed > lane.channel.claimed) lane.channel = { ...lane.channel, claimed: claim.totalClaimed }
  }
  await Promise.all(rows.map(({ lane }) => lane.store(options)))
}

async function passing(chain: ChannelChain, rows: Row[], result: ClaimResult, options: AbortOptions): Promise<Row[]> {
  const reason = await chain.simulateClaim(
    rows.map(({ claim }) => claim),
    options
  )
  if (reason === undefined) return rows
  if (rows.length === 1) {
    const [{ lane }] = rows as [Row]
    result.rejected.push({ channelId: lane.channel.channelId, reason })
    return []
  }
  const middle = Math.ceil(rows.length / 2)
  const left = await passing(chain, rows.slice(0, middle), result, options)
  const right = await passing(chain, rows.slice(middle), result, options)
  return [...left, ...right]
}

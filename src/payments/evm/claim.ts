import {
  type AbortOptions,
  type Address,
  type ChannelChain,
  type ClaimResult,
  DdmError,
  faultPoint,
  type VoucherClaim
} from '../../interface/index.ts'
import type { PayeeLane } from './payee-lane.ts'

/** More vouchers do not fit a transaction of a common block gas limit. */
const MAX_BATCH = 200

interface Row {
  lane: PayeeLane
  claim: VoucherClaim
  /** Claimed before. */
  from: bigint
}

/**
 * Claims in batches. Each batch is simulated first; a row that the chain would refuse is found by bisection and left out,
 * so that one bad voucher does not hold up the others. Safe to repeat after a crash: the chain's own `totalClaimed` says
 * what is left.
 *
 * @param lanes - as the chain has them now
 */
export async function claimLanes(
  chain: ChannelChain,
  lanes: readonly PayeeLane[],
  options: AbortOptions
): Promise<ClaimResult> {
  const result: ClaimResult = { claimed: 0n, transactions: [], rejected: [] }
  const rows = lanes.flatMap((lane) => rowOf(lane, result) ?? [])
  for (let at = 0; at < rows.length; at += MAX_BATCH) {
    const good = await passing(chain, rows.slice(at, at + MAX_BATCH), result, options)
    if (good.length > 0) await claimBatch(chain, good, result, options)
  }
  return result
}

/** Pays out what was claimed, per receiver and token. */
export async function settleLanes(
  chain: ChannelChain,
  lanes: readonly PayeeLane[],
  options: AbortOptions
): Promise<ClaimResult['transactions']> {
  const receivers = new Map<string, { receiver: Address; token: Address }>()
  for (const { channel } of lanes) {
    const { receiver, token } = channel.config
    receivers.set(`${receiver} ${token}`, { receiver, token })
  }
  const transactions: ClaimResult['transactions'] = []
  for (const { receiver, token } of receivers.values()) {
    const settled = await chain.settle(receiver, token, options)
    if (settled !== undefined) transactions.push(settled)
  }
  return transactions
}

/** Claims what was paid for; what is only signed in advance stays the buyer's until it is used. */
function rowOf(lane: PayeeLane, result: ClaimResult): Row | undefined {
  const { channelId, config, voucher } = lane.channel
  if (voucher === undefined || lane.unclaimed === 0n) return undefined
  const { owed, balance } = lane
  if (owed > balance) result.rejected.push({ channelId, reason: `${owed} is owed, the channel holds ${balance}` })
  if (lane.claimable === 0n) return undefined
  const totalClaimed = owed < balance ? owed : balance
  return { lane, claim: { config, voucher, totalClaimed }, from: totalClaimed - lane.claimable }
}

/** The state may have moved since the simulation: then the batch waits for the next run, and does not hold up others. */
async function claimBatch(chain: ChannelChain, rows: Row[], result: ClaimResult, options: AbortOptions): Promise<void> {
  try {
    const claims = rows.map(({ claim }) => claim)
    faultPoint('claim.sending')
    result.transactions.push(await chain.claim(claims, options))
    faultPoint('claim.mined')
  } catch (error) {
    if (!(error instanceof DdmError) || error.code !== 'chain') throw error
    const reason = error.message
    result.rejected.push(...rows.map(({ lane }) => ({ channelId: lane.channel.channelId, reason })))
    return
  }
  for (const { lane, claim, from } of rows) {
    result.claimed += claim.totalClaimed - from
    lane.claimedUpTo(claim.totalClaimed)
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

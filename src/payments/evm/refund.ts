import {
  type AbortOptions,
  type ChannelChain,
  DdmError,
  faultPoint,
  type Hex,
  type Logger,
  type RefundResult
} from '../../interface/index.ts'
import type { Eip712 } from './eip712.ts'
import type { PayeeLane } from './payee-lane.ts'

export interface RefundComponents {
  chain: ChannelChain
  eip712: Eip712
  logger: Logger
  /** The channel's receiverAuthorizer. */
  privateKey: Uint8Array
}

/**
 * Writes down what is paid back before anything is sent: from then on that amount counts as gone, also after a crash,
 * because a transaction that was sent may be mined at any time. The escrow's nonce makes it happen at most once.
 *
 * @returns false when nothing can be paid back
 */
export async function planRefund(lane: PayeeLane, chain: ChannelChain, options: AbortOptions): Promise<boolean> {
  return lane.orders.run(async () => {
    await lane.refresh(options)
    if (!mayRefund(lane)) return false
    const nonce = await chain.refundNonce(lane.channel.channelId, options)
    // Payments come also while the chain is asked: from here to the store nothing waits.
    if (!mayRefund(lane)) return false
    lane.channel = { ...lane.channel, refund: { amount: lane.refundable, nonce } }
    await lane.store(options)
    faultPoint('refund.stored')
    return true
  }, options)
}

/** Whether the chain has something that can be paid back, as of now. */
export async function isRefundable(lane: PayeeLane, options: AbortOptions): Promise<boolean> {
  return lane.orders.run(async () => {
    await lane.refresh(options)
    return mayRefund(lane)
  }, options)
}

/** What is paid back could not cover a voucher that was lost with a stream and comes again when the session goes on. */
function mayRefund({ refundable, channel, isForgotten, isCut }: PayeeLane): boolean {
  return refundable > 0n && channel.refund === undefined && !isForgotten && !isCut
}

/** Carries out what `planRefund` has written down, also in an earlier run. */
export async function carryOutRefund(
  lane: PayeeLane,
  components: RefundComponents,
  options: AbortOptions
): Promise<RefundResult> {
  return lane.refunds.run(async () => {
    const { refund, channelId } = lane.channel
    if (refund === undefined) return { amount: 0n }
    const { amount } = refund
    const transaction = await send(lane, refund, components, options)
    faultPoint('refund.mined')
    await lane.orders.run(async () => {
      await lane.refresh(options)
      const { refund: _done, ...channel } = lane.channel
      lane.channel = channel
      await lane.store(options)
    }, options)
    if (transaction === undefined) return { amount: 0n }
    components.logger.info('refunded', { channelId, amount: amount.toString(), transaction })
    return { amount, transaction }
  }, options)
}

/** Resolves with the transaction; with nothing when the chain has it already, or will never take it. */
async function send(
  { channel: { channelId, config } }: PayeeLane,
  { amount, nonce }: { amount: bigint; nonce: bigint },
  { chain, eip712, privateKey, logger }: RefundComponents,
  options: AbortOptions
): Promise<Hex | undefined> {
  if ((await chain.refundNonce(channelId, options)) > nonce) return undefined
  const digest = eip712.refund(eip712.escrowDomain(chain.chainId, chain.escrow), channelId, nonce, amount)
  const signature = eip712.sign(digest, privateKey)
  try {
    return await chain.refund(config, { amount, nonce, signature }, options)
  } catch (error) {
    // Without the contract's own refusal it may still be mined: it stays written down.
    if (!(error instanceof DdmError) || error.details.error === undefined) throw error
    logger.warn('a refund was refused by the chain', { channelId, reason: error.message })
    return undefined
  }
}

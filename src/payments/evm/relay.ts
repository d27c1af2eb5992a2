import {
  type AbortOptions,
  type ChannelChain,
  DdmError,
  type DepositAuthorization,
  faultPoint,
  type Hex
} from '../../interface/index.ts'
import { DEPOSIT_GAS, gasCost, MAX_DEPOSIT_GAS } from './claim-plan.ts'
import type { PayeeLane } from './payee-lane.ts'
import { until } from './serial.ts'

/** A buyer's deposit is sent through the collector of this network only: another could be anything. */
export function checkCollector(
  { eip3009Collector }: Pick<ChannelChain, 'eip3009Collector'>,
  deposit: DepositAuthorization | undefined
): void {
  if (deposit === undefined || deposit.collector === eip3009Collector) return
  throw new DdmError(
    'refused',
    `the deposit names collector ${deposit.collector}, this network has ${eip3009Collector}`
  )
}

/**
 * The least deposit that is worth its gas: whoever makes new channels at no cost must not make this side pay for each.
 *
 * @returns atomic units; 0 where gas is not weighed
 */
async function leastDeposit(lane: PayeeLane, options: AbortOptions): Promise<bigint> {
  const { chain, claimPolicy, relayGasPercent = 100n } = lane.init
  if (claimPolicy === undefined || claimPolicy.nativePrice === 0n) return 0n
  const cost = gasCost(DEPOSIT_GAS, await chain.gasPrice(options), claimPolicy)
  return (cost * 100n + relayGasPercent - 1n) / relayGasPercent
}

/** Sends a deposit and pays its gas. What counts afterwards is the channel's state, whoever carried it out. */
export async function relayDeposit(
  lane: PayeeLane,
  deposit: DepositAuthorization,
  isEnough: () => boolean,
  options: AbortOptions
): Promise<void> {
  const { logger } = lane.init
  const { channelId } = lane.channel
  const least = await leastDeposit(lane, options)
  if (deposit.amount < least) {
    if (isEnough()) return
    throw new DdmError(
      'refused',
      `a deposit of ${deposit.amount} is not worth the gas of relaying it, one of ${least} is; deposit more, or directly`,
      { details: { have: `${deposit.amount}`, need: `${least}` } }
    )
  }
  try {
    faultPoint('deposit.sending')
    const transaction = await sendInTurn(lane, deposit, options)
    faultPoint('deposit.mined')
    logger.info('deposit relayed', { channelId, amount: deposit.amount.toString(), transaction })
    await lane.refresh(options)
  } catch (error) {
    const code = error instanceof DdmError ? error.code : undefined
    if (code === 'funds') {
      throw new DdmError('refused', 'this seller cannot relay a deposit now; deposit directly', { cause: error })
    }
    if (code !== 'chain') throw error
    // It may have come before, with an order whose ACCEPT was lost.
    await lane.refresh(options)
    if (isEnough()) return
    throw new DdmError('refused', `the deposit was not accepted by the chain: ${(error as DdmError).message}`, {
      cause: error
    })
  }
}

/**
 * The turn lasts until the chain has decided, also when the caller no longer waits: what is sent can still spend the tokens
 * that the next relay of this payer counts on.
 */
async function sendInTurn(lane: PayeeLane, deposit: DepositAuthorization, options: AbortOptions): Promise<Hex> {
  const { chain, relays } = lane.init
  const { config } = lane.channel
  const send = async (): Promise<Hex> => {
    const held = await chain.tokenBalance(config.payer, options)
    if (held < deposit.amount) {
      throw new DdmError('chain', `${config.payer} holds ${held}, the deposit is of ${deposit.amount}`)
    }
    options.signal?.throwIfAborted()
    return chain.deposit(config, deposit, { maxGas: MAX_DEPOSIT_GAS })
  }
  const sending = relays.run(config.payer, send, options)
  const ended = sending.then(
    () => {},
    () => {}
  )
  await until(ended, options)
  return sending
}

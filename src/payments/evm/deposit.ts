import { randomBytes } from 'node:crypto'
import {
  type AbortOptions,
  DdmError,
  type DepositAuthorization,
  type OpenAuthorization
} from '../../interface/index.ts'
import { toHex } from '../../statements/index.ts'
import { encodeCollectorData } from './eip712.ts'
import type { PayerLane } from './payer-lane.ts'
import { nextBlockTime } from './time.ts'

/** How long a relayed deposit may be carried out, in seconds: long enough for a stuck transaction to be bumped. */
const DEPOSIT_VALID_SECONDS = 900n

export interface DepositNeed {
  /** Atomic units to add to the channel. */
  amount: bigint
  /** What the channel has on the chain, and what has come since and is not confirmed. */
  balance: bigint
  unconfirmed: bigint
  /** Unspent in other channels to the same seller. */
  elsewhere: bigint
}

/**
 * An EIP-3009 authorization for the escrow's collector, bound to the channel; the seller relays it and pays the gas.
 * Until the channel's balance moves, every further one takes the same nonce, also after a restart: a seller that refuses
 * orders and keeps their authorizations can carry out one of them, not all.
 */
export async function authorizeDeposit(
  lane: PayerLane,
  { amount, balance, unconfirmed, elsewhere }: DepositNeed,
  options: AbortOptions
): Promise<DepositAuthorization> {
  const { chain, eip712, wallet, maxDeposit } = lane.init
  const { channelId, base } = lane.channel
  const unspent = balance > base ? balance - base : 0n
  const locked = elsewhere + unspent + amount
  if (locked > maxDeposit) {
    throw new DdmError(
      'budget',
      `the purchase needs ${locked} deposited with this seller, budgetDeposit allows ${maxDeposit} (atomic units); order less at a time (--max), or raise budgetDeposit`,
      { details: { setting: 'budgetDeposit', need: `${locked}`, limit: `${maxDeposit}` } }
    )
  }
  const held = await chain.tokenBalance(wallet.address, options)
  if (held < amount) {
    throw new DdmError('funds', `the wallet ${wallet.address} holds ${held}, the deposit needs ${amount}; fund it`, {
      details: { have: `${held}`, need: `${amount}` }
    })
  }
  const now = await chain.timestamp(options)
  const validBefore = nextBlockTime(now, (lane.init.now ?? Date.now)()) + DEPOSIT_VALID_SECONDS
  const { authorization } = lane.channel
  const kept = isOpen(authorization, balance, now) ? authorization : undefined
  // The balance is what it was, but by way of a deposit and a refund.
  const isSpent = async ({ salt }: OpenAuthorization): Promise<boolean> =>
    unconfirmed === 0n && chain.isAuthorizationUsed(wallet.address, eip712.depositNonce(channelId, salt), options)
  const open = kept === undefined || (await isSpent(kept)) ? undefined : kept
  const salt = open?.salt ?? BigInt(toHex((lane.init.random ?? randomBytes)(32)))
  const { address, name, version } = chain.token
  const domain = eip712.domain({ name, version, chainId: chain.chainId, verifyingContract: address })
  const digest = eip712.receiveAuthorization(domain, {
    from: wallet.address,
    to: chain.eip3009Collector,
    value: amount,
    validAfter: 0n,
    validBefore,
    nonce: eip712.depositNonce(channelId, salt)
  })
  lane.init.budget.permit()
  const highest = open !== undefined && open.amount > amount ? open.amount : amount
  const authorized = { salt, amount: highest, balance, validBefore }
  lane.channel = { ...lane.channel, deposited: balance + amount, authorization: authorized }
  return {
    amount,
    collector: chain.eip3009Collector,
    data: encodeCollectorData(0n, validBefore, salt, eip712.sign(digest, wallet.privateKey))
  }
}

/** What a channel locks, or may yet lock, beyond what was consumed. */
export function unspent(lane: PayerLane, balance: bigint, now: bigint): bigint {
  const { authorization, base } = lane.channel
  const open = isOpen(authorization, balance, now) ? authorization.amount : 0n
  return balance + open > base ? balance + open - base : 0n
}

function isOpen(
  authorization: OpenAuthorization | undefined,
  balance: bigint,
  now: bigint
): authorization is OpenAuthorization {
  return authorization !== undefined && authorization.balance === balance && authorization.validBefore > now
}

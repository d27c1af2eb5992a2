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
  /** Authorised before, and its seller may still carry it out. */
  open: OpenAuthorization | undefined
  /** Unspent in other channels to the same seller. */
  elsewhere: bigint
}

/**
 * An EIP-3009 authorization for the escrow's collector, bound to the channel; the seller relays it and pays the gas.
 * While one is open every further one takes its nonce, also after a restart: a seller that refuses orders and keeps their
 * authorizations can carry out one of them, not all.
 */
export async function authorizeDeposit(
  lane: PayerLane,
  { amount, balance, unconfirmed, open, elsewhere }: DepositNeed,
  options: AbortOptions
): Promise<DepositAuthorization> {
  const { chain, eip712, wallet, maxDeposit } = lane.init
  const { channelId, base } = lane.channel
  const highest = open !== undefined && open.amount > amount ? open.amount : amount
  // What an open one has brought and is not confirmed is part of it, and comes once.
  const held = open === undefined ? balance + unconfirmed : balance
  const locked = elsewhere + (held > base ? held - base : 0n) + highest
  if (locked > maxDeposit) {
    throw new DdmError(
      'budget',
      `the purchase needs ${locked} deposited with this seller, budgetDeposit allows ${maxDeposit} (atomic units); order less at a time (--max), or raise budgetDeposit`,
      { details: { setting: 'budgetDeposit', need: `${locked}`, limit: `${maxDeposit}` } }
    )
  }
  const have = await chain.tokenBalance(wallet.address, options)
  if (have < amount) {
    throw new DdmError('funds', `the wallet ${wallet.address} holds ${have}, the deposit needs ${amount}; fund it`, {
      details: { have: `${have}`, need: `${amount}` }
    })
  }
  const now = await chain.timestamp(options)
  const validBefore = nextBlockTime(now, (lane.init.now ?? Date.now)()) + DEPOSIT_VALID_SECONDS
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
  // The highest amount and the latest time of all that share the salt.
  const until = open !== undefined && open.validBefore > validBefore ? open.validBefore : validBefore
  const authorization = { salt, amount: highest, validBefore: until }
  lane.channel = { ...lane.channel, deposited: balance + amount, authorization }
  return {
    amount,
    collector: chain.eip3009Collector,
    data: encodeCollectorData(0n, validBefore, salt, eip712.sign(digest, wallet.privateKey))
  }
}

/**
 * The last deposit that was authorised, while its seller may carry it out: until its time is over or its nonce is used,
 * whatever the balance does, which a seller moves by a refund. To be asked before the balance is read: what is carried out
 * in between then counts twice, not never.
 */
export async function openAuthorization(
  { init, channel }: PayerLane,
  options: AbortOptions
): Promise<OpenAuthorization | undefined> {
  const { chain, eip712, wallet } = init
  const { channelId, authorization } = channel
  if (authorization === undefined || authorization.validBefore <= (await chain.timestamp(options))) return undefined
  const nonce = eip712.depositNonce(channelId, authorization.salt)
  return (await chain.isAuthorizationUsed(wallet.address, nonce, options)) ? undefined : authorization
}

/** What a channel holds, or may yet hold: its balance, and the deposit that is under way or open. */
export async function reachOf(lane: PayerLane, options: AbortOptions): Promise<bigint> {
  const { amount = 0n } = (await openAuthorization(lane, options)) ?? {}
  const { balance, unconfirmed = 0n } = await lane.init.chain.channel(lane.channel.channelId, options)
  return balance + (amount > unconfirmed ? amount : unconfirmed)
}

import type { Address, ChannelConfig, Hex } from '../interface/index.ts'
import type { OfferPrice, Statement, Voucher } from '../statements/index.ts'
import type { Chain } from './chain.ts'
import { broken, same } from './failure.ts'

/** A voucher with what is needed to judge it: chain and escrow are those of the OFFER. */
export interface VoucherProof {
  config: ChannelConfig
  voucher: Voucher
  chainId: number
  escrow: Address
}

export interface VoucherFinding {
  /** Hash of `config` under chain and escrow. */
  channelId: Hex
  /** Who signed the voucher, lower case; undefined when the signature is none. */
  signer: Address | undefined
}

/** What the evm rail knows and evidence does not: hashes of channels and signers of vouchers. Looks nothing up. */
export type VoucherVerifier = (proof: VoucherProof) => VoucherFinding | Promise<VoucherFinding>

/** What the evm rail knows and evidence does not: who signed, lower case, `SessionAuth` for this order and that channel. */
export type ChannelVerifier = (
  proof: PaidChannel & { signature: Hex; offer: Chain['offer']; order: Chain['order'] }
) => Address | undefined | Promise<Address | undefined>

export interface PaidChannel {
  config: ChannelConfig
  chainId: number
  escrow: Address
}

/** The channel of an ORDER, checked against the OFFER that it takes; undefined on rails without channels. */
export function paidChannel(order: Statement<'order'>, entry: OfferPrice): PaidChannel | undefined {
  if (entry.rail !== 'evm') {
    same('order → config', undefined, order.config === undefined ? undefined : `a channel on the ${entry.rail} rail`)
    return undefined
  }
  const { config } = order
  if (config === undefined) throw broken('order → config', 'a channel', undefined)
  same('order → config.receiver', entry.payTo, config.receiver)
  same('order → config.receiverAuthorizer', entry.receiverAuthorizer, config.receiverAuthorizer)
  same('order → config.withdrawDelay', entry.withdrawDelay, config.withdrawDelay)
  same('order → config.token', entry.asset?.split('/erc20:')[1], config.token)
  const chainId = /^eip155:([1-9][0-9]{0,15})$/.exec(entry.network ?? '')?.[1]
  if (chainId === undefined) throw broken('offer → network', 'eip155:CHAIN', entry.network)
  if (entry.escrow === undefined) throw broken('offer → escrow', 'an address', undefined)
  return {
    config: { ...config, withdrawDelay: Number(config.withdrawDelay) },
    chainId: Number(chainId),
    escrow: entry.escrow
  }
}

/** Anybody may name a channel and show a voucher of it: only the key that signs for it (payerAuthorizer) ties it to an order. */
export async function checkChannel(
  { offer, order }: Chain,
  channel: PaidChannel,
  verify: ChannelVerifier
): Promise<void> {
  const { channelAuth, accountAuth } = order.content
  if (channelAuth === undefined) throw broken('order → channelAuth', 'a signature', undefined)
  const signer = await verify({ ...channel, signature: channelAuth, offer, order })
  same('order → channelAuth', channel.config.payerAuthorizer, signer)
  if (accountAuth === undefined) return
  const payer = await verify({ ...channel, signature: accountAuth, offer, order })
  same('order → accountAuth', channel.config.payer, payer)
}

/** Checks that a voucher is for this channel, signed by its payerAuthorizer, and covers `amount`. */
export async function checkVoucher(
  where: string,
  voucher: Voucher,
  amount: bigint,
  channel: PaidChannel,
  verify: VoucherVerifier
): Promise<void> {
  const { channelId, signer } = await verify({ ...channel, voucher })
  same(`${where} → channel`, channelId, voucher.channelId)
  same(`${where} → signer`, channel.config.payerAuthorizer, signer)
  if (voucher.maxClaimableAmount < amount)
    throw broken(`${where} → amount`, `at least ${amount}`, voucher.maxClaimableAmount)
}

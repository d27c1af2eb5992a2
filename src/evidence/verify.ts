import type { AbortOptions, Address, Hex, Price, RailName, SessionRole } from '../interface/index.ts'
import { type OfferPrice, type Statement, toHex, type Voucher } from '../statements/index.ts'
import { checkAccount, checkPayment, checkTranscript, priceOf, standingOf } from './account.ts'
import { decodeBundle } from './bundle.ts'
import { readChain } from './chain.ts'
import { readListing } from './listing.ts'
import { checkRecorded, type LedgerReaders, type VerifiedRecording } from './records/finding.ts'
import { checkTerms } from './terms.ts'
import { type AccountVerifier, checkTransfers, type VerifiedTransfer } from './transfers.ts'
import { checkViolation, type ProvenViolation, type RecordJudge } from './violation.ts'
import { type ChannelVerifier, checkChannel, type PaidChannel, paidChannel, type VoucherVerifier } from './voucher.ts'

export interface VerifyOptions extends AbortOptions {
  verifyVoucher: VoucherVerifier
  verifyChannel: ChannelVerifier
  verifyAccount: AccountVerifier
  /** Called only for a bundle that claims a violation. */
  validate: RecordJudge
  /** Has each record looked up on its ledger. @default no ledger is asked */
  onLedger?: LedgerReaders
}

/** What a bundle shows. Amounts in atomic units of `asset`. */
export interface VerifiedBundle {
  /** CID of the ORDER. */
  session: string
  /** Who wrote the file, by its own word: nobody signed it. */
  role: SessionRole
  listing: Hex
  title: string
  buyer: string
  seller: string
  /** Whether it ended with a receipt. Otherwise the numbers are those of the seller's last invoice. */
  complete: boolean
  /** Offset of the first record, how many, and the bytes of those that are not free. */
  start: bigint
  records: bigint
  bytes: bigint
  price: Price
  due: bigint
  credited: bigint
  unused: bigint
  /** due − credited, when it is more than nothing. */
  unpaid: bigint
  /** Code of the CLOSE in the receipt. */
  reason?: number
  /** Root of the transcript, `0x…`; absent when the seller signed none. */
  root?: Hex
  /** Whether the bundle holds the parts that the root was signed over. */
  transcript: boolean
  /** The record that breaks the listing's schema. */
  violation?: ProvenViolation
  /**
   * Account that pays, and where; absent on the free rail. On the iota rail it signed for the order. On the evm rail the
   * channel names it, and whoever opens a channel can name anybody: only its deposit on the chain shows that it pays.
   * Compare chain, escrow and asset with a network you trust.
   */
  payer?: Hex
  /** On the evm rail: the key that signed for the order and the vouchers. */
  payerAuthorizer?: Address
  payTo?: Hex
  network?: string
  asset?: string
  escrow?: Address
  /**
   * The buyer's signature for it: the RECEIPT's, or without one the highest that the writer of the file held. Its amount is
   * for all sessions of the channel together; of it `base` was used up before this one.
   */
  voucher?: Voucher
  base?: bigint
  rail: RailName
  /** Payments on rails that move money each time, oldest first: the ledger shows whether they were carried out. */
  transfers: VerifiedTransfer[]
  /** Where statements of the session were recorded, as far as the writer of the file knew. */
  recorded: VerifiedRecording[]
  /** Whether the buyer acknowledged the receipt. */
  acknowledged: boolean
  statements: number
}

/**
 * Verifies a bundle from its bytes alone: no network, and no ledger unless `onLedger` names some. Every hash, signature,
 * link and amount is computed again. What it cannot know is whether the escrow that the seller named exists: compare `network` and `escrow`.
 *
 * @example
 * ```ts
 * const { records, due, credited } = await verifyBundle(await readFile('session.car'), judges)
 * ```
 *
 * @throws DdmError `evidence` naming the first link that is wrong and both values
 */
export async function verifyBundle(
  file: Uint8Array,
  { verifyVoucher, verifyChannel, verifyAccount, validate, onLedger, ...options }: VerifyOptions
): Promise<VerifiedBundle> {
  const bundle = decodeBundle(file)
  const listing = readListing(bundle.listingBytes)
  const chain = readChain(bundle, listing)
  const { offer, order, accept, receipt, ack } = chain
  const entry = checkTerms(chain, listing)
  checkAccount(chain, entry)
  const transcript = checkTranscript(bundle, chain)
  const channel = paidChannel(order.content, entry)
  if (channel !== undefined) await checkChannel(chain, channel, verifyChannel)
  const transfers = await checkTransfers(chain, entry, bundle, standingOf(chain).credited, verifyAccount)
  if (entry.rail !== 'iota') await checkPayment(chain, bundle, channel, verifyVoucher)
  const violation = await checkViolation(bundle, listing, validate)
  const recorded = await checkRecorded(bundle, onLedger, options)
  const { n, bytes, due, credited, root } = standingOf(chain)
  const voucher = receipt?.content.proof ?? bundle.voucher
  return {
    session: bundle.session.toString(),
    role: bundle.role,
    listing: offer.content.listingId,
    title: listing.title,
    buyer: order.issuer,
    seller: offer.issuer,
    complete: receipt !== undefined,
    start: accept.content.start,
    records: n,
    bytes,
    price: priceOf(entry),
    due,
    credited,
    unused: credited > due ? credited - due : 0n,
    unpaid: due > credited ? due - credited : 0n,
    ...(receipt === undefined ? {} : { reason: Number(receipt.content.reason) }),
    ...(root === undefined ? {} : { root: toHex(root) }),
    transcript,
    ...(violation === undefined ? {} : { violation }),
    rail: entry.rail,
    transfers,
    recorded,
    ...paidTo(entry, channel, order.content),
    ...(voucher === undefined ? {} : { voucher }),
    ...(accept.content.base === undefined ? {} : { base: accept.content.base }),
    acknowledged: ack !== undefined,
    statements: bundle.statements.length
  }
}

function paidTo(
  { network, asset, payTo }: OfferPrice,
  channel: PaidChannel | undefined,
  { account }: Statement<'order'>
): Partial<VerifiedBundle> {
  const payer = channel?.config.payer ?? account
  if (payer === undefined) return {}
  return {
    payer,
    ...(channel === undefined ? {} : { payerAuthorizer: channel.config.payerAuthorizer, escrow: channel.escrow }),
    ...(network === undefined ? {} : { network }),
    ...(asset === undefined ? {} : { asset }),
    ...(payTo === undefined ? {} : { payTo })
  }
}

import {
  type ChannelConfig,
  due,
  type FreeRange,
  type ListingDocument,
  type ListingPayment,
  type PaymentTerms,
  type Price,
  type Progress,
  priceOfOneRecord
} from '../../interface/index.ts'
import { equalBytes, type OfferPrice, type Statement, type StatementFields } from '../../statements/form.ts'
import type { SessionTerms } from './account.ts'
import type { RecordRules } from './record-rules.ts'
import { SdppError, STATUS } from './status.ts'

/** Deciding of HELLO … ACCEPT: pure; both sides check the other's statements with it. */

export function priceOf(entry: { amount: bigint; count: bigint; unit: 'record' | 'KiB' }): Price {
  return { amount: entry.amount, count: entry.count, unit: entry.unit }
}

export function paymentTermsOf(entry: OfferPrice): PaymentTerms {
  const { rail, network, asset, payTo, receiverAuthorizer, escrow, withdrawDelay, k, sponsored } = entry
  return {
    rail,
    price: priceOf(entry),
    ...(network === undefined ? {} : { network }),
    ...(asset === undefined ? {} : { asset }),
    ...(payTo === undefined ? {} : { payTo }),
    ...(receiverAuthorizer === undefined ? {} : { receiverAuthorizer }),
    ...(escrow === undefined ? {} : { escrow }),
    ...(withdrawDelay === undefined ? {} : { withdrawDelay: Number(withdrawDelay) }),
    ...(k === undefined ? {} : { k }),
    ...(sponsored === undefined ? {} : { sponsored })
  }
}

export function offerPriceOf(terms: PaymentTerms, credit: bigint): OfferPrice {
  const { price, withdrawDelay, ...rest } = terms
  return { ...rest, ...price, credit, ...(withdrawDelay === undefined ? {} : { withdrawDelay: BigInt(withdrawDelay) }) }
}

/** Compares two prices as fractions: true when `a` costs more than `b` per unit. */
export function costsMore(a: Price, b: Price): boolean {
  return a.amount * b.count > b.amount * a.count
}

/** The entry of the listing that an offered price belongs to; undefined when the listing does not name such a way to pay. */
export function listedPayment(document: ListingDocument, entry: OfferPrice): ListingPayment | undefined {
  return document.payment.find(
    ({ rail, network, asset, payTo, price }) =>
      rail === entry.rail &&
      network === entry.network &&
      asset === entry.asset &&
      payTo === entry.payTo &&
      price.unit === entry.unit
  )
}

/** What a buyer asks of an ORDER. */
export interface OrderWish {
  /** `earliest`: the first offset that the offer names, or `offset` where that is later. */
  from: { offset?: bigint; time?: bigint; live?: boolean; earliest?: boolean }
  quantity?: bigint
  until?: bigint
  duration?: bigint
  /** Granularity wanted; the offer's default when absent. */
  k?: bigint
  /** Most that is paid before it was received. */
  prepay: bigint
  /** All of `prepay` is given, whoever the seller is: the user's own decision. @default false */
  prepayForAll?: boolean
  maximum: bigint
}

/** Buyer: is this OFFER the answer to my HELLO, for the listing I wanted, from somebody who may sign for it? */
export function checkOffer(
  offer: Statement<'offer'>,
  expected: { nonce: Uint8Array; buyer: string; listingCid: string; document: ListingDocument; rules: RecordRules }
): void {
  const { document, rules } = expected
  const signers = [document.seller.peerId, ...(document.signers ?? [])]
  if (!signers.includes(offer.iss))
    throw new SdppError(STATUS.badSignature, `${offer.iss} may not sign for this listing`)
  if (offer.buyer !== expected.buyer) throw new SdppError(STATUS.unexpected, `the offer is for ${offer.buyer}`)
  if (!equalBytes(offer.nonce, expected.nonce)) throw new SdppError(STATUS.unexpected, 'the offer has another nonce')
  if (offer.listing.toString() !== expected.listingCid) {
    throw new SdppError(STATUS.unexpected, `the offer is for listing ${offer.listing}, not ${expected.listingCid}`)
  }
  if (offer.listingId !== document.id) {
    throw new SdppError(STATUS.unexpected, `the offer names listing ${offer.listingId}, not ${document.id}`)
  }
  const listed = document.freeRange
  const sameFree = listed === undefined ? offer.free === undefined : isSameRange(offer.free, listed)
  if (!sameFree) throw new SdppError(STATUS.termsOutsideOffer, 'the offer has another free range than the listing')
  if (offer.maxRecordBytes !== rules.maxRecordBytes) {
    throw new SdppError(
      STATUS.termsOutsideOffer,
      `the offer allows records of ${offer.maxRecordBytes} bytes, the listing of ${rules.maxRecordBytes}`
    )
  }
  if (!isSameDigest(offer.schema, rules.schema)) {
    throw new SdppError(STATUS.termsOutsideOffer, 'the offer has another schema of the records than the listing')
  }
  if (offer.k.min < 1n || offer.k.default < offer.k.min || offer.k.max < offer.k.default) {
    throw new SdppError(
      STATUS.malformed,
      `the offer's k ${offer.k.min}/${offer.k.default}/${offer.k.max} is not ordered`
    )
  }
}

function isSameDigest(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}

function isSameRange(free: FreeRange | undefined, listed: { from: number; to: number }): boolean {
  return free !== undefined && free.from === BigInt(listed.from) && free.to === BigInt(listed.to)
}

/** Buyer: the listing's price is the most that an offer may ask. */
export function checkOfferedPrice(document: ListingDocument, entry: OfferPrice): ListingPayment {
  const listed = listedPayment(document, entry)
  if (listed === undefined) {
    throw new SdppError(
      STATUS.termsOutsideOffer,
      `the listing names no such way to pay (${entry.rail}, payTo ${entry.payTo})`
    )
  }
  const price: Price = {
    amount: BigInt(listed.price.amount),
    count: BigInt(listed.price.count),
    unit: listed.price.unit
  }
  if (entry.count < 1n) throw new SdppError(STATUS.malformed, 'the offered price is for 0 records')
  if (costsMore(priceOf(entry), price)) {
    throw new SdppError(
      STATUS.priceChanged,
      `the offer asks ${entry.amount} per ${entry.count}, the listing ${price.amount} per ${price.count}`
    )
  }
  return listed
}

/** Seller: is this ORDER within my OFFER? Returns the price entry that it takes. */
export function checkOrder(
  offer: Statement<'offer'> & { cid: string },
  order: Statement<'order'>,
  buyer: string,
  expired: boolean
): OfferPrice {
  if (order.iss !== buyer)
    throw new SdppError(STATUS.badSignature, `the order is signed by ${order.iss}, not by ${buyer}`)
  if (order.offer.toString() !== offer.cid) throw new SdppError(STATUS.offerExpired, 'the order is for another offer')
  if (expired) throw new SdppError(STATUS.offerExpired, `the offer was valid for ${offer.ttl} s; ask again`)
  const entry = order.price < BigInt(offer.prices.length) ? offer.prices[Number(order.price)] : undefined
  if (entry === undefined || entry.rail !== order.rail) {
    throw new SdppError(STATUS.termsOutsideOffer, `the offer has no price ${order.price} on rail ${order.rail}`)
  }
  if (order.k < offer.k.min || order.k > offer.k.max) {
    throw new SdppError(STATUS.termsOutsideOffer, `k ${order.k} is not within ${offer.k.min}…${offer.k.max}`)
  }
  const { offset, time, live } = order.from
  if ([offset, time, live].filter((choice) => choice !== undefined && choice !== false).length !== 1) {
    throw new SdppError(STATUS.malformed, 'an order starts at an offset, a time or live: exactly one')
  }
  return entry
}

/** Seller: k, credit and ahead of an ACCEPT. Refuses limits under which not one record could move. */
export function agreeOnWindow(
  entry: OfferPrice,
  order: Pick<Statement<'order'>, 'k' | 'prepay' | 'maximum'>,
  maxRecordBytes: bigint
): { k: bigint; credit: bigint; ahead: bigint } {
  const price = priceOf(entry)
  const one = priceOfOneRecord(price, maxRecordBytes)
  const { credit } = entry
  // Nothing can ever be due: only records of the free range move.
  if (order.maximum === 0n) return { k: order.k, credit, ahead: 0n }
  if (credit + order.prepay < one) {
    throw new SdppError(
      STATUS.limitsIncompatible,
      `credit ${credit} and prepay ${order.prepay} together do not cover one record at ${one}; pay ahead, or end your other sessions with this seller first`,
      { details: { have: (credit + order.prepay).toString(), need: one.toString() } }
    )
  }
  const records = (n: bigint): bigint => due(price, { n, records: n, bytes: n * maxRecordBytes })
  const ahead = credit >= records(order.k) ? 0n : order.prepay
  let { k } = order
  while (k > 1n && records(k) > credit + ahead) k = (k + 1n) / 2n
  return { k, credit, ahead }
}

/** Buyer: ACCEPT must stay within what was offered and ordered. */
export function checkAccept(
  accept: Statement<'accept'>,
  order: Statement<'order'>,
  offer: Statement<'offer'>,
  session: string
): void {
  const refuse = (text: string): never => {
    throw new SdppError(STATUS.termsOutsideOffer, `ACCEPT ${text}`)
  }
  if (accept.session.toString() !== session) refuse(`is for session ${accept.session}`)
  if (accept.iss !== offer.iss) refuse(`is signed by ${accept.iss}, the offer by ${offer.iss}`)
  if (accept.k < 1n || accept.k > order.k) refuse(`sets k to ${accept.k}, ordered was ${order.k}`)
  if (accept.ahead > order.prepay) refuse(`wants ${accept.ahead} ahead, prepay is ${order.prepay}`)
  if (accept.epoch !== offer.epoch) refuse(`names epoch ${accept.epoch}, the offer ${offer.epoch}`)
  if (order.from.offset !== undefined && accept.start !== order.from.offset) {
    refuse(`starts at ${accept.start}, ordered was ${order.from.offset}`)
  }
  if (order.from.live === true && accept.start < offer.head) {
    refuse(`starts at ${accept.start}, before the live end at ${offer.head}`)
  }
  const end = endOf(order, accept.start)
  if (accept.until !== end) refuse(`ends at ${accept.until ?? 'no offset'}, ordered was ${end ?? 'no offset'}`)
}

/** Buyer: the ACCEPT that answers RESUME continues what the first one began. */
export function checkResumed(accept: Statement<'accept'>, first: Statement<'accept'> | undefined): void {
  const { start, until, epoch } = accept
  if (first === undefined) return
  for (const [name, now, before] of [
    ['starts at', start, first.start],
    ['ends at', until, first.until],
    ['names epoch', epoch, first.epoch]
  ] as const) {
    if (now === before) continue
    throw new SdppError(
      STATUS.termsOutsideOffer,
      `ACCEPT ${name} ${now ?? 'no offset'}, before it was ${before ?? 'none'}`
    )
  }
}

/**
 * Buyer, on a rail with channels: the seller shows a voucher over what it has credited in this session, or nobody could
 * verify that. What is credited later has vouchers of its own; a session that ended and owes nothing has no base any more.
 */
export function checkShown({ base, proof, credited = 0n }: Statement<'accept'>, isResumed: boolean): void {
  if (base === undefined && !isResumed) throw new SdppError(STATUS.paymentInvalid, 'ACCEPT names no base')
  const counted = credited === 0n ? 0n : (base ?? 0n) + credited
  const shown = proof?.maxClaimableAmount ?? 0n
  if (shown < counted) throw new SdppError(STATUS.paymentInvalid, `ACCEPT shows a voucher of ${shown} for ${counted}`)
}

/** Buyer: what it never paid no statement may say that it did; its own evidence would not verify. */
export function checkCredited({ credited = 0n }: Statement<'accept'>, paid: bigint): void {
  if (credited <= paid) return
  throw new SdppError(STATUS.accountMismatch, `ACCEPT credits ${credited}, paid ${paid}`)
}

/** Seller: nobody resumes at a position for which more is owed than the window allows. */
export function checkResume(terms: SessionTerms, at: Progress, credited: bigint): void {
  const owed = due(terms.price, at)
  if (owed <= credited + terms.credit) return
  throw new SdppError(
    STATUS.limitsIncompatible,
    `at position ${at.n} ${owed} is due, credited is ${credited} and the window ${terms.credit}; pay first`,
    { details: { have: (credited + terms.credit).toString(), need: owed.toString() } }
  )
}

const MAX_OFFSET = (1n << 64n) - 1n

/** Offset after the last record of an order, at most 2⁶⁴ − 1; undefined when it runs until stopped. */
export function endOf(order: Pick<Statement<'order'>, 'quantity' | 'until'>, start: bigint): bigint | undefined {
  let byQuantity = order.quantity === undefined ? undefined : start + order.quantity
  if (byQuantity !== undefined && byQuantity > MAX_OFFSET) byQuantity = MAX_OFFSET
  if (byQuantity === undefined || order.until === undefined) return byQuantity ?? order.until
  return byQuantity < order.until ? byQuantity : order.until
}

/** Both: the arithmetic's terms. */
export function sessionTerms(
  entry: OfferPrice,
  offer: Statement<'offer'>,
  order: Statement<'order'>,
  accept: StatementFields<'accept'>
): SessionTerms {
  return {
    price: priceOf(entry),
    ...(offer.free === undefined ? {} : { free: offer.free }),
    k: accept.k,
    credit: accept.credit,
    prepay: order.prepay,
    ahead: accept.ahead,
    maximum: order.maximum,
    start: accept.start,
    ...(accept.until === undefined ? {} : { end: accept.until }),
    ...(offer.finished ? { last: offer.head } : {}),
    maxRecordBytes: offer.maxRecordBytes
  }
}

/**
 * Who pays for an order that a rail has taken. A channel names its payer, and anybody could fund it in that name: it is the
 * payer's only where the payer has signed for the order, or signs for the channel itself.
 */
export function payerOf({ rail, config, account, accountAuth }: Statement<'order'>): {
  account?: string
  named?: string
} {
  // Each rail has checked its own fields only: what else an order names proves nothing.
  if (rail === 'iota') return account === undefined ? {} : { account }
  if (rail !== 'evm' || config === undefined) return {}
  const { payer, payerAuthorizer } = config
  return accountAuth !== undefined || payer === payerAuthorizer ? { account: payer } : { named: payer }
}

/** The channel that an order names. */
export function channelOf({ config }: Pick<Statement<'order'>, 'config'>): { config?: ChannelConfig } {
  return config === undefined ? {} : { config: { ...config, withdrawDelay: Number(config.withdrawDelay) } }
}

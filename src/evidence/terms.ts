import type { OfferPrice, Statement } from '../statements/index.ts'
import { toHex } from '../statements/index.ts'
import type { Chain } from './chain.ts'
import { atMost, broken, same } from './failure.ts'
import { type ListedTerms, recordTerms, schemaDigest } from './listing.ts'

const MAX_OFFSET = (1n << 64n) - 1n

/** What was agreed: OFFER within the listing, ORDER within OFFER, ACCEPT within ORDER. Returns the price that was taken. */
export function checkTerms({ offer, order, accept }: Chain, listing: ListedTerms): OfferPrice {
  checkRecords(offer.content, listing)
  const entry = checkOrder(offer.content, order.content, listing)
  checkAccept(accept.content, order.content, offer.content)
  return entry
}

/** What the listing says of its records is what was offered: a violation is judged by it. */
function checkRecords(offer: Statement<'offer'>, listing: ListedTerms): void {
  same('offer → schema', schemaDigest(listing), offer.schema === undefined ? undefined : toHex(offer.schema))
  same('offer → maxRecordBytes', recordTerms(listing).maxRecordBytes, offer.maxRecordBytes)
}

/** The price that was ordered: one of the offer's, and no more than the listing says. */
function checkOrder(offer: Statement<'offer'>, order: Statement<'order'>, listing: ListedTerms): OfferPrice {
  const entry = order.price < BigInt(offer.prices.length) ? offer.prices[Number(order.price)] : undefined
  if (entry === undefined) throw broken('order → price', `one of ${offer.prices.length}`, order.price)
  same('order → rail', entry.rail, order.rail)
  if (entry.count < 1n) throw broken('offer → price', 'per 1 or more', `per ${entry.count}`)
  const listed = listing.payment.filter(
    ({ rail, network, asset, price }) =>
      rail === entry.rail && network === entry.network && asset === entry.asset && price.unit === entry.unit
  )
  const wanted = listed.find(({ payTo }) => payTo === entry.payTo)
  if (wanted === undefined) {
    const named = listed.map(({ payTo }) => payTo ?? 'nobody').join(' or ')
    throw broken('offer → payTo', named === '' ? `a way to pay of the listing` : named, entry.payTo)
  }
  const { amount, count, unit } = wanted.price
  if (count < 1n) throw broken('listing → price', 'per 1 or more', `per ${count}`)
  if (entry.asset !== undefined && !entry.asset.startsWith(`${entry.network}/`)) {
    throw broken('offer → asset', `one of ${entry.network}`, entry.asset)
  }
  if (entry.amount * count > BigInt(amount) * entry.count) {
    throw broken(
      'offer → price',
      `at most the listing's ${amount} per ${count} ${unit}`,
      `${entry.amount} per ${entry.count} ${entry.unit}`
    )
  }
  same('offer → free from', listing.freeRange?.from, offer.free?.from)
  same('offer → free to', listing.freeRange?.to, offer.free?.to)
  checkFrom(order)
  if (order.k < offer.k.min || order.k > offer.k.max)
    throw broken('order → k', `${offer.k.min} … ${offer.k.max}`, order.k)
  return entry
}

function checkFrom({ from: { offset, time, live } }: Statement<'order'>): void {
  const given = [offset, time, live].filter((choice) => choice !== undefined && choice !== false)
  if (given.length !== 1) throw broken('order → from', 'an offset, a time or live', `${given.length} of them`)
}

/** As the buyer checks it. The seller's credit is its own risk: more of it than offered harms nobody else. */
function checkAccept(accept: Statement<'accept'>, order: Statement<'order'>, offer: Statement<'offer'>): void {
  same('accept → epoch', offer.epoch, accept.epoch)
  if (accept.k < 1n) throw broken('accept → k', '1 or more', accept.k)
  atMost('accept → k', order.k, accept.k)
  atMost('accept → ahead', order.prepay, accept.ahead)
  if (order.from.offset !== undefined) same('accept → start', order.from.offset, accept.start)
  if (order.from.live === true && accept.start < offer.head) {
    throw broken('accept → start', `at least the head ${offer.head}`, accept.start)
  }
  same('accept → until', endOf(order, accept.start), accept.until)
}

function endOf({ quantity, until }: Statement<'order'>, start: bigint): bigint | undefined {
  const ends = [quantity === undefined ? undefined : start + quantity, until, MAX_OFFSET].filter(
    (end) => end !== undefined
  )
  return ends.length === 1 ? undefined : ends.reduce((least, end) => (end < least ? end : least))
}

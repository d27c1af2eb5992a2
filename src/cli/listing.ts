import type { Listing, ListingPayment, NetworkToken } from '../interface/index.ts'
import { priceText } from '../interface/index.ts'
import { short, table } from './table.ts'

/** What programs get of a listing in a list; `ddm show --json` gives the whole document. */
export function listingSummary({ id, version, cid, status, trust, peerId, document, updatedAt }: Listing) {
  const { title, description, payment, cadence } = document
  return { id, version, cid, title, description, status, trust, seller: peerId, payment, cadence, updatedAt }
}

export function firstPrice(payment: readonly ListingPayment[], token: NetworkToken): string {
  const [first] = payment
  return first === undefined ? 'no price' : priceText(first.price, token)
}

export function listingTable(listings: readonly Listing[], token: NetworkToken): string[] {
  const rows = listings.map(({ id, document, peerId, trust }) => [
    short(id, 12),
    firstPrice(document.payment, token),
    document.cadence?.mode ?? '',
    `…${peerId.slice(-8)}`,
    trust === 'confirmed' ? document.title : `${document.title} (unconfirmed)`
  ])
  return table(['LISTING', 'PRICE', 'KIND', 'SELLER', 'TITLE'], rows)
}

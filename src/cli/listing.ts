import { type Listing, type ListingPayment, priceText } from '../interface/index.ts'
import type { DdmNode } from '../node/index.ts'
import { currencyOf } from './context.ts'
import { short, table } from './table.ts'

/** What programs get of a listing in a list; `ddm show --json` gives the whole document. */
export function listingSummary({ id, version, cid, status, trust, peerId, document, updatedAt }: Listing) {
  const { title, description, payment, cadence } = document
  return { id, version, cid, title, description, status, trust, seller: peerId, payment, cadence, updatedAt }
}

/** Every way to pay. */
export function pricesText(payment: readonly ListingPayment[], node: Pick<DdmNode, 'profile'>): string {
  if (payment.length === 0) return 'no price'
  return payment.map(({ rail, price }) => priceText(price, currencyOf(node, rail))).join(' or ')
}

export function listingTable(listings: readonly Listing[], node: Pick<DdmNode, 'profile'>): string[] {
  const rows = listings.map(({ id, document, peerId, trust }) => [
    short(id, 12),
    pricesText(document.payment, node),
    document.cadence?.mode ?? '',
    `…${peerId.slice(-8)}`,
    trust === 'confirmed' ? document.title : `${document.title} (unconfirmed)`
  ])
  return table(['LISTING', 'PRICE', 'KIND', 'SELLER', 'TITLE'], rows)
}

import type { AbortOptions, Currency, Hex, Price, RailName, SessionRecord, SessionStore } from '../interface/index.ts'
import { costsMore, isResumable, priceOf, readSession } from '../protocols/sdpp/index.ts'
import { priceFromText } from './money.ts'

/** A purchase of a listing that was cut, maybe in an earlier run. */
export interface Unfinished {
  id: string
  rail: RailName
  /** As it was ordered; the listing may have another one by now. */
  price: Price
  /** Atomic units: signed for so far, and most that it may come to. */
  paid: bigint
  maximum: bigint
}

/** A seller that was not asked for a day may have forgotten the session (docs/specs/sdpp.md, Resume). */
const RESUME_WITHIN_MS = 86_400_000

/** The newest of a listing; not one whose records go to a file: it goes on there only. */
export async function findUnfinished(
  listing: Hex,
  { sessions, inUse }: { sessions: SessionStore; inUse: (session: SessionRecord) => boolean },
  options: AbortOptions = {}
): Promise<Unfinished | undefined> {
  const since = Date.now() - RESUME_WITHIN_MS
  const cut = (await sessions.list('buyer', options)).findLast(
    (record) =>
      record.listingId === listing &&
      isResumable(record) &&
      record.sink === undefined &&
      record.updatedAt > since &&
      !inUse(record)
  )
  const session = cut === undefined ? undefined : await readSession(sessions, cut.id, 'buyer', options)
  if (cut === undefined || session === undefined || session.receipt !== undefined) return undefined
  const { maximum, price } = session.order.content
  const ordered = session.offer.content.prices[Number(price)]
  if (ordered === undefined) return undefined
  return { id: cut.id, rail: cut.rail, price: priceOf(ordered), paid: cut.paid, maximum }
}

/** Whether it may go on for whoever pays so, has so much left, and pays no more for a record than `maxPrice`. */
export function isWithin(
  { rail, price, paid, maximum }: Unfinished,
  wish: { rail: RailName; left: bigint; maxPrice: string | undefined; currency: (rail: RailName) => Currency }
): boolean {
  if (rail !== wish.rail) return false
  if (rail === 'free') return true
  if (maximum - paid > wish.left) return false
  const { maxPrice, currency } = wish
  if (maxPrice === undefined) return true
  return !costsMore(price, priceFromText(maxPrice, { unit: price.unit, count: 1 }, currency(rail)))
}

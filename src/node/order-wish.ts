import {
  type Currency,
  DdmError,
  due,
  type Listing,
  type ListingPayment,
  type Price,
  priceText
} from '../interface/index.ts'
import type { OrderWish } from '../protocols/sdpp/index.ts'
import type { NodeConfig } from './config.ts'
import { atomicAmount, priceFromText, tokenText } from './money.ts'
import type { BuyOptions } from './types.ts'

/** What a node allows a purchase when its caller says nothing; atomic units. */
export interface WishDefaults {
  currency: Currency
  prepay: bigint
  maximum: bigint
}

export function wishDefaults(
  currency: Currency,
  { prepay, budgetPerSession }: Pick<NodeConfig, 'prepay' | 'budgetPerSession'>
): WishDefaults {
  return {
    currency,
    prepay: atomicAmount(prepay, currency, 'prepay'),
    maximum: atomicAmount(budgetPerSession, currency, 'budgetPerSession')
  }
}

/** Highest price per unit, as a fraction. */
export type PriceLimit = Pick<Price, 'amount' | 'count'>

/** What a caller asks for, as an ORDER says it. */
export function orderWish(
  listing: Listing,
  payment: ListingPayment,
  options: BuyOptions,
  defaults: WishDefaults
): OrderWish {
  const { records, from, max, k, prepay, duration } = options
  const { currency } = defaults
  const quantity = records === undefined ? undefined : BigInt(records)
  if (quantity !== undefined && quantity < 1n) throw new DdmError('usage', `--records ${quantity} is not 1 or more`)
  const finite = listing.document.cadence?.mode === 'finite'
  return keptOfFree(listing, {
    from: startOf(from, finite),
    ...(quantity === undefined ? {} : { quantity }),
    ...(duration === undefined ? {} : { duration: BigInt(duration) }),
    ...(k === undefined ? {} : { k: BigInt(k) }),
    ...(prepay === undefined
      ? { prepay: defaults.prepay }
      : { prepay: atomicAmount(prepay, currency, 'prepay'), prepayForAll: true }),
    maximum:
      max === undefined ? defaultMaximum(listing, payment, quantity, defaults) : withinSession(max, payment, defaults)
  })
}

/** Who pays for nothing takes what is kept of the free records: a stream may have forgotten the first ones. */
function keptOfFree(listing: Listing, wish: OrderWish): OrderWish {
  const { freeRange } = listing.document
  if (freeRange === undefined || wish.maximum > 0n || !isGivenAway(listing, wish)) return wish
  return { ...wish, from: { ...wish.from, earliest: true }, until: BigInt(freeRange.to) }
}

export function priceLimit({ price }: ListingPayment, maxPrice: string | undefined, currency: Currency) {
  return maxPrice === undefined ? undefined : priceFromText(maxPrice, { unit: price.unit, count: 1 }, currency)
}

/**
 * What the wanted records cost at most by the listing, else what the node allows a session. Never more than that: an order
 * that the budget ends half-way would leave its last records unpaid.
 */
function defaultMaximum(
  { document }: Listing,
  { price }: ListingPayment,
  quantity: bigint | undefined,
  { maximum, currency }: WishDefaults
): bigint {
  const { maxRecordBytes } = document.schema
  if (quantity === undefined || (price.unit !== 'record' && maxRecordBytes === undefined)) return maximum
  const cost = due(priceOf(price), { n: quantity, records: quantity, bytes: quantity * BigInt(maxRecordBytes ?? 0) })
  if (cost <= maximum) return cost
  // Records may be shorter, and some be free.
  if (price.unit !== 'record' || document.freeRange !== undefined) return maximum
  throw aboveSession(`${quantity} records cost`, cost, maximum, currency)
}

/** What the caller allows, within what the node does. */
function withinSession(
  max: BuyOptions['max'] & {},
  { price }: ListingPayment,
  { maximum, currency }: WishDefaults
): bigint {
  const asked = atomicAmount(max, currency, 'max')
  if (asked <= maximum) return asked
  const one = due(priceOf(price), { n: 1n, records: 1n, bytes: 1n })
  if (one > maximum) throw aboveSession('one record costs', one, maximum, currency)
  return maximum
}

function aboveSession(what: string, cost: bigint, maximum: bigint, currency: Currency): DdmError {
  const [need, have] = [tokenText(cost, currency), tokenText(maximum, currency)]
  return new DdmError(
    'budget',
    `${what} ${need}, budgetPerSession allows ${have}; to allow more, raise budgetPerSession`,
    {
      details: { setting: 'budgetPerSession', need, have }
    }
  )
}

function priceOf({ amount, count, unit }: ListingPayment['price']): Price {
  return { amount: BigInt(amount), count: BigInt(count), unit }
}

/** What the listing says is known before anybody is dialled; the offer is held against the same limits again. */
export function checkListed(
  listing: Listing,
  payment: ListingPayment,
  wish: OrderWish,
  limit: PriceLimit | undefined,
  currency: Currency
): void {
  const price = priceOf(payment.price)
  const least = due(price, { n: 1n, records: 1n, bytes: 1n })
  if (least > wish.maximum && !isGivenAway(listing, wish)) {
    const [have, need] = [tokenText(wish.maximum, currency), tokenText(least, currency)]
    throw new DdmError(
      'priceAboveLimit',
      `one record of listing ${listing.id} costs ${need}, more than the maximum ${have}`,
      {
        details: { price: need, max: have }
      }
    )
  }
  if (limit === undefined || price.amount * limit.count <= limit.amount * price.count) return
  const [asked, allowed] = [priceText(price, currency), priceText({ ...limit, unit: price.unit }, currency)]
  throw new DdmError('priceAboveLimit', `listing ${listing.id} costs ${asked}, more than your limit ${allowed}`, {
    details: { price: asked, limit: allowed }
  })
}

export function checkActive({ id, status, document }: Listing): void {
  if (status !== 'active') throw new DdmError('refused', `listing ${id} ("${document.title}") is ${status}`)
}

/** All that is ordered lies in the free range. */
function isGivenAway({ document: { freeRange } }: Listing, { from: { offset }, quantity }: OrderWish): boolean {
  if (freeRange === undefined || offset === undefined || quantity === undefined) return false
  return offset >= BigInt(freeRange.from) && offset + quantity <= BigInt(freeRange.to)
}

function startOf(from: BuyOptions['from'], finite: boolean): OrderWish['from'] {
  if (from === 'live') return { live: true }
  if (from instanceof Date) return { time: timeOf(from) }
  if (from !== undefined) return { offset: BigInt(from) }
  return finite ? { earliest: true } : { live: true }
}

function timeOf(date: Date): bigint {
  const time = date.getTime()
  if (Number.isSafeInteger(time) && time >= 0) return BigInt(time)
  throw new DdmError('usage', 'the time to start from is no time since 1970')
}

import { DdmError, due, type Listing, type NetworkToken, type Price, priceText } from '../interface/index.ts'
import type { OrderWish } from '../protocols/sdpp/index.ts'
import { atomicAmount, priceFromText, tokenText } from './money.ts'
import type { BuyOptions } from './types.ts'

/** What a node allows a purchase when its caller says nothing; atomic units. */
export interface WishDefaults {
  token: NetworkToken
  prepay: bigint
  maximum: bigint
}

/** Highest price per unit, as a fraction. */
export type PriceLimit = Pick<Price, 'amount' | 'count'>

/** What a caller asks for, as an ORDER says it. */
export function orderWish(listing: Listing, options: BuyOptions, defaults: WishDefaults): OrderWish {
  const { records, from, max, k, prepay, duration } = options
  const { token } = defaults
  const quantity = records === undefined ? undefined : BigInt(records)
  if (quantity !== undefined && quantity < 1n) throw new DdmError('usage', `--records ${quantity} is not 1 or more`)
  const finite = listing.document.cadence?.mode === 'finite'
  return {
    from: startOf(from, finite),
    ...(quantity === undefined ? {} : { quantity }),
    ...(duration === undefined ? {} : { duration: BigInt(duration) }),
    ...(k === undefined ? {} : { k: BigInt(k) }),
    ...(prepay === undefined
      ? { prepay: defaults.prepay }
      : { prepay: atomicAmount(prepay, token, 'prepay'), prepayForAll: true }),
    maximum: max === undefined ? defaultMaximum(listing, quantity, defaults.maximum) : atomicAmount(max, token, 'max')
  }
}

export function priceLimit({ document }: Listing, maxPrice: string | undefined, token: NetworkToken) {
  const per = document.payment[0]?.price ?? { unit: 'record' as const, count: 1 }
  return maxPrice === undefined ? undefined : priceFromText(maxPrice, { unit: per.unit, count: 1 }, token)
}

/** What the wanted records cost at the listing's price, else what the node allows a session. */
function defaultMaximum({ document }: Listing, quantity: bigint | undefined, maximum: bigint): bigint {
  const price = document.payment[0]?.price
  if (price === undefined || quantity === undefined || price.unit !== 'record') return maximum
  return due(
    { amount: BigInt(price.amount), count: BigInt(price.count), unit: price.unit },
    { n: quantity, records: quantity, bytes: 0n }
  )
}

/** What the listing says is known before anybody is dialled; the offer is held against the same limits again. */
export function checkListed(
  listing: Listing,
  wish: OrderWish,
  limit: PriceLimit | undefined,
  token: NetworkToken
): void {
  if (listing.status !== 'active') {
    throw new DdmError('refused', `listing ${listing.id} ("${listing.document.title}") is ${listing.status}`)
  }
  const prices = listing.document.payment.map(({ price: { amount, count, unit } }): Price => {
    return { amount: BigInt(amount), count: BigInt(count), unit }
  })
  const least = prices.map((price) => due(price, { n: 1n, records: 1n, bytes: 1n })).sort((a, b) => (a < b ? -1 : 1))[0]
  if (least !== undefined && least > wish.maximum && !isGivenAway(listing, wish)) {
    const [have, need] = [tokenText(wish.maximum, token), tokenText(least, token)]
    throw new DdmError(
      'priceAboveLimit',
      `one record of listing ${listing.id} costs ${need}, more than the maximum ${have}`,
      {
        details: { price: need, max: have }
      }
    )
  }
  const [first] = prices
  if (limit === undefined || first === undefined) return
  if (prices.some((price) => price.amount * limit.count <= limit.amount * price.count)) return
  const [asked, allowed] = [priceText(first, token), priceText({ ...limit, unit: first.unit }, token)]
  throw new DdmError('priceAboveLimit', `listing ${listing.id} costs ${asked}, more than your limit ${allowed}`, {
    details: { price: asked, limit: allowed }
  })
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

import type { AbortOptions, Listing, Payer } from '../interface/index.ts'
import { granularityFor } from '../payments/index.ts'
import type { NodeConfig } from './config.ts'
import type { BuyOptions, Quote } from './types.ts'
import { chooseWay } from './way-to-pay.ts'

/** What a purchase would be paid with, and what paying itself costs: known before anything is ordered. */
export async function quote(
  listing: Listing,
  payers: readonly Payer[],
  { rails, maxFeePercent }: Pick<NodeConfig, 'rails' | 'maxFeePercent'>,
  { rail, k, signal }: Pick<BuyOptions, 'rail' | 'k'> & AbortOptions
): Promise<Quote> {
  const options = signal === undefined ? {} : { signal }
  const { payment, payer } = await chooseWay(listing, payers, rail === undefined ? rails : [rail], options)
  const fee = (await payer.fee?.({}, options)) ?? 0n
  const { amount, count, unit } = payment.price
  const price = { amount: BigInt(amount), count: BigInt(count), unit }
  const proposed = fee === 0n ? undefined : granularityFor(price, fee, maxFeePercent)
  const records = k === undefined ? proposed : BigInt(k)
  const asked = records === undefined ? 0n : (records * price.amount) / price.count
  return {
    rail: payment.rail,
    payment,
    fee,
    ...(records === undefined ? {} : { k: records }),
    ...(asked === 0n ? {} : { feePercent: Number((fee * 10_000n) / asked) / 100 })
  }
}

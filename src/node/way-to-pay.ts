import {
  type AbortOptions,
  DdmError,
  type Listing,
  type ListingPayment,
  type Payer,
  type RailName
} from '../interface/index.ts'
import type { BuyOptions } from './types.ts'

/** One of a listing's ways to pay, and what of this node pays it. */
export interface WayToPay {
  payment: ListingPayment
  payer: Payer
}

/** Such a purchase gets what is given away, and needs neither funds nor budget. */
export function spendsNothing(max: BuyOptions['max']): boolean {
  return max !== undefined && /^0+(\.0+)?$/.test(`${max}`.trim())
}

/**
 * Picks by wallet and policy: the first rail of the preference that the listing offers and the wallet can pay with. Where
 * nothing is spent, the first.
 *
 * @throws DdmError `refused` when no way of the listing is one of this node's, `funds` when the wallet can pay with none
 */
export async function chooseWay(
  { id, document }: Listing,
  payers: readonly Payer[],
  preference: readonly RailName[],
  options?: AbortOptions & Pick<BuyOptions, 'max'>
): Promise<WayToPay> {
  const ways = preference.flatMap((rail) => {
    return document.payment
      .filter((payment) => payment.rail === rail)
      .flatMap((payment) => {
        const payer = payers.find((one) => canPay(one, payment))
        return payer === undefined ? [] : { payment, payer }
      })
  })
  const [only] = ways
  if (only === undefined) {
    const offered = document.payment.map(({ rail, network }) =>
      network === undefined ? rail : `${rail} on ${network}`
    )
    throw new DdmError(
      'refused',
      `listing ${id} is paid by ${offered.join(' or ')}; this node pays by ${preference.join(', ')} on its own network`,
      { details: { offered: offered.join(', ') } }
    )
  }
  // With one way there is nothing to choose: what is missing is found when the channel is opened.
  if (ways.length === 1 || spendsNothing(options?.max)) return only
  const lacking: string[] = []
  for (const way of ways) {
    const lack = await way.payer.lacks?.(way.payment, options)
    if (lack === undefined) return way
    lacking.push(lack)
  }
  throw new DdmError('funds', `this wallet can pay listing ${id} in none of its ways: ${lacking.join('; ')}`)
}

function canPay(payer: Payer, { rail, network, asset }: ListingPayment): boolean {
  return payer
    .capabilities()
    .some((capability) => capability.rail === rail && capability.network === network && capability.asset === asset)
}

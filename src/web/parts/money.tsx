import { formatUnits, priceText } from '../../interface/index.ts'
import type { Listing, RailName } from '../client/types.ts'
import { currency } from '../node.ts'

/** `0.05 USDC`, of atomic units. */
export function moneyText(amount: bigint | string, rail?: RailName): string {
  const { symbol, decimals } = currency(rail)
  return `${formatUnits(BigInt(amount), decimals)} ${symbol}`
}

export function Money({ amount, rail }: { amount: bigint | string; rail?: RailName | undefined }) {
  const { symbol, decimals } = currency(rail)
  return (
    <span class="money">
      {formatUnits(BigInt(amount), decimals)} <span class="unit">{symbol}</span>
    </span>
  )
}

type Payment = Listing['document']['payment'][number]

export function paymentText({ rail, price }: Payment): string {
  return priceText(price, currency(rail))
}

/** All ways to pay for a listing. */
export function Prices({ of }: { of: Listing }) {
  return <span class="price">{of.document.payment.map(paymentText).join(' or ')}</span>
}

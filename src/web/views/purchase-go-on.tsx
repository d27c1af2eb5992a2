import { useState } from 'preact/hooks'
import { formatUnits, parseUnits } from '../../interface/index.ts'
import { api } from '../client/api.ts'
import type { Purchase, PurchaseWish, RailName } from '../client/types.ts'
import { currency } from '../node.ts'
import { Action } from '../parts/action.tsx'
import { Field } from '../parts/field.tsx'
import { Problem } from '../parts/problem.tsx'
import { go, href } from '../router.ts'
import { continuation } from './purchase-continue.ts'
import type { Terms } from './purchase-terms.ts'

/** The next part of a purchase that is over; a new order may risk more or less than the one before. */
export function GoOn({ purchase, terms }: { purchase: Purchase; terms: Terms }) {
  const [risk, setRisk] = useState<string | undefined>(undefined)
  const [error, setError] = useState<unknown>(undefined)
  const next = continuation(purchase, terms)
  if (next === undefined) return null
  const { rail } = purchase.status
  const { symbol, decimals } = currency(rail)
  const shown = risk ?? (terms.prepay === undefined ? '' : formatUnits(terms.prepay, decimals))
  const goOn = async (): Promise<void> => {
    const more = await api.buy(withRisk(next, shown, rail))
    go(href('purchase', more.purchase, { after: purchase.purchase }))
  }
  return (
    <section class="form" aria-label="Go on">
      {next.options === undefined || rail === 'free' ? null : (
        <Field
          label="Risk"
          unit={symbol}
          input={{ inputMode: 'decimal', placeholder: 'as far as you trust this seller' }}
          value={shown}
          hint="The most that you pay ahead of what has arrived. More makes a fast stream faster."
          onValue={setRisk}
        />
      )}
      <Problem error={error} />
      <div class="actions">
        <Action kind="main" act={goOn} onError={setError}>
          Go on
        </Action>
      </div>
    </section>
  )
}

/** An order with that risk; what is resumed keeps the risk of its order. */
function withRisk({ options, ...wish }: PurchaseWish, risk: string, rail: RailName | undefined): PurchaseWish {
  if (options === undefined) return wish
  const { prepay: _, ...rest } = options
  if (risk.trim() === '') return { ...wish, options: rest }
  const units = parseUnits(risk.trim(), currency(rail).decimals, 'Risk').toString()
  return { ...wish, options: { ...rest, prepay: { units } } }
}

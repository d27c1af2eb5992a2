import { useState } from 'preact/hooks'
import { due, formatUnits, parseUnits } from '../../interface/index.ts'
import { api } from '../client/api.ts'
import type { Listing, PurchaseWish, RailName } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { currency } from '../node.ts'
import { Loading } from '../parts/empty.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { moneyText, paymentText } from '../parts/money.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Text } from '../parts/text.tsx'
import { go, href } from '../router.ts'

/** What is ordered of one listing, before anything is paid. */
export function BuyView({ id }: { id: string }) {
  const { value: listing, error } = useResource((options) => api.listing(id, options), [id])
  const quote = useResource((options) => api.quote(id, undefined, options), [id])
  if (listing === undefined) {
    return <Page title="Buy">{error === undefined ? <Loading /> : <Problem error={error} />}</Page>
  }
  return (
    <Page title="Buy">
      <p class="lead">
        <a href={href('product', listing.id)}>
          <Text max={120}>{listing.document.title}</Text>
        </a>
      </p>
      <Problem error={quote.error} />
      {quote.value === undefined && quote.error === undefined ? (
        <Loading />
      ) : (
        <OrderForm listing={listing} proposed={quote.value?.rail} />
      )}
    </Page>
  )
}

const MANY_RECORDS = '1000'

interface Order {
  rail: RailName
  records: string
  from: '' | 'live' | '0'
  max: string
  risk: string
}

function OrderForm({ listing, proposed }: { listing: Listing; proposed: RailName | undefined }) {
  const { payment, cadence } = listing.document
  const finite = cadence?.mode === 'finite'
  const [order, setOrder] = useState<Order>({
    rail: proposed ?? payment[0]?.rail ?? 'evm',
    records: finite ? '' : MANY_RECORDS,
    from: '',
    max: '',
    risk: ''
  })
  const [error, setError] = useState<unknown>(undefined)
  const [busy, setBusy] = useState(false)
  const set = (change: Partial<Order>): void => setOrder({ ...order, ...change })
  const { symbol } = currency(order.rail)
  const cost = costOf(listing, order)
  const buy = async (): Promise<void> => {
    if (busy) return
    setBusy(true)
    setError(undefined)
    try {
      const { purchase } = await api.buy(wishOf(listing, order))
      go(href('purchase', purchase))
    } catch (problem) {
      setError(problem)
      setBusy(false)
    }
  }
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault()
        void buy()
      }}
    >
      {payment.length < 2 ? (
        <p>{payment.map(paymentText).join('')}</p>
      ) : (
        <Choice
          label="Pay by"
          value={order.rail}
          options={payment.map((way) => [way.rail, `${way.rail}: ${paymentText(way)}`] as const)}
          onValue={(rail) => set({ rail: rail as RailName, max: '', risk: '' })}
        />
      )}
      <Field
        label="Quantity"
        unit="records"
        input={{ inputMode: 'numeric', pattern: '[0-9]*', placeholder: finite ? 'all of them' : 'until you stop' }}
        value={order.records}
        hint={finite ? 'Empty: the whole product.' : 'Empty: until you stop, or the budget is used up.'}
        onValue={(records) => set({ records })}
      />
      <Choice
        label="Beginning with"
        value={order.from}
        options={[
          ['', finite ? 'the first record' : 'what comes next'],
          ...(finite ? [['live', 'what comes next'] as const] : [['0', 'the oldest record kept'] as const])
        ]}
        onValue={(from) => set({ from: from as Order['from'] })}
      />
      <Field
        label="Budget"
        unit={symbol}
        input={{
          inputMode: 'decimal',
          pattern: '[0-9]+([.][0-9]+)?',
          placeholder:
            cost === undefined ? 'your cap for one purchase' : formatUnits(cost, currency(order.rail).decimals)
        }}
        value={order.max}
        hint="The most that this purchase may cost. Nothing is signed beyond it."
        onValue={(max) => set({ max })}
      />
      <Field
        label="Risk"
        unit={symbol}
        input={{ inputMode: 'decimal', pattern: '[0-9]+([.][0-9]+)?', placeholder: 'as far as you trust this seller' }}
        value={order.risk}
        hint="The most that you pay ahead of what has arrived, and so the most that a dishonest seller can keep. Empty: nothing at first, more as the seller delivers. More makes a fast stream faster."
        onValue={(risk) => set({ risk })}
      />
      <p class="sum" aria-live="polite">
        {cost === undefined
          ? 'You pay for what arrives.'
          : `Costs ${moneyText(cost, order.rail)}, paid as the records arrive.`}
      </p>
      <Problem error={error} />
      <div class="actions">
        <button type="submit" class="main" aria-busy={busy} disabled={listing.status !== 'active'}>
          Start buying
        </button>
        <a class="button" href={href('product', listing.id)}>
          Back
        </a>
      </div>
    </form>
  )
}

/** What the wanted records cost; undefined where that depends on what comes. */
function costOf({ document: { payment } }: Listing, { rail, records }: Order): bigint | undefined {
  const price = payment.find((way) => way.rail === rail)?.price
  if (price === undefined || price.unit !== 'record' || !/^[0-9]{1,20}$/.test(records)) return undefined
  const n = BigInt(records)
  const { amount, count, unit } = price
  return due({ amount: BigInt(amount), count: BigInt(count), unit }, { n, records: n, bytes: 0n })
}

function wishOf({ id }: Listing, { rail, records, from, max, risk }: Order): PurchaseWish {
  const { decimals } = currency(rail)
  const units = (text: string, name: string) => ({ units: parseUnits(text, decimals, name).toString() })
  return {
    listing: id,
    keep: 'node',
    options: {
      rail,
      ...(records === '' ? {} : { records }),
      ...(from === '' ? {} : { from }),
      ...(max === '' ? {} : { max: units(max, 'Budget') }),
      ...(risk === '' ? {} : { prepay: units(risk, 'Risk') })
    }
  }
}

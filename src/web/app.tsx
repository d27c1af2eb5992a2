import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from './client/api.ts'
import { refusal, token } from './client/token.ts'
import { node } from './node.ts'
import { Loading } from './parts/empty.tsx'
import { Problem } from './parts/problem.tsx'
import { href, route } from './router.ts'
import { BuyView } from './views/buy.tsx'
import { MarketView } from './views/market.tsx'
import { MoneyView } from './views/money.tsx'
import { NetworkView } from './views/network.tsx'
import { ProductView } from './views/product.tsx'
import { PurchaseView } from './views/purchase.tsx'
import { PurchasesView } from './views/purchases.tsx'
import { SellView } from './views/sell.tsx'
import { SessionView } from './views/session.tsx'
import { TokenView } from './views/token.tsx'

const PLACES = [
  ['market', 'Market'],
  ['buy', 'Buy'],
  ['sell', 'Sell'],
  ['money', 'Money'],
  ['network', 'Network']
] as const

/** Which of the places a view belongs to. */
const PLACE_OF: Readonly<Record<string, string>> = { product: 'market', purchase: 'buy', session: 'buy' }

export function App() {
  const main = useRef<HTMLElement>(null)
  const [error, setError] = useState<unknown>(undefined)
  const { view, id } = route.value
  const opened = token.value
  useEffect(() => {
    if (opened === undefined) return
    const gone = new AbortController()
    api.node({ signal: gone.signal }).then(
      (known) => {
        node.value = known
        setError(undefined)
      },
      (problem: unknown) => {
        if (!gone.signal.aborted) setError(problem)
      }
    )
    return () => gone.abort()
  }, [opened])
  useArrival(`${view}/${id}`, main)
  if (opened === undefined) return <TokenView why={refusal.value} />
  return (
    <>
      <a class="skip" href={location.hash} onClick={(event) => focusMain(event, main.current)}>
        Skip to the content
      </a>
      <header class="top">
        <a class="name" href={href('market')}>
          DDM
        </a>
        <nav aria-label="Places">
          {PLACES.map(([place, label]) => (
            <a key={place} href={href(place)} aria-current={(PLACE_OF[view] ?? view) === place ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
      </header>
      <main ref={main} tabIndex={-1}>
        <Problem error={error} />
        {node.value === undefined ? error === undefined ? <Loading /> : null : <View />}
      </main>
    </>
  )
}

function View() {
  const { view, id } = route.value
  if (view === 'product' && id !== undefined) return <ProductView key={id} id={id} />
  if (view === 'buy') return id === undefined ? <PurchasesView /> : <BuyView key={id} id={id} />
  if (view === 'purchase' && id !== undefined) return <PurchaseView key={id} id={id} />
  if (view === 'session' && id !== undefined) return <SessionView key={id} id={id} />
  if (view === 'sell') return <SellView />
  if (view === 'money') return <MoneyView />
  if (view === 'network') return <NetworkView />
  return <MarketView />
}

/** Who reads with a screen reader or the keyboard begins where the new view begins. */
function useArrival(where: string, main: { current: HTMLElement | null }): void {
  const came = useRef(where)
  useEffect(() => {
    if (came.current === where) return
    came.current = where
    main.current?.focus({ preventScroll: true })
    window.scrollTo(0, 0)
  }, [where, main])
}

function focusMain(event: Event, main: HTMLElement | null): void {
  event.preventDefault()
  main?.focus()
}

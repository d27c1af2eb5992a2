import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Purchase } from '../client/types.ts'
import { Money, moneyText } from '../parts/money.tsx'
import type { Terms } from './purchase-terms.ts'

/** A screen reader hears the numbers no more often. */
const SAID_MS = 10_000

/** What came, what it cost, and what is at risk, as it changes. */
export function Ticker({
  purchase,
  terms: { maximum, credit = 0n, ahead = 0n }
}: {
  purchase: Purchase
  terms: Terms
}) {
  const { status } = purchase
  const { rail } = status
  const [due, paid, risk] = [BigInt(status.due), BigInt(status.paid), BigInt(status.risk)]
  const unpaid = due > paid ? due - paid : 0n
  // How far delivery may run ahead of payments, and what is left of that.
  const window = credit + ahead
  const room = credit > unpaid ? credit - unpaid + risk : risk
  const said = useSaid(`${status.received} records, ${moneyText(paid, rail)} paid`)
  return (
    <section aria-label="Money">
      <div class="ticker">
        <Tile name="Records">
          {status.received}
          <small>{status.rate.toFixed(1)} per second</small>
        </Tile>
        <Tile name="Paid" bar={maximum === undefined ? undefined : [paid, maximum]}>
          <Money amount={paid} rail={rail} />
          {maximum === undefined ? null : <small>of {moneyText(maximum, rail)}</small>}
        </Tile>
        <Tile name="Window" bar={window === 0n ? undefined : [room, window]}>
          <Money amount={window} rail={rail} />
          <small>
            {moneyText(room, rail)} free; {moneyText(unpaid, rail)} came and is not paid yet
          </small>
        </Tile>
        <Tile name="At risk now" bar={ahead === 0n ? undefined : [risk, ahead]}>
          <Money amount={risk} rail={rail} />
          <small>{ahead === 0n ? 'you pay after delivery' : `at most ${moneyText(ahead, rail)}`}</small>
        </Tile>
        <Quality of={status.quality} />
        <Tile name="Invoices and payments">
          {status.invoices} / {status.payments}
          {status.resumes === 0 ? null : <small>{status.resumes} lost connections mended</small>}
        </Tile>
      </div>
      <p class="hidden" role="status">
        {said}
      </p>
    </section>
  )
}

function Quality({ of: { delayMs, missing, invalid } }: { of: Purchase['status']['quality'] }) {
  if (delayMs === undefined && missing === undefined && invalid === 0) return null
  return (
    <Tile name="Quality">
      {delayMs === undefined ? 'no clock' : `${Math.round(delayMs.p50)} ms behind`}
      <small>
        {missing ?? 0} missing, {invalid} not as promised
      </small>
    </Tile>
  )
}

interface TileProps {
  name: string
  /** How much of how much. */
  bar?: readonly [bigint, bigint] | undefined
  children: ComponentChildren
}

const PARTS = 1000n

function Tile({ name, bar, children }: TileProps) {
  return (
    <div class="tile">
      <h2>{name}</h2>
      <p class="number">{children}</p>
      {bar === undefined || bar[1] === 0n ? null : (
        <progress aria-label={name} max={Number(PARTS)} value={Number((bar[0] * PARTS) / bar[1])} />
      )}
    </div>
  )
}

/** The text as it was when it was last said. */
function useSaid(text: string): string {
  const newest = useRef(text)
  newest.current = text
  const [said, setSaid] = useState('')
  useEffect(() => {
    const timer = setInterval(() => setSaid(newest.current), SAID_MS)
    return () => clearInterval(timer)
  }, [])
  return said
}

import { useEffect, useState } from 'preact/hooks'
import { follow } from '../client/events.ts'
import type { Purchase, WireRecord } from '../client/types.ts'
import { type Row, rowsOf } from './rows.ts'

/** What a purchase shows while it runs. */
export interface Live {
  purchase: Purchase | undefined
  /** The newest records, oldest first. */
  rows: readonly Row[]
  error: unknown
}

const KEPT_ROWS = 600

/** Screens and people follow no faster. */
const SHOW_MS = 200

/** Looks on at a purchase that the node keeps; leaving the page does not end it. */
export function useLive(id: string): Live {
  const [live, setLive] = useState<Live>({ purchase: undefined, rows: [], error: undefined })
  useEffect(() => {
    const gone = new AbortController()
    const { signal } = gone
    let purchase: Purchase | undefined
    let rows: readonly Row[] = []
    let last = -1n
    let failure: unknown
    let timer: ReturnType<typeof setTimeout> | undefined
    const show = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined
        if (!signal.aborted) setLive({ purchase, rows, error: failure })
      }, SHOW_MS)
    }
    const take = (records: readonly WireRecord[]): void => {
      // A new connection begins with the newest records again.
      const fresh = records.filter(({ offset }) => BigInt(offset) > last).slice(-KEPT_ROWS)
      const newest = fresh.at(-1)
      if (newest === undefined) return
      last = BigInt(newest.offset)
      rows = [...rows, ...rowsOf(fresh)].slice(-KEPT_ROWS)
    }
    const watch = follow(
      `/v1/purchases/${encodeURIComponent(id)}/live`,
      ({ event, data }) => {
        if (event === 'records') take(data as WireRecord[])
        if (event === 'status') purchase = data as Purchase
        show()
        return purchase !== undefined && isOver(purchase)
      },
      { signal }
    )
    watch.catch((error: unknown) => {
      failure = error
      show()
    })
    return () => {
      clearTimeout(timer)
      gone.abort()
    }
  }, [id])
  return live
}

export function isOver({ outcome, problem }: Purchase): boolean {
  return outcome !== undefined || problem !== undefined
}

import { due } from '../../interface/index.ts'
import { advance, fitting, nextInvoiceAt, type Records, type SessionTerms } from './account.ts'
import { MAX_IN_FLIGHT_BYTES } from './constants.ts'
import {
  endStreaming,
  hasSentAgain,
  invoice,
  isOneOpen,
  type SellerEffect,
  type SellerState,
  streamingDeadline
} from './seller-state.ts'
import { CLOSE_REASON } from './status.ts'

const IN_FLIGHT_ENTRY_BYTES = 32 * 1024

function inFlightBytes(state: SellerState): number {
  return state.inFlight.reduce((sum, entry) => sum + entry.bytes, 0)
}

/** Most that may be due after the next slice. */
export function dueLimit(state: SellerState, terms: SessionTerms): bigint {
  let limit = state.credited + terms.credit
  if (terms.maximum < limit) limit = terms.maximum
  if (state.available !== undefined && state.available < limit) limit = state.available
  return limit
}

/** An invoice may wait while another is unanswered and half the window is free; where each moves money, always. */
function maySkip(state: SellerState, terms: SessionTerms, dueNow: bigint): boolean {
  if (isOneOpen(state)) return true
  return (
    state.invoicing === 'adaptive' &&
    state.invoiced.due > state.credited &&
    (dueNow - state.credited) * 2n <= terms.credit
  )
}

/** Where payments cost a fee none is smaller than k records; others fall where sessions share work. */
function invoiceAt({ invoicing, invoiced }: SellerState, terms: SessionTerms): bigint {
  return invoicing === 'one' ? invoiced.n + terms.k : nextInvoiceAt(terms, invoiced.n)
}

/** Sends the largest slice that fits window and flow, and the invoice that it makes due. */
export function deliver(
  state: SellerState,
  terms: SessionTerms,
  records: Records,
  now: number
): [SellerState, SellerEffect[]] {
  const next = terms.start + state.sent.n
  const from = Number(next - records.first)
  let to = records.count
  if (terms.end !== undefined && records.first + BigInt(to) > terms.end) to = Number(terms.end - records.first)
  if (to <= from) return endStreaming(state, state.reason ?? CLOSE_REASON.complete, now)
  if (!maySkip(state, terms, state.due)) {
    const boundary = Number(terms.start + invoiceAt(state, terms) - records.first)
    if (boundary > from && boundary < to) to = boundary
  }
  const room = roomFor(state, terms, records, from, to)
  if (room === 0 && state.closing) return endStreaming(state, state.reason ?? CLOSE_REASON.complete, now)
  if (room === 0) return onWindowFull(state, terms, records, from, now)
  to = from + room
  to = withinFlow(records, from, to, MAX_IN_FLIGHT_BYTES - inFlightBytes(state), state.inFlight.length === 0)
  if (to === from) {
    const held: SellerState = { ...state, blocked: 'flow', flowSince: state.flowSince ?? now }
    return [{ ...held, deadline: streamingDeadline(held, now) }, []]
  }

  const progress = advance(terms, state.sent, records, from, to)
  const owed = due(terms.price, progress)
  const slice: SellerEffect = { type: 'data', from, to, endOfBlock: to === records.count, progress }
  const after: SellerState = {
    ...state,
    blocked: 'no',
    sent: progress,
    due: owed,
    uninvoicedSince: state.uninvoicedSince ?? now,
    inFlight: withEntry(state.inFlight, progress.n, bytesOf(records, from, to))
  }
  if (after.closing && hasSentAgain(after)) {
    const [ended, effects] = endStreaming(after, after.reason ?? CLOSE_REASON.complete, now)
    return [ended, [slice, ...effects]]
  }
  if (progress.n >= invoiceAt(state, terms) && !maySkip(state, terms, owed)) {
    const [invoiced, effect] = invoice(after, now)
    return [invoiced, [slice, effect]]
  }
  return [{ ...after, deadline: streamingDeadline(after, now) }, [slice]]
}

/** How many of the records may go: those sent before go again for nothing, new ones as the window allows. */
function roomFor(state: SellerState, terms: SessionTerms, records: Records, from: number, to: number): number {
  const again = Math.min(Number(terms.start + state.sentBefore - records.first), to)
  if (state.closing) {
    const fits = (end: number, limit: bigint): number =>
      end > from ? fitting(terms, state.sent, records, from, end, limit) : 0
    return Math.max(fits(again, state.credited), fits(to, state.dueBefore))
  }
  return again > from ? again - from : fitting(terms, state.sent, records, from, to, dueLimit(state, terms))
}

function bytesOf(records: Records, from: number, to: number): number {
  return (records.ends[to - 1] as number) - (from === 0 ? 0 : (records.ends[from - 1] as number))
}

/** A slice waits for the budget rather than being cut by it, unless nothing is in flight. */
function withinFlow(records: Records, from: number, to: number, budget: number, idle: boolean): number {
  if (bytesOf(records, from, to) <= budget) return to
  if (!idle) return from
  let end = from + 1
  while (end < to && bytesOf(records, from, end + 1) <= budget) end++
  return end
}

function withEntry(entries: SellerState['inFlight'], n: bigint, bytes: number): Array<{ n: bigint; bytes: number }> {
  const last = entries.at(-1)
  if (last !== undefined && last.bytes + bytes <= IN_FLIGHT_ENTRY_BYTES) {
    return [...entries.slice(0, -1), { n, bytes: last.bytes + bytes }]
  }
  return [...entries, { n, bytes }]
}

function onWindowFull(
  state: SellerState,
  terms: SessionTerms,
  records: Records,
  from: number,
  now: number
): [SellerState, SellerEffect[]] {
  const fits = (limit: bigint): boolean => fitting(terms, state.sent, records, from, from + 1, limit) > 0
  // No payment can ever make room for the next record: the order is used up.
  if (!fits(terms.maximum)) return endStreaming(state, CLOSE_REASON.maximum, now)
  const { available } = state
  const short = available !== undefined && !fits(available)
  const blocked: SellerState = { ...state, blocked: short ? 'channel' : 'window' }
  const ask: SellerEffect[] = short ? [{ type: 'topUp', have: available, need: terms.maximum }] : []
  if (state.sent.n > state.invoiced.n && !isOneOpen(state)) {
    const [invoiced, effect] = invoice(blocked, now)
    return [invoiced, [effect, ...ask]]
  }
  return [{ ...blocked, deadline: streamingDeadline(blocked, now) }, ask]
}

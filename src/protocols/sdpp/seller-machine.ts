import { due, NO_PROGRESS, type Progress } from '../../interface/index.ts'
import { advance, fitting, nextInvoiceAt, type Records, type SessionTerms } from './account.ts'
import {
  ACCEPT_TIMEOUT_MS,
  HELLO_TIMEOUT_MS,
  INVOICE_DELAY_MS,
  MAX_IN_FLIGHT_BYTES,
  ORDER_TIMEOUT_MS,
  PAYMENT_TIMEOUT_MS,
  RECEIPT_TIMEOUT_MS
} from './constants.ts'
import type { FrameName } from './frame.ts'
import { CLOSE_REASON, STATUS, type StatusCode } from './status.ts'
import { follow, SELLER_EXPECTS, SELLER_TRANSITIONS, type SellerPhase } from './transitions.ts'

/** How often invoices are sent: every one at k, or fewer while the link is slower than the window (Invoices). */
export type Invoicing = 'strict' | 'adaptive'

export interface SellerState {
  readonly phase: SellerPhase
  readonly invoicing: Invoicing
  readonly terms: SessionTerms | undefined
  readonly sent: Progress
  /** Position reached before the stream was cut: records up to it were risked already and are sent again for nothing. */
  readonly sentBefore: bigint
  readonly dueBefore: bigint
  readonly due: bigint
  readonly credited: bigint
  /** What the channel can pay for this session in total; undefined when free. */
  readonly available: bigint | undefined
  readonly invoiced: { n: bigint; due: bigint }
  readonly uninvoicedSince: number | undefined
  /** The oldest invoice that asks for money and is unanswered: newer ones do not restart its timer. */
  readonly awaiting: { due: bigint; since: number } | undefined
  /** The payment timer was paused for a deposit; that is granted once, and again when a deposit has come. */
  readonly pausedOnce: boolean
  /** Slices on their way: position after each and its bytes. Neighbours share an entry up to 32 KiB. */
  readonly inFlight: ReadonlyArray<{ n: bigint; bytes: number }>
  /** `channel`: what it can pay is used up, though not the order's maximum. */
  readonly blocked: 'no' | 'window' | 'flow' | 'channel'
  readonly reason: number | undefined
  /** CLOSE came while records that are paid for were still to be sent again: they go first. */
  readonly closing: boolean
  readonly finalInvoice: boolean
  /** Monotonic ms at which `tick` must come. */
  readonly deadline: number | undefined
}

/** Where an accepted session stands that was cut. */
export interface SellerStanding {
  /** The position that the buyer named, and what is due there. */
  sent: Progress
  sentBefore: bigint
  /** Least that was due before the cut. */
  dueBefore: bigint
  credited: bigint
  /** Why it ended, when it did: then it goes no further than `sentBefore`. */
  reason?: number
}

export type SellerEvent =
  | { type: 'menuServed' }
  | { type: 'offered' }
  | { type: 'ordered' }
  | { type: 'resuming' }
  | { type: 'accepted'; terms: SessionTerms; available: bigint | undefined; resumed?: SellerStanding }
  | { type: 'refused' }
  /** The block that holds the next offset; `records.first` ≤ next. */
  | { type: 'block'; records: Records }
  | { type: 'ended' }
  | { type: 'toppingUp' }
  | { type: 'credited'; sessionPaid: bigint; available?: bigint }
  | { type: 'position'; n: bigint }
  | { type: 'close'; reason: number }
  | { type: 'acknowledged' }
  | { type: 'tick' }
  | { type: 'aborted' }

export type SellerEffect =
  | { type: 'data'; from: number; to: number; endOfBlock: boolean; progress: Progress }
  | { type: 'close'; reason: number }
  | { type: 'invoice'; n: bigint; bytes: bigint; due: bigint; credited: bigint }
  | { type: 'receipt'; n: bigint; bytes: bigint; due: bigint; credited: bigint; reason: number }
  /** Asks for a deposit: the channel can pay `have` of what the order may cost. */
  | { type: 'topUp'; have: bigint; need: bigint }
  | { type: 'pump' }
  | { type: 'finish' }
  | { type: 'fail'; code: StatusCode; text: string }

const IN_FLIGHT_ENTRY_BYTES = 32 * 1024

export function sellerStart(now: number, invoicing: Invoicing): SellerState {
  return {
    phase: 'listening',
    invoicing,
    terms: undefined,
    sent: NO_PROGRESS,
    sentBefore: 0n,
    dueBefore: 0n,
    due: 0n,
    credited: 0n,
    available: undefined,
    invoiced: { n: 0n, due: 0n },
    uninvoicedSince: undefined,
    awaiting: undefined,
    pausedOnce: false,
    inFlight: [],
    blocked: 'no',
    reason: undefined,
    closing: false,
    finalInvoice: false,
    deadline: now + HELLO_TIMEOUT_MS
  }
}

export function sellerExpects(state: SellerState, frame: FrameName): boolean {
  return SELLER_EXPECTS[state.phase].includes(frame)
}

function move(state: SellerState, event: string): SellerState {
  return { ...state, phase: follow(SELLER_TRANSITIONS, state.phase, event) as SellerPhase }
}

function fail(state: SellerState, code: StatusCode, text: string): [SellerState, SellerEffect[]] {
  return [{ ...move(state, 'aborted'), deadline: undefined }, [{ type: 'fail', code, text }]]
}

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

/** An invoice may wait while another is unanswered and half the window is free. */
function maySkip(state: SellerState, terms: SessionTerms, dueNow: bigint): boolean {
  return (
    state.invoicing === 'adaptive' &&
    state.invoiced.due > state.credited &&
    (dueNow - state.credited) * 2n <= terms.credit
  )
}

function invoice(state: SellerState, now: number): [SellerState, SellerEffect] {
  const { sent, credited } = state
  const awaiting = state.awaiting ?? (state.due > credited ? { due: state.due, since: now } : undefined)
  const next = { ...state, invoiced: { n: sent.n, due: state.due }, uninvoicedSince: undefined, awaiting }
  return [
    { ...next, deadline: streamingDeadline(next, now) },
    { type: 'invoice', n: sent.n, bytes: sent.bytes, due: state.due, credited }
  ]
}

/** Uninvoiced records never start a payment timer; an invoice that asks for money does. */
function streamingDeadline(state: SellerState, now: number): number | undefined {
  const { uninvoicedSince, awaiting, blocked, closing } = state
  if (closing) return now + PAYMENT_TIMEOUT_MS
  const since = awaiting?.since ?? (blocked === 'window' || blocked === 'channel' ? now : undefined)
  const payment = since === undefined ? Number.POSITIVE_INFINITY : since + PAYMENT_TIMEOUT_MS
  const invoiced = uninvoicedSince === undefined ? Number.POSITIVE_INFINITY : uninvoicedSince + INVOICE_DELAY_MS
  const deadline = Math.min(payment, invoiced)
  return deadline === Number.POSITIVE_INFINITY ? undefined : deadline
}

/** Sends the largest slice that fits window and flow, and the invoice that it makes due. */
function deliver(
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
    const boundary = Number(terms.start + nextInvoiceAt(terms, state.invoiced.n) - records.first)
    if (boundary > from && boundary < to) to = boundary
  }
  const room = roomFor(state, terms, records, from, to)
  if (room === 0 && state.closing) return endStreaming(state, state.reason ?? CLOSE_REASON.complete, now)
  if (room === 0) return onWindowFull(state, terms, records, from, now)
  to = from + room
  to = withinFlow(records, from, to, MAX_IN_FLIGHT_BYTES - inFlightBytes(state), state.inFlight.length === 0)
  if (to === from) return [{ ...state, blocked: 'flow' }, []]

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
  if (progress.n >= nextInvoiceAt(terms, state.invoiced.n) && !maySkip(state, terms, owed)) {
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

/** All that was sent before the cut has been sent once more, or all that is paid for. */
function hasSentAgain({ sent, sentBefore, due, dueBefore, credited }: SellerState): boolean {
  return due >= credited || (sent.n >= sentBefore && due >= dueBefore)
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
  if (state.sent.n > state.invoiced.n) {
    const [invoiced, effect] = invoice(blocked, now)
    return [invoiced, [effect, ...ask]]
  }
  return [{ ...blocked, deadline: streamingDeadline(blocked, now) }, ask]
}

/** CLOSE, then the final invoice at the last position; the receipt follows when it is paid or the time is over. */
function endStreaming(state: SellerState, reason: number, now: number): [SellerState, SellerEffect[]] {
  const [settling, effect] = invoice({ ...move(state, 'closing'), reason, finalInvoice: true, blocked: 'no' }, now)
  const effects: SellerEffect[] = [{ type: 'close', reason }, effect]
  if (settling.due > settling.credited && reason !== CLOSE_REASON.schema)
    return [{ ...settling, deadline: now + PAYMENT_TIMEOUT_MS }, effects]
  const [receipted, more] = giveReceipt(settling, now)
  return [receipted, [...effects, ...more]]
}

function giveReceipt(state: SellerState, now: number): [SellerState, SellerEffect[]] {
  const { sent, credited, reason } = state
  return [
    { ...move(state, 'receipted'), deadline: now + RECEIPT_TIMEOUT_MS },
    [{ type: 'receipt', n: sent.n, bytes: sent.bytes, due: state.due, credited, reason: reason ?? 0 }]
  ]
}

/** A session that goes on begins with an invoice: it says where both stand. */
function onAccepted(
  state: SellerState,
  { terms, available, resumed }: Extract<SellerEvent, { type: 'accepted' }>,
  now: number
): [SellerState, SellerEffect[]] {
  const streaming: SellerState = { ...move(state, 'accepted'), terms, available, deadline: undefined }
  if (resumed === undefined) return [streaming, [{ type: 'pump' }]]
  const owed = due(terms.price, resumed.sent)
  const standing: SellerState = { ...streaming, ...resumed, reason: resumed.reason, due: owed }
  const [invoiced, effect] = invoice(standing, now)
  return [invoiced, [effect, { type: 'pump' }]]
}

/**
 * What is paid for and, by the buyer's word, missing is sent again before anything ends: otherwise a buyer could name an
 * old position, close, and have back what it paid for records that it has.
 */
function onClose(state: SellerState, reason: number, now: number): [SellerState, SellerEffect[]] {
  // A buyer that closes for a bad record has paid all that it will.
  const final = reason === CLOSE_REASON.schema
  if (final && state.phase === 'settling') return giveReceipt({ ...state, reason }, now)
  if (state.phase !== 'streaming') return [state, []]
  if (state.closing) return [final ? { ...state, reason } : state, []]
  if (hasSentAgain(state)) return endStreaming(state, reason, now)
  const blocked = state.blocked === 'flow' ? 'flow' : 'no'
  const closing: SellerState = { ...state, closing: true, reason: state.reason ?? reason, blocked }
  return [{ ...closing, deadline: streamingDeadline(closing, now) }, [{ type: 'pump' }]]
}

function onTick(state: SellerState, now: number): [SellerState, SellerEffect[]] {
  if (state.deadline === undefined || now < state.deadline) return [state, []]
  switch (state.phase) {
    case 'streaming': {
      const { awaiting, uninvoicedSince } = state
      if (state.closing) return fail(state, STATUS.timeout, 'records that were sent again were not acknowledged')
      if (awaiting !== undefined && now >= awaiting.since + PAYMENT_TIMEOUT_MS) {
        const owed = awaiting.due - state.credited
        return fail(state, STATUS.paymentTimeout, `no payment of ${owed} within ${PAYMENT_TIMEOUT_MS / 1000} s`)
      }
      if (uninvoicedSince === undefined) {
        return endStreaming(state, state.blocked === 'channel' ? CLOSE_REASON.maximum : CLOSE_REASON.notPaid, now)
      }
      const [next, effect] = invoice(state, now)
      return [next, [effect]]
    }
    case 'settling':
      return giveReceipt(state, now)
    case 'receipted':
      return [{ ...move(state, 'aborted'), deadline: undefined }, [{ type: 'finish' }]]
    default:
      return fail(state, STATUS.timeout, `nothing came in state ${state.phase}`)
  }
}

function onCredited(
  before: SellerState,
  { sessionPaid, available }: Extract<SellerEvent, { type: 'credited' }>,
  now: number
): [SellerState, SellerEffect[]] {
  const grown = available !== undefined && before.available !== undefined && available > before.available
  const state = {
    ...before,
    ...(available === undefined ? {} : { available }),
    ...(grown ? { pausedOnce: false } : {})
  }
  if (sessionPaid <= state.credited) {
    if (!grown || state.phase !== 'streaming' || state.blocked !== 'channel') return [state, []]
    const open: SellerState = { ...state, blocked: 'no' }
    return [{ ...open, deadline: streamingDeadline(open, now) }, [{ type: 'pump' }]]
  }
  const { invoiced } = state
  const asked = invoiced.due > sessionPaid ? { due: invoiced.due, since: now } : undefined
  const next: SellerState = {
    ...state,
    credited: sessionPaid,
    awaiting: state.awaiting !== undefined && sessionPaid < state.awaiting.due ? state.awaiting : asked,
    blocked: state.blocked === 'flow' ? 'flow' : 'no'
  }
  if (next.phase === 'settling' && next.credited >= next.due) return giveReceipt(next, now)
  if (next.phase !== 'streaming') return [next, []]
  return [{ ...next, deadline: streamingDeadline(next, now) }, [{ type: 'pump' }]]
}

/** The buyer waits for a deposit to be mined: the payment timer gets that long, once for each deposit that comes. */
function onToppingUp(state: SellerState, now: number): [SellerState, SellerEffect[]] {
  const { awaiting } = state
  if (state.pausedOnce) return [state, []]
  const paused = { ...state, pausedOnce: true }
  if (awaiting === undefined) {
    return state.blocked === 'channel' ? [{ ...paused, deadline: now + ACCEPT_TIMEOUT_MS }, []] : [state, []]
  }
  if (state.phase === 'settling') return [{ ...paused, deadline: now + ACCEPT_TIMEOUT_MS }, []]
  const since = now + ACCEPT_TIMEOUT_MS - PAYMENT_TIMEOUT_MS
  const waiting: SellerState = { ...paused, awaiting: { ...awaiting, since } }
  return state.phase === 'streaming' ? [{ ...waiting, deadline: streamingDeadline(waiting, now) }, []] : [state, []]
}

/**
 * The seller's side of a session: pure, so that a simulation can drive it with any schedule.
 *
 * @param now - monotonic ms
 * @returns the next state and what to do; the caller signs, sends and stores
 */
export function sellerStep(state: SellerState, event: SellerEvent, now: number): [SellerState, SellerEffect[]] {
  if (event.type === 'tick') return onTick(state, now)
  if (event.type === 'aborted') {
    return state.phase === 'closed' || state.phase === 'failed'
      ? [state, []]
      : [{ ...move(state, 'aborted'), deadline: undefined }, []]
  }
  if (event.type === 'refused') {
    return [{ ...move(state, 'refused'), deadline: undefined }, []]
  }
  switch (event.type) {
    case 'menuServed':
      return [{ ...move(state, 'menuServed'), deadline: now + HELLO_TIMEOUT_MS }, []]
    case 'offered':
      return [{ ...move(state, 'offered'), deadline: now + ORDER_TIMEOUT_MS }, []]
    case 'ordered':
      return [{ ...move(state, 'ordered'), deadline: undefined }, []]
    case 'resuming':
      return [{ ...move(state, 'resuming'), deadline: undefined }, []]
    case 'accepted':
      return onAccepted(state, event, now)
    case 'block': {
      if (state.phase !== 'streaming' || state.terms === undefined || state.blocked !== 'no') return [state, []]
      return deliver(state, state.terms, event.records, now)
    }
    case 'ended': {
      if (state.phase !== 'streaming' || state.terms === undefined) return [state, []]
      const complete = state.terms.end !== undefined && state.terms.start + state.sent.n >= state.terms.end
      const reason = complete ? CLOSE_REASON.complete : CLOSE_REASON.sourceEnded
      return endStreaming(state, state.reason ?? reason, now)
    }
    case 'toppingUp':
      return onToppingUp(state, now)
    case 'credited':
      return onCredited(state, event, now)
    case 'position': {
      if (event.n > state.sent.n)
        return fail(state, STATUS.unexpected, `POSITION ${event.n} is beyond ${state.sent.n} sent`)
      const inFlight = state.inFlight.filter((entry) => entry.n > event.n)
      const flowing: SellerState = { ...state, inFlight, blocked: state.blocked === 'flow' ? 'no' : state.blocked }
      return [flowing, state.phase === 'streaming' && state.blocked === 'flow' ? [{ type: 'pump' }] : []]
    }
    case 'close':
      return onClose(state, event.reason, now)
    case 'acknowledged':
      return [{ ...move(state, 'acknowledged'), deadline: undefined }, [{ type: 'finish' }]]
  }
}

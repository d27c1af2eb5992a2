import type { Progress } from '../../interface/index.ts'
import { NO_PROGRESS } from '../../interface/index.ts'
import type { Records, SessionTerms } from './account.ts'
import {
  HELLO_TIMEOUT_MS,
  INVOICE_DELAY_MS,
  PAYMENT_TIMEOUT_MS,
  POSITION_TIMEOUT_MS,
  RECEIPT_TIMEOUT_MS
} from './constants.ts'
import { CLOSE_REASON, type StatusCode } from './status.ts'
import { follow, SELLER_TRANSITIONS, type SellerPhase } from './transitions.ts'

/** How often invoices are sent: every one at k, or fewer while the link is slower than the window (Invoices). */
export type Invoicing = 'strict' | 'adaptive'

export interface SellerState {
  readonly phase: SellerPhase
  /** `one`: none is sent while another is unanswered. */
  readonly invoicing: Invoicing | 'one'
  readonly terms: SessionTerms | undefined
  readonly sent: Progress
  /** Position reached before the stream was cut: records up to it were risked already and are sent again for nothing. */
  readonly sentBefore: bigint
  readonly dueBefore: bigint
  /** Highest position that the buyer has acknowledged. */
  readonly handled: bigint
  readonly due: bigint
  readonly credited: bigint
  /** Highest `sessionPaid` that came; above `credited` while it is judged and stored. */
  readonly arrived: bigint
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
  /** Since when the flow limit holds; a POSITION that frees nothing does not restart it. */
  readonly flowSince: number | undefined
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
  /** A PAYMENT came: it is judged and stored, and `credited` follows, or the session ends. */
  | { type: 'paymentArrived'; sessionPaid: bigint }
  | { type: 'credited'; sessionPaid: bigint; available?: bigint | undefined }
  /** Policy gives more credit than it could when the session was accepted. */
  | { type: 'window'; credit: bigint }
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

export function sellerStart(now: number, invoicing: Invoicing): SellerState {
  return {
    phase: 'listening',
    invoicing,
    terms: undefined,
    sent: NO_PROGRESS,
    sentBefore: 0n,
    dueBefore: 0n,
    handled: 0n,
    due: 0n,
    credited: 0n,
    arrived: 0n,
    available: undefined,
    invoiced: { n: 0n, due: 0n },
    uninvoicedSince: undefined,
    awaiting: undefined,
    pausedOnce: false,
    inFlight: [],
    blocked: 'no',
    flowSince: undefined,
    reason: undefined,
    closing: false,
    finalInvoice: false,
    deadline: now + HELLO_TIMEOUT_MS
  }
}

export function move(state: SellerState, event: string): SellerState {
  return { ...state, phase: follow(SELLER_TRANSITIONS, state.phase, event) as SellerPhase }
}

export function fail(state: SellerState, code: StatusCode, text: string): [SellerState, SellerEffect[]] {
  return [{ ...move(state, 'aborted'), deadline: undefined }, [{ type: 'fail', code, text }]]
}

export function invoice(state: SellerState, now: number): [SellerState, SellerEffect] {
  const { sent, credited } = state
  const awaiting = state.awaiting ?? (state.due > credited ? { due: state.due, since: now } : undefined)
  const next = { ...state, invoiced: { n: sent.n, due: state.due }, uninvoicedSince: undefined, awaiting }
  return [
    { ...next, deadline: streamingDeadline(next, now) },
    { type: 'invoice', n: sent.n, bytes: sent.bytes, due: state.due, credited }
  ]
}

/** Each payment costs a fee: the one that was asked for comes first. */
export function isOneOpen({ invoicing, awaiting }: SellerState): boolean {
  return invoicing === 'one' && awaiting !== undefined
}

/** The buyer has done its part: how long the rest takes is the rail's and the ledger's to bound. */
export function isBeingPaid({ phase, arrived, credited, due, awaiting }: SellerState): boolean {
  const asked = phase === 'settling' ? due : awaiting?.due
  return asked === undefined ? arrived > credited : arrived >= asked
}

/** Uninvoiced records never start a payment timer; an invoice that asks for money does. */
export function streamingDeadline(state: SellerState, now: number): number | undefined {
  const { uninvoicedSince, awaiting, blocked, flowSince, closing } = state
  if (closing && !isOneOpen(state)) return now + PAYMENT_TIMEOUT_MS
  const since = awaiting?.since ?? (blocked === 'window' || blocked === 'channel' ? now : undefined)
  const payment = since === undefined || isBeingPaid(state) ? Number.POSITIVE_INFINITY : since + PAYMENT_TIMEOUT_MS
  const waits = uninvoicedSince === undefined || isOneOpen(state)
  const invoiced = waits ? Number.POSITIVE_INFINITY : uninvoicedSince + INVOICE_DELAY_MS
  const position = flowSince === undefined ? Number.POSITIVE_INFINITY : flowSince + POSITION_TIMEOUT_MS
  const deadline = Math.min(payment, invoiced, position)
  return deadline === Number.POSITIVE_INFINITY ? undefined : deadline
}

/** CLOSE, then the final invoice at the last position; the receipt follows when it is paid or the time is over. */
export function endStreaming(state: SellerState, reason: number, now: number): [SellerState, SellerEffect[]] {
  const { awaiting } = state
  if (awaiting !== undefined && isOneOpen(state) && reason !== CLOSE_REASON.schema) {
    // The final invoice comes when the one before is paid: two open ones would cost two fees.
    const waiting = { ...state, closing: true, reason: state.reason ?? reason, blocked: 'no' as const }
    return [{ ...waiting, deadline: streamingDeadline(waiting, now) }, []]
  }
  const [settling, effect] = invoice({ ...move(state, 'closing'), reason, finalInvoice: true, blocked: 'no' }, now)
  const effects: SellerEffect[] = [{ type: 'close', reason }, effect]
  if (settling.due > settling.credited && reason !== CLOSE_REASON.schema) {
    // A deposit that was waited for is waited for still.
    const since = Math.max(now, awaiting?.since ?? now)
    return [{ ...settling, deadline: isBeingPaid(settling) ? undefined : since + PAYMENT_TIMEOUT_MS }, effects]
  }
  const [receipted, more] = giveReceipt(settling, now)
  return [receipted, [...effects, ...more]]
}

export function giveReceipt(state: SellerState, now: number): [SellerState, SellerEffect[]] {
  const { sent, credited, reason } = state
  return [
    { ...move(state, 'receipted'), deadline: now + RECEIPT_TIMEOUT_MS },
    [{ type: 'receipt', n: sent.n, bytes: sent.bytes, due: state.due, credited, reason: reason ?? 0 }]
  ]
}

/** All that was sent before the cut has been sent once more; for a buyer that pays no more, all that is paid for. */
export function hasSentAgain({ sent, sentBefore, due, dueBefore, credited, reason }: SellerState): boolean {
  return (reason === CLOSE_REASON.schema && due >= credited) || (sent.n >= sentBefore && due >= dueBefore)
}

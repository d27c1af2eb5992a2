import { due, NO_PROGRESS, type Progress } from '../../interface/index.ts'
import { paymentTarget, type SessionTerms } from './account.ts'
import {
  ACCEPT_TIMEOUT_MS,
  HELLO_TIMEOUT_MS,
  MAX_IN_FLIGHT_BYTES,
  ORDER_TIMEOUT_MS,
  POSITION_EVERY_BYTES,
  RECEIPT_TIMEOUT_MS,
  SILENCE_TIMEOUT_MS
} from './constants.ts'
import type { FrameName } from './frame.ts'
import { CLOSE_REASON, STATUS, type StatusCode } from './status.ts'
import { BUYER_EXPECTS, BUYER_TRANSITIONS, type BuyerPhase, follow } from './transitions.ts'

/** Which invoices the buyer answers: each, or only the newest while a payment is being stored. */
export type Answering = 'every' | 'newest'

export interface BuyerState {
  readonly phase: BuyerPhase
  readonly answering: Answering
  readonly terms: SessionTerms | undefined
  readonly received: Progress
  readonly due: bigint
  /** Where the record begins that breaks the listing's schema: nothing from there on is paid. */
  readonly payable: Progress | undefined
  /** Highest amount asked of the rail. */
  readonly asked: bigint
  /** Highest amount sent in a PAYMENT. */
  readonly paid: bigint
  readonly handled: bigint
  readonly acknowledged: bigint
  /** Bytes received and not yet acknowledged, and those handled since the last POSITION. */
  readonly unacknowledgedBytes: number
  readonly handledBytes: number
  readonly credited: bigint
  readonly reason: number | undefined
  readonly closeSent: boolean
  readonly closeReceived: boolean
  readonly finalReceived: boolean
  /** Most that due was beyond what was asked of the rail: so much the seller trusts this side with. */
  readonly unpaid: bigint
  /** Most that is paid since CLOSE was sent. */
  readonly limit: bigint | undefined
  /** Bytes of records that nothing was paid for and that may still come after CLOSE was sent. */
  readonly stillComing: number
  /** Due before the session was cut: up to there records come again. */
  readonly dueBefore: bigint
  /** Monotonic ms until which the seller may wait for a deposit of this side. */
  readonly toppingUpUntil: number
  /** What was credited when the end of the session was last put off for a deposit. */
  readonly putOffAt: bigint | undefined
  readonly deadline: number | undefined
}

export interface Totals {
  n: bigint
  bytes: bigint
  due: bigint
  credited: bigint
  /** Whether the root in it is the one that the buyer computed. */
  rootMatches: boolean
}

/** Where a session stands that was cut: what the buyer named in RESUME, and what the seller says it holds. */
export interface BuyerStanding {
  received: Progress
  /** Of all that had come by then. */
  due: bigint
  /** Signed for, cumulative. */
  paid: bigint
  credited: bigint
  /** Most that is paid, of a session that was stopped before. */
  limit?: bigint
}

export type BuyerEvent =
  | { type: 'menuReceived' }
  | { type: 'offerReceived' }
  | { type: 'orderSent' }
  | { type: 'resumeSent' }
  | { type: 'refused' }
  | { type: 'accepted'; terms: SessionTerms; resumed?: BuyerStanding }
  | { type: 'data'; first: bigint; progress: Progress; bytes: number }
  | ({ type: 'invoice' } & Totals)
  | { type: 'paid'; sessionPaid: bigint }
  | { type: 'handled'; n: bigint; bytes: number; idle: boolean }
  /** A deposit is made because the seller asked for it. */
  | { type: 'toppingUp' }
  | { type: 'stop'; reason: number }
  /** A record that was received breaks the schema; `payable` is where the session stood before it. */
  | { type: 'violated'; payable: Progress }
  | { type: 'closeReceived'; reason: number }
  | ({ type: 'receipt' } & Totals)
  /** The seller has stored the acknowledgement. */
  | { type: 'confirmed' }
  | { type: 'tick' }
  | { type: 'aborted' }

export type BuyerEffect =
  | { type: 'pay'; n: bigint; sessionPaid: bigint }
  | { type: 'position'; n: bigint }
  | { type: 'close'; reason: number; n: bigint }
  | { type: 'deliver' }
  | { type: 'keepInvoice' }
  | { type: 'acknowledge' }
  | { type: 'fail'; code: StatusCode; text: string }

export function buyerStart(now: number, answering: Answering): BuyerState {
  return {
    phase: 'greeting',
    answering,
    terms: undefined,
    received: NO_PROGRESS,
    due: 0n,
    payable: undefined,
    asked: 0n,
    paid: 0n,
    handled: 0n,
    acknowledged: 0n,
    unacknowledgedBytes: 0,
    handledBytes: 0,
    credited: 0n,
    reason: undefined,
    closeSent: false,
    closeReceived: false,
    finalReceived: false,
    unpaid: 0n,
    limit: undefined,
    stillComing: MAX_IN_FLIGHT_BYTES,
    dueBefore: 0n,
    toppingUpUntil: 0,
    putOffAt: undefined,
    deadline: now + HELLO_TIMEOUT_MS
  }
}

export function buyerExpects(state: BuyerState, frame: FrameName): boolean {
  return BUYER_EXPECTS[state.phase].includes(frame)
}

function move(state: BuyerState, event: string): BuyerState {
  return { ...state, phase: follow(BUYER_TRANSITIONS, state.phase, event) as BuyerPhase }
}

/** In order: losing the stream changes nothing any more. */
export function hasEnded({ phase }: BuyerState): boolean {
  return phase === 'receipted' || phase === 'closed'
}

/** The seller's word is waited for, longer while it waits for a deposit. */
function within(state: BuyerState, now: number, milliseconds: number): number {
  return Math.max(now, state.toppingUpUntil) + milliseconds
}

function least(amount: bigint, limit: bigint | undefined): bigint {
  return limit !== undefined && limit < amount ? limit : amount
}

/**
 * An honest seller sends nothing after CLOSE, and is never further ahead of the payments than it trusts this side: what it
 * had sent by then is all that is left to be paid.
 */
function stopped(state: BuyerState): BuyerState {
  const { terms, asked, unpaid } = state
  const credit = terms?.credit ?? 0n
  return { ...state, closeSent: true, limit: state.limit ?? asked + (credit > unpaid ? credit : unpaid) }
}

/** Nothing is paid beyond the bytes that can have been on their way, whatever credit the seller names. */
function afterStop(before: BuyerState, state: BuyerState, bytes: number): BuyerState {
  const { limit, asked, due: owed, dueBefore } = state
  if (limit === undefined || owed <= asked || owed <= dueBefore) return state
  const stillComing = state.stillComing - bytes
  if (stillComing >= 0) return { ...state, stillComing }
  return { ...state, stillComing: 0, limit: least(limit, before.due > asked ? before.due : asked) }
}

type Step = [BuyerState, BuyerEffect[]]

function fail(state: BuyerState, code: StatusCode, text: string): Step {
  return [{ ...move(state, 'aborted'), deadline: undefined }, [{ type: 'fail', code, text }]]
}

/**
 * Pays up to the due of what was received and `ahead`; never for a record that breaks the schema, never above the
 * maximum, nor above `limit` once stopped, never below what was asked before.
 */
function pay(state: BuyerState): Step {
  const { terms, payable } = state
  if (terms === undefined) return [state, []]
  // The last payment does not wait for the one before: CLOSE waits for it.
  if (state.answering === 'newest' && state.asked > state.paid && payable === undefined) return [state, []]
  // Nothing is kept paid in advance once the session ends.
  const ahead = state.phase === 'streaming' ? terms.ahead : 0n
  const good = payable ?? state.received
  const target = least(paymentTarget(terms, good, ahead), state.limit)
  if (target <= state.asked) return [state, []]
  return [{ ...state, asked: target }, [{ type: 'pay', n: good.n, sessionPaid: target }]]
}

/** What was signed and has not arrived is presented again, before anything new is paid. */
function onAccepted(state: BuyerState, { terms, resumed }: Extract<BuyerEvent, { type: 'accepted' }>): Step {
  const streaming: BuyerState = { ...move(state, 'accepted'), terms, deadline: undefined }
  if (resumed === undefined) return terms.ahead > 0n ? pay(streaming) : [streaming, []]
  const { received, paid, credited, limit, due: dueBefore } = resumed
  const standing: BuyerState = {
    ...streaming,
    received,
    due: due(terms.price, received),
    asked: paid,
    paid,
    credited,
    limit,
    dueBefore,
    handled: received.n,
    acknowledged: received.n
  }
  const again: BuyerEffect[] = credited < paid ? [{ type: 'pay', n: received.n, sessionPaid: paid }] : []
  if (terms.ahead === 0n) return [standing, again]
  const [next, effects] = pay(standing)
  return [next, [...again, ...effects]]
}

function onData(state: BuyerState, event: Extract<BuyerEvent, { type: 'data' }>): Step {
  const { terms } = state
  if (terms === undefined || state.closeReceived) return fail(state, STATUS.unexpected, 'DATA after CLOSE')
  const next = terms.start + state.received.n
  if (event.first !== next) return fail(state, STATUS.unexpected, `DATA starts at ${event.first}, expected ${next}`)
  const end = terms.start + event.progress.n
  if (terms.end !== undefined && end > terms.end) {
    return fail(state, STATUS.unexpected, `DATA reaches ${end}, the order ends at ${terms.end}`)
  }
  const owed = due(terms.price, event.progress)
  if (owed > terms.maximum)
    return fail(state, STATUS.unexpected, `DATA makes ${owed} due, the order allows ${terms.maximum}`)
  const unacknowledgedBytes = state.unacknowledgedBytes + event.bytes
  if (state.unacknowledgedBytes > MAX_IN_FLIGHT_BYTES) {
    return fail(state, STATUS.unexpected, `${unacknowledgedBytes} bytes in flight, the limit is ${MAX_IN_FLIGHT_BYTES}`)
  }
  const beyond = owed - state.asked
  const unpaid = beyond > state.unpaid ? beyond : state.unpaid
  const taken = { ...state, received: event.progress, due: owed, unacknowledgedBytes, unpaid }
  return [afterStop(state, taken, event.bytes), [{ type: 'deliver' }]]
}

/** Compares what the seller states with what was received; each difference is named with both numbers. */
function disagreement(state: BuyerState, totals: Totals): { code: StatusCode; text: string } | undefined {
  const { received } = state
  if (totals.n !== received.n)
    return { code: STATUS.accountMismatch, text: `position ${totals.n}, received ${received.n}` }
  if (totals.bytes !== received.bytes) {
    return { code: STATUS.accountMismatch, text: `${totals.bytes} bytes, received ${received.bytes}` }
  }
  if (totals.due !== state.due)
    return { code: STATUS.accountMismatch, text: `due ${totals.due}, computed ${state.due}` }
  if (totals.credited > state.asked || totals.credited < state.credited) {
    return { code: STATUS.accountMismatch, text: `credited ${totals.credited}, paid ${state.paid}` }
  }
  if (!totals.rootMatches) return { code: STATUS.transcriptMismatch, text: `root at ${totals.n} differs` }
  return undefined
}

function onInvoice(state: BuyerState, event: Totals, now: number): Step {
  if (state.finalReceived) return fail(state, STATUS.unexpected, 'INVOICE after the final one')
  const problem = disagreement(state, event)
  if (problem !== undefined) return fail(state, problem.code, `INVOICE: ${problem.text}`)
  const final = state.closeReceived
  const deadline = final ? within(state, now, RECEIPT_TIMEOUT_MS) : state.deadline
  const seen: BuyerState = { ...state, credited: event.credited, finalReceived: final, deadline }
  const [next, effects] = pay(seen)
  return [next, [{ type: 'keepInvoice' }, ...effects]]
}

function onHandled(state: BuyerState, event: Extract<BuyerEvent, { type: 'handled' }>): Step {
  const handledBytes = state.handledBytes + event.bytes
  const next: BuyerState = { ...state, handled: event.n, handledBytes }
  const open = state.phase === 'streaming' || state.phase === 'settling'
  if (!open || event.n <= state.acknowledged) return [next, []]
  if (handledBytes < POSITION_EVERY_BYTES && !event.idle) return [next, []]
  const unacknowledgedBytes = Math.max(0, state.unacknowledgedBytes - handledBytes)
  return [{ ...next, acknowledged: event.n, unacknowledgedBytes, handledBytes: 0 }, [{ type: 'position', n: event.n }]]
}

/** Pays for the records before it, then closes; the seller's word for the rest is evidence, not a bill. */
function onViolated(state: BuyerState, payable: Progress, now: number): Step {
  const { phase } = state
  if ((phase !== 'streaming' && phase !== 'settling') || state.payable !== undefined) return [state, []]
  const deadline = phase === 'streaming' ? within(state, now, SILENCE_TIMEOUT_MS) : state.deadline
  const reason = CLOSE_REASON.schema
  const [next, effects] = pay({ ...move(state, 'violated'), payable, closeSent: true, reason, deadline })
  return [next, [...effects, { type: 'close', reason, n: payable.n }]]
}

function onCloseReceived(state: BuyerState, reason: number, now: number): Step {
  if (state.closeReceived) return fail(state, STATUS.unexpected, 'a second CLOSE')
  const settling = state.phase === 'streaming' ? move(state, 'closing') : state
  const deadline = within(state, now, RECEIPT_TIMEOUT_MS)
  return [{ ...settling, closeReceived: true, reason: state.reason ?? reason, deadline }, []]
}

function onReceipt(state: BuyerState, event: Totals): Step {
  if (!state.finalReceived) return fail(state, STATUS.unexpected, 'RECEIPT before the final INVOICE')
  const problem = disagreement(state, event)
  if (problem !== undefined) return fail(state, problem.code, `RECEIPT: ${problem.text}`)
  const receipted: BuyerState = { ...move(state, 'receiptReceived'), credited: event.credited, deadline: undefined }
  return [receipted, [{ type: 'acknowledge' }]]
}

/**
 * The buyer's side of a session: pure. It never pays for a record that it has not received, beyond `prepay`.
 *
 * @param now - monotonic ms
 */
export function buyerStep(state: BuyerState, event: BuyerEvent, now: number): Step {
  switch (event.type) {
    case 'tick':
      if (state.deadline === undefined || now < state.deadline) return [state, []]
      return fail(state, STATUS.timeout, `nothing came in state ${state.phase}`)
    case 'aborted':
      return hasEnded(state) || state.phase === 'failed'
        ? [state, []]
        : [{ ...move(state, 'aborted'), deadline: undefined }, []]
    case 'refused':
      return [{ ...move(state, 'refused'), deadline: undefined }, []]
    case 'menuReceived':
      return [{ ...move(state, 'menuReceived'), deadline: undefined }, []]
    case 'offerReceived':
      return [{ ...move(state, 'offerReceived'), deadline: now + ORDER_TIMEOUT_MS }, []]
    case 'orderSent':
      return [{ ...move(state, 'orderSent'), deadline: now + ACCEPT_TIMEOUT_MS }, []]
    case 'resumeSent':
      return [{ ...move(state, 'resumeSent'), deadline: now + ACCEPT_TIMEOUT_MS }, []]
    case 'accepted':
      return onAccepted(state, event)
    case 'data':
      return onData(state, event)
    case 'invoice':
      return onInvoice(state, event, now)
    case 'paid': {
      const next: BuyerState = { ...state, paid: event.sessionPaid > state.paid ? event.sessionPaid : state.paid }
      const open = next.phase === 'streaming' || next.phase === 'settling'
      return open && state.answering === 'newest' ? pay(next) : [next, []]
    }
    case 'handled':
      return onHandled(state, event)
    case 'toppingUp': {
      const next = { ...state, toppingUpUntil: now + ACCEPT_TIMEOUT_MS }
      if (state.phase !== 'settling') return [next, []]
      // Again only for a seller that took the deposit before: its word alone does not put the end off.
      if (state.putOffAt !== undefined && state.credited <= state.putOffAt) return [state, []]
      return [{ ...next, putOffAt: state.credited, deadline: within(next, now, RECEIPT_TIMEOUT_MS) }, []]
    }
    case 'stop': {
      if (state.phase !== 'streaming' || state.closeSent) return [state, []]
      const stopping: BuyerState = { ...move(stopped(state), 'closing'), reason: event.reason }
      const effect: BuyerEffect = { type: 'close', reason: event.reason, n: state.handled }
      return [{ ...stopping, deadline: within(state, now, SILENCE_TIMEOUT_MS) }, [effect]]
    }
    case 'violated':
      return onViolated(state, event.payable, now)
    case 'closeReceived':
      return onCloseReceived(state, event.reason, now)
    case 'receipt':
      return onReceipt(state, event)
    case 'confirmed':
      return [move(state, 'confirmed'), []]
  }
}

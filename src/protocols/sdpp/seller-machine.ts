import { due } from '../../interface/index.ts'
import {
  ACCEPT_TIMEOUT_MS,
  HELLO_TIMEOUT_MS,
  ORDER_TIMEOUT_MS,
  PAYMENT_TIMEOUT_MS,
  POSITION_TIMEOUT_MS
} from './constants.ts'
import type { FrameName } from './frame.ts'
import { deliver } from './seller-delivery.ts'
import {
  endStreaming,
  fail,
  giveReceipt,
  hasSentAgain,
  invoice,
  isBeingPaid,
  isOneOpen,
  move,
  type SellerEffect,
  type SellerEvent,
  type SellerState,
  streamingDeadline
} from './seller-state.ts'
import { CLOSE_REASON, STATUS } from './status.ts'
import { SELLER_EXPECTS } from './transitions.ts'

export function sellerExpects(state: SellerState, frame: FrameName): boolean {
  return SELLER_EXPECTS[state.phase].includes(frame)
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
  const standing: SellerState = {
    ...streaming,
    ...resumed,
    handled: resumed.sent.n,
    reason: resumed.reason,
    due: owed
  }
  const [invoiced, effect] = invoice(standing, now)
  return [invoiced, [effect, { type: 'pump' }]]
}

/**
 * What was sent and, by the buyer's word, is missing is sent again before anything ends: otherwise a buyer could name an
 * old position, close, and have back what it paid for records that it has, or stay in debt for those that it never got.
 */
function onClose(state: SellerState, reason: number, now: number): [SellerState, SellerEffect[]] {
  // A buyer that closes for a bad record has paid all that it will.
  const final = reason === CLOSE_REASON.schema
  if (final && state.phase === 'settling') return giveReceipt({ ...state, reason }, now)
  if (state.phase !== 'streaming') return [state, []]
  if (state.closing) return [final ? { ...state, reason } : state, []]
  if (hasSentAgain({ ...state, reason })) return endStreaming(state, reason, now)
  const blocked = state.blocked === 'flow' ? 'flow' : 'no'
  const closing: SellerState = { ...state, closing: true, reason: state.reason ?? reason, blocked }
  return [{ ...closing, deadline: streamingDeadline(closing, now) }, [{ type: 'pump' }]]
}

function onTick(state: SellerState, now: number): [SellerState, SellerEffect[]] {
  if (state.deadline === undefined || now < state.deadline) return [state, []]
  switch (state.phase) {
    case 'streaming': {
      const { awaiting, uninvoicedSince, flowSince } = state
      if (state.closing && !isOneOpen(state))
        return fail(state, STATUS.timeout, 'records that were sent again were not acknowledged')
      if (awaiting !== undefined && !isBeingPaid(state) && now >= awaiting.since + PAYMENT_TIMEOUT_MS) {
        const owed = awaiting.due - state.credited
        return fail(state, STATUS.paymentTimeout, `no payment of ${owed} within ${PAYMENT_TIMEOUT_MS / 1000} s`)
      }
      if (flowSince !== undefined && now >= flowSince + POSITION_TIMEOUT_MS)
        return fail(state, STATUS.timeout, `no record was acknowledged within ${POSITION_TIMEOUT_MS / 1000} s`)
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

/** From here on time runs against this side. */
function onPaymentArrived(state: SellerState, sessionPaid: bigint, now: number): SellerState {
  if (sessionPaid <= state.arrived) return state
  const next: SellerState = { ...state, arrived: sessionPaid }
  if (!isBeingPaid(next)) return next
  if (state.phase === 'streaming') return { ...next, deadline: streamingDeadline(next, now) }
  return state.phase === 'settling' ? { ...next, deadline: undefined } : next
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

function onPosition(state: SellerState, n: bigint, now: number): [SellerState, SellerEffect[]] {
  if (n > state.sent.n) return fail(state, STATUS.unexpected, `POSITION ${n} is beyond ${state.sent.n} sent`)
  const inFlight = state.inFlight.filter((entry) => entry.n > n)
  const handled = n > state.handled ? n : state.handled
  if (inFlight.length === state.inFlight.length) return [{ ...state, handled }, []]
  const flowing: SellerState = {
    ...state,
    handled,
    inFlight,
    flowSince: undefined,
    blocked: state.blocked === 'flow' ? 'no' : state.blocked
  }
  if (state.phase !== 'streaming' || state.blocked !== 'flow') return [flowing, []]
  return [{ ...flowing, deadline: streamingDeadline(flowing, now) }, [{ type: 'pump' }]]
}

/** Never less than before: what was sent already was within that. */
function onWindow(state: SellerState, credit: bigint, now: number): [SellerState, SellerEffect[]] {
  const { terms, phase, blocked } = state
  if (terms === undefined || credit <= terms.credit) return [state, []]
  const wider: SellerState = { ...state, terms: { ...terms, credit } }
  if (phase !== 'streaming' || blocked !== 'window') return [wider, []]
  const open: SellerState = { ...wider, blocked: 'no' }
  return [{ ...open, deadline: streamingDeadline(open, now) }, [{ type: 'pump' }]]
}

/** The buyer waits for a deposit to be mined: the payment timer gets that long, once for each deposit that comes. */
function onToppingUp(state: SellerState, now: number): [SellerState, SellerEffect[]] {
  const { awaiting } = state
  if (state.pausedOnce) return [state, []]
  const paused = { ...state, pausedOnce: true }
  if (awaiting === undefined) {
    return state.blocked === 'channel' ? [{ ...paused, deadline: now + ACCEPT_TIMEOUT_MS }, []] : [state, []]
  }
  if (state.phase === 'settling') {
    return isBeingPaid(state) ? [state, []] : [{ ...paused, deadline: now + ACCEPT_TIMEOUT_MS }, []]
  }
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
    case 'paymentArrived':
      return [onPaymentArrived(state, event.sessionPaid, now), []]
    case 'credited':
      return onCredited(state, event, now)
    case 'window':
      return onWindow(state, event.credit, now)
    case 'position':
      return onPosition(state, event.n, now)
    case 'close':
      return onClose(state, event.reason, now)
    case 'acknowledged':
      return [{ ...move(state, 'acknowledged'), handled: state.sent.n, deadline: undefined }, [{ type: 'finish' }]]
  }
}

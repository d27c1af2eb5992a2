import type { FrameName } from './frame.ts'

/** The machines as tables: the spec prints them, a test walks every state × event and every state × frame. */
export type TransitionTable = Readonly<Record<string, Readonly<Record<string, string>>>>

export const SELLER_TRANSITIONS = {
  listening: {
    menuServed: 'listening',
    offered: 'offered',
    resuming: 'verifying',
    refused: 'closed',
    aborted: 'failed'
  },
  offered: { ordered: 'verifying', refused: 'closed', aborted: 'failed' },
  verifying: { accepted: 'streaming', refused: 'closed', aborted: 'failed' },
  streaming: { closing: 'settling', aborted: 'failed' },
  settling: { receipted: 'receipted', aborted: 'failed' },
  receipted: { acknowledged: 'closed', aborted: 'closed' },
  closed: {},
  failed: {}
} as const satisfies TransitionTable

export const BUYER_TRANSITIONS = {
  greeting: {
    menuReceived: 'closed',
    offerReceived: 'ordering',
    resumeSent: 'ordered',
    refused: 'closed',
    aborted: 'failed'
  },
  ordering: { orderSent: 'ordered', refused: 'closed', aborted: 'failed' },
  ordered: { accepted: 'streaming', refused: 'closed', aborted: 'failed' },
  streaming: { closing: 'settling', violated: 'settling', aborted: 'failed' },
  settling: { violated: 'settling', receiptReceived: 'receipted', aborted: 'failed' },
  receipted: { confirmed: 'closed' },
  closed: {},
  failed: {}
} as const satisfies TransitionTable

export type SellerPhase = keyof typeof SELLER_TRANSITIONS
export type BuyerPhase = keyof typeof BUYER_TRANSITIONS

/** Frames that a seller takes in each state; anything else is `unexpected`. */
export const SELLER_EXPECTS: Readonly<Record<SellerPhase, readonly FrameName[]>> = {
  listening: ['HELLO', 'RESUME', 'CLOSE', 'STATUS', 'PING'],
  offered: ['ORDER', 'CLOSE', 'STATUS', 'PING'],
  verifying: ['CLOSE', 'STATUS', 'PING'],
  streaming: ['PAYMENT', 'POSITION', 'CLOSE', 'STATUS', 'PING'],
  settling: ['PAYMENT', 'POSITION', 'CLOSE', 'STATUS', 'PING'],
  receipted: ['PAYMENT', 'POSITION', 'CLOSE', 'RECEIPT_ACK', 'STATUS', 'PING'],
  closed: [],
  failed: []
}

/** Frames that a buyer takes in each state. */
export const BUYER_EXPECTS: Readonly<Record<BuyerPhase, readonly FrameName[]>> = {
  greeting: ['MENU', 'OFFER', 'STATUS', 'PING'],
  ordering: ['STATUS', 'PING'],
  ordered: ['ACCEPT', 'STATUS', 'PING'],
  streaming: ['DATA', 'INVOICE', 'CLOSE', 'STATUS', 'PING'],
  settling: ['DATA', 'INVOICE', 'CLOSE', 'RECEIPT', 'STATUS', 'PING'],
  receipted: ['STATUS', 'PING'],
  closed: [],
  failed: []
}

/** Follows a transition; a step that the table does not have is a bug of the caller. */
export function follow<T extends TransitionTable, P extends keyof T>(table: T, phase: P, event: string): keyof T {
  const next = (table[phase] as Readonly<Record<string, string>>)[event]
  if (next === undefined) throw new Error(`no transition ${String(phase)} -${event}->`)
  return next
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionTerms } from '../../../src/protocols/sdpp/account.ts'
import {
  type BuyerEvent,
  type BuyerState,
  buyerExpects,
  buyerStart,
  buyerStep
} from '../../../src/protocols/sdpp/buyer-machine.ts'
import { FRAME, type FrameName } from '../../../src/protocols/sdpp/frame.ts'
import { sellerExpects, sellerStep } from '../../../src/protocols/sdpp/seller-machine.ts'
import { type SellerEvent, type SellerState, sellerStart } from '../../../src/protocols/sdpp/seller-state.ts'
import {
  BUYER_EXPECTS,
  BUYER_TRANSITIONS,
  type BuyerPhase,
  follow,
  SELLER_EXPECTS,
  SELLER_TRANSITIONS,
  type SellerPhase,
  type TransitionTable
} from '../../../src/protocols/sdpp/transitions.ts'

const terms: SessionTerms = {
  price: { amount: 10n, count: 1n, unit: 'record' },
  k: 2n,
  credit: 100n,
  prepay: 0n,
  ahead: 0n,
  maximum: 1_000n,
  start: 0n
}
const records = { first: 0n, count: 3, ends: Uint32Array.from([5, 10, 15]) }
const LATE = 1e9

const SELLER_EVENTS: Record<string, SellerEvent> = {
  menuServed: { type: 'menuServed' },
  offered: { type: 'offered' },
  refused: { type: 'refused' },
  ordered: { type: 'ordered' },
  resuming: { type: 'resuming' },
  accepted: { type: 'accepted', terms, available: undefined },
  block: { type: 'block', records },
  ended: { type: 'ended' },
  window: { type: 'window', credit: 10n ** 9n },
  toppingUp: { type: 'toppingUp' },
  paymentArrived: { type: 'paymentArrived', sessionPaid: 1_000n },
  credited: { type: 'credited', sessionPaid: 1_000n },
  position: { type: 'position', n: 0n },
  close: { type: 'close', reason: 1 },
  acknowledged: { type: 'acknowledged' },
  tick: { type: 'tick' },
  late: { type: 'tick' },
  aborted: { type: 'aborted' }
}

function sell(state: SellerState, ...events: string[]): SellerState {
  return events.reduce(
    (at, name) => sellerStep(at, SELLER_EVENTS[name] as SellerEvent, name === 'late' ? LATE : 0)[0],
    state
  )
}

const listening = sellerStart(0, 'strict')
const streaming = sell(listening, 'offered', 'ordered', 'accepted', 'block')
const SELLERS: Record<SellerPhase, SellerState> = {
  listening,
  offered: sell(listening, 'offered'),
  verifying: sell(listening, 'offered', 'ordered'),
  streaming,
  settling: sell(streaming, 'close'),
  receipted: sell(streaming, 'close', 'credited'),
  closed: sell(streaming, 'close', 'credited', 'acknowledged'),
  failed: sell(listening, 'aborted')
}

/** Where each event leads from each state; — is a step that no frame and no timer can cause, and throws. */
const SELLER_MATRIX = `
             listening offered   verifying streaming settling  receipted closed    failed
menuServed   listening —         —         —         —         —         —         —
offered      offered   —         —         —         —         —         —         —
refused      closed    closed    closed    —         —         —         —         —
ordered      —         verifying —         —         —         —         —         —
resuming     verifying —         —         —         —         —         —         —
accepted     —         —         streaming —         —         —         —         —
block        listening offered   verifying streaming settling  receipted closed    failed
ended        listening offered   verifying settling  settling  receipted closed    failed
toppingUp    listening offered   verifying streaming settling  receipted closed    failed
window       listening offered   verifying streaming settling  receipted closed    failed
paymentArrived listening offered verifying streaming settling receipted closed failed
credited     listening offered   verifying streaming receipted receipted closed    failed
position     listening offered   verifying streaming settling  receipted closed    failed
close        listening offered   verifying settling  settling  receipted closed    failed
acknowledged —         —         —         —         —         closed    —         —
tick         listening offered   verifying streaming settling  receipted closed    failed
late         failed    failed    verifying failed    receipted closed    closed    failed
aborted      failed    failed    failed    failed    failed    closed    closed    failed
`

const totals = { n: 0n, bytes: 0n, due: 0n, credited: 0n, rootMatches: true }
const BUYER_EVENTS: Record<string, BuyerEvent> = {
  menuReceived: { type: 'menuReceived' },
  offerReceived: { type: 'offerReceived' },
  orderSent: { type: 'orderSent' },
  resumeSent: { type: 'resumeSent' },
  refused: { type: 'refused' },
  accepted: { type: 'accepted', terms },
  data: { type: 'data', first: 0n, progress: { n: 1n, records: 1n, bytes: 1n }, bytes: 5 },
  invoice: { type: 'invoice', ...totals },
  paid: { type: 'paid', sessionPaid: 0n },
  handled: { type: 'handled', n: 0n, bytes: 0, idle: true },
  toppingUp: { type: 'toppingUp' },
  stop: { type: 'stop', reason: 1 },
  violated: { type: 'violated', payable: { n: 0n, records: 0n, bytes: 0n } },
  closeReceived: { type: 'closeReceived', reason: 2 },
  receipt: { type: 'receipt', ...totals },
  confirmed: { type: 'confirmed' },
  tick: { type: 'tick' },
  late: { type: 'tick' },
  aborted: { type: 'aborted' }
}

function buy(state: BuyerState, ...events: string[]): BuyerState {
  return events.reduce(
    (at, name) => buyerStep(at, BUYER_EVENTS[name] as BuyerEvent, name === 'late' ? LATE : 0)[0],
    state
  )
}

const greeting = buyerStart(0, 'every')
const open = buy(greeting, 'offerReceived', 'orderSent', 'accepted')
const BUYERS: Record<BuyerPhase, BuyerState> = {
  greeting,
  ordering: buy(greeting, 'offerReceived'),
  ordered: buy(greeting, 'offerReceived', 'orderSent'),
  streaming: open,
  settling: buy(open, 'closeReceived', 'invoice'),
  receipted: buy(open, 'closeReceived', 'invoice', 'receipt'),
  closed: buy(open, 'closeReceived', 'invoice', 'receipt', 'confirmed'),
  failed: buy(greeting, 'aborted')
}

/** From settling with CLOSE and the final invoice received: everything but the receipt is too late. */
const BUYER_MATRIX = `
              greeting  ordering  ordered   streaming settling  receipted closed    failed
menuReceived  closed    —         —         —         —         —         —         —
offerReceived ordering  —         —         —         —         —         —         —
orderSent     —         ordered   —         —         —         —         —         —
resumeSent    ordered   —         —         —         —         —         —         —
refused       closed    closed    closed    —         —         —         —         —
accepted      —         —         streaming —         —         —         —         —
paid          greeting  ordering  ordered   streaming settling  receipted closed    failed
handled       greeting  ordering  ordered   streaming settling  receipted closed    failed
toppingUp     greeting  ordering  ordered   streaming settling  receipted closed    failed
stop          greeting  ordering  ordered   settling  settling  receipted closed    failed
violated      greeting  ordering  ordered   settling  settling  receipted closed    failed
data          failed    failed    failed    streaming failed    —         —         —
invoice       greeting  ordering  ordered   streaming failed    —         —         failed
closeReceived greeting  ordering  ordered   settling  failed    —         —         failed
receipt       failed    failed    failed    failed    receipted —         —         —
confirmed     —         —         —         —         —         closed    —         —
tick          greeting  ordering  ordered   streaming settling  receipted closed    failed
late          failed    failed    failed    streaming failed    receipted closed    failed
aborted       failed    failed    failed    failed    failed    receipted closed    failed
`

function cells(matrix: string): Array<[event: string, from: string, to: string]> {
  const [header, ...rows] = matrix
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  return rows.flatMap(([event, ...to]) =>
    (header as string[]).map((from, i): [string, string, string] => [event as string, from, to[i] as string])
  )
}

test('every seller state × every event', () => {
  const all = cells(SELLER_MATRIX)
  assert.equal(all.length, Object.keys(SELLERS).length * Object.keys(SELLER_EVENTS).length)
  for (const [event, from, to] of all) {
    const state = SELLERS[from as SellerPhase]
    assert.equal(state.phase, from)
    const act = (): string => sell(state, event).phase
    if (to === '—') assert.throws(act, /no transition/, `${from} × ${event}`)
    else assert.equal(act(), to, `${from} × ${event}`)
  }
})

test('every buyer state × every event', () => {
  const all = cells(BUYER_MATRIX)
  assert.equal(all.length, Object.keys(BUYERS).length * Object.keys(BUYER_EVENTS).length)
  for (const [event, from, to] of all) {
    const state = BUYERS[from as BuyerPhase]
    assert.equal(state.phase, from)
    const act = (): string => buy(state, event).phase
    if (to === '—') assert.throws(act, /no transition/, `${from} × ${event}`)
    else assert.equal(act(), to, `${from} × ${event}`)
  }
})

test('every transition of the tables is taken by an event of the machines', () => {
  const taken = (table: TransitionTable, matrix: string): string[] => {
    const reached = new Set(cells(matrix).map(([, from, to]) => `${from} ${to}`))
    return Object.entries(table).flatMap(([from, row]) =>
      Object.values(row)
        .map((to) => `${from} ${to}`)
        .filter((edge) => !reached.has(edge))
    )
  }
  assert.deepEqual(taken(SELLER_TRANSITIONS, SELLER_MATRIX), [])
  assert.deepEqual(taken(BUYER_TRANSITIONS, BUYER_MATRIX), [])
})

test('no machine leaves the tables: each change of state in the matrices is a transition', () => {
  for (const [table, matrix] of [
    [SELLER_TRANSITIONS, SELLER_MATRIX],
    [BUYER_TRANSITIONS, BUYER_MATRIX]
  ] as const) {
    for (const [event, from, to] of cells(matrix)) {
      if (to === '—' || to === from) continue
      // Closing and receipt may follow each other in one step.
      const row = Object.values((table as TransitionTable)[from] ?? {})
      assert.ok(row.includes(to), `${from} × ${event} → ${to}`)
    }
  }
})

test('follow refuses what the table does not have, also names of Object.prototype', () => {
  assert.equal(follow(SELLER_TRANSITIONS, 'listening', 'offered'), 'offered')
  assert.throws(() => follow(SELLER_TRANSITIONS, 'closed', 'offered'), /no transition/)
})

test('every state × every frame: what is expected is in the table, everything else is not', () => {
  const SELLER: Record<SellerPhase, string> = {
    listening: 'HELLO RESUME CLOSE STATUS PING',
    offered: 'ORDER CLOSE STATUS PING',
    verifying: 'CLOSE STATUS PING',
    streaming: 'PAYMENT POSITION CLOSE STATUS PING',
    settling: 'PAYMENT POSITION CLOSE STATUS PING',
    receipted: 'PAYMENT POSITION CLOSE RECEIPT_ACK STATUS PING',
    closed: '',
    failed: ''
  }
  const BUYER: Record<BuyerPhase, string> = {
    greeting: 'MENU OFFER STATUS PING',
    ordering: 'STATUS PING',
    ordered: 'ACCEPT STATUS PING',
    streaming: 'DATA INVOICE CLOSE STATUS PING',
    settling: 'DATA INVOICE CLOSE RECEIPT STATUS PING',
    receipted: 'STATUS PING',
    closed: '',
    failed: ''
  }
  for (const frame of Object.keys(FRAME) as FrameName[]) {
    for (const [phase, expected] of Object.entries(SELLER)) {
      const takes = sellerExpects(SELLERS[phase as SellerPhase], frame)
      assert.equal(takes, expected.split(' ').includes(frame), `seller ${phase} × ${frame}`)
    }
    for (const [phase, expected] of Object.entries(BUYER)) {
      const takes = buyerExpects(BUYERS[phase as BuyerPhase], frame)
      assert.equal(takes, expected.split(' ').includes(frame), `buyer ${phase} × ${frame}`)
    }
  }
  assert.deepEqual(Object.keys(SELLER), Object.keys(SELLER_EXPECTS))
  assert.deepEqual(Object.keys(BUYER), Object.keys(BUYER_EXPECTS))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionTerms } from '../../../src/protocols/sdpp/account.ts'
import { PAYMENT_TIMEOUT_MS } from '../../../src/protocols/sdpp/constants.ts'
import { sellerStep } from '../../../src/protocols/sdpp/seller-machine.ts'
import {
  type SellerEffect,
  type SellerEvent,
  type SellerStanding,
  type SellerState,
  sellerStart
} from '../../../src/protocols/sdpp/seller-state.ts'
import { CLOSE_REASON, STATUS } from '../../../src/protocols/sdpp/status.ts'

const TERMS: SessionTerms = {
  price: { amount: 10n, count: 1n, unit: 'record' },
  k: 4n,
  credit: 40n,
  prepay: 0n,
  ahead: 0n,
  maximum: 10_000n,
  start: 0n
}
const RECORDS = { first: 0n, count: 50, ends: Uint32Array.from({ length: 50 }, (_, i) => (i + 1) * 10) }

/** A session that had sent 24 records, of which 20 are paid, and whose buyer names position 2. */
function resumed(changes: Partial<SellerStanding> = {}): { state: SellerState; effects: SellerEffect[] } {
  const sent = { n: 2n, records: 2n, bytes: 12n }
  const standing = { sent, sentBefore: 24n, dueBefore: 240n, credited: 200n, ...changes }
  const [verifying] = sellerStep(sellerStart(0, 'strict'), { type: 'resuming' }, 0)
  const [state, effects] = sellerStep(
    verifying,
    { type: 'accepted', terms: TERMS, available: 10_000n, resumed: standing },
    0
  )
  return { state, effects }
}

/** Gives the block until nothing more is sent. */
function pump(from: SellerState): { state: SellerState; effects: SellerEffect[] } {
  let state = from
  const all: SellerEffect[] = []
  while (state.phase === 'streaming' && state.blocked === 'no') {
    const [next, effects] = sellerStep(state, { type: 'block', records: RECORDS }, 0)
    state = next
    all.push(...effects)
  }
  return { state, effects: all }
}

function step(state: SellerState, event: SellerEvent, now = 0): { state: SellerState; effects: SellerEffect[] } {
  const [next, effects] = sellerStep(state, event, now)
  return { state: next, effects }
}

test('CLOSE at an old position gives nothing back: what was sent is sent again, and asked for', () => {
  const closing = step(resumed().state, { type: 'close', reason: CLOSE_REASON.buyerDone })
  assert.deepEqual(closing.effects, [{ type: 'pump' }])
  assert.equal(closing.state.phase, 'streaming')
  const { state, effects } = pump(closing.state)
  const sent = effects.filter((effect) => effect.type === 'data')
  assert.equal(sent.at(-1)?.progress.n, 24n, 'the last record that was sent')
  assert.equal(state.phase, 'settling')
  const paid = step(state, { type: 'credited', sessionPaid: 240n, available: 10_000n })
  assert.deepEqual(
    paid.effects.find((effect) => effect.type === 'receipt'),
    { type: 'receipt', n: 24n, bytes: 144n, due: 240n, credited: 240n, reason: CLOSE_REASON.buyerDone }
  )
  assert.equal(paid.state.phase, 'receipted')
})

test('CLOSE for a bad record, which no payment follows: the session ends where it is paid for', () => {
  const closing = step(resumed().state, { type: 'close', reason: CLOSE_REASON.schema })
  const { state, effects } = pump(closing.state)
  const receipt = effects.find((effect) => effect.type === 'receipt')
  assert.ok(receipt?.type === 'receipt')
  assert.deepEqual([receipt.n, receipt.due, receipt.credited], [20n, 200n, 200n])
  assert.equal(state.phase, 'receipted')
})

test('without CLOSE all that was sent goes again for nothing, and new records as the window allows', () => {
  const { state, effects } = pump(resumed().state)
  const sent = effects.filter((effect) => effect.type === 'data')
  assert.equal(sent.at(-1)?.progress.n, 24n)
  assert.equal(state.blocked, 'window')
})

test('a buyer that asks again and takes nothing gets no receipt', () => {
  const closing = step(resumed().state, { type: 'close', reason: CLOSE_REASON.buyerDone })
  const again = step(closing.state, { type: 'close', reason: CLOSE_REASON.complete })
  assert.equal(again.state, closing.state)
  const { state, effects } = step(closing.state, { type: 'tick' }, PAYMENT_TIMEOUT_MS)
  assert.equal(state.phase, 'failed')
  assert.equal(effects[0]?.type === 'fail' && effects[0].code, STATUS.timeout)
})

test('a buyer that has all it paid for ends at once', () => {
  const { state } = pump(resumed().state)
  const closed = step(state, { type: 'close', reason: CLOSE_REASON.buyerDone })
  assert.equal(closed.state.phase, 'settling')
})

test('a position that a crash lost: what was paid for is sent again all the same', () => {
  // 20 records were paid for, of which the ledger knew 6; 40 were paid ahead.
  const { state } = resumed({ sentBefore: 6n, dueBefore: 200n, credited: 240n })
  const closing = step(state, { type: 'close', reason: CLOSE_REASON.buyerDone })
  const { effects } = pump(closing.state)
  const receipt = effects.find((effect) => effect.type === 'receipt')
  assert.equal(receipt?.type === 'receipt' && receipt.n, 20n)
  assert.equal(receipt?.type === 'receipt' && receipt.due, 200n)
})

test('sent again up to the head of a log that grows: it ends without waiting for the next record', () => {
  const { state } = resumed({ sentBefore: 50n, dueBefore: 500n, credited: 600n })
  const closing = step(state, { type: 'close', reason: CLOSE_REASON.buyerDone })
  const { state: ended, effects } = pump(closing.state)
  assert.equal(ended.phase, 'receipted')
  const receipt = effects.find((effect) => effect.type === 'receipt')
  assert.equal(receipt?.type === 'receipt' && receipt.n, 50n)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepStatements, keptStatements } from '../../../src/web/client/kept-statements.ts'
import type { Move, Statement } from '../../../src/web/client/types.ts'
import { entriesOf } from '../../../src/web/views/log-entries.ts'

const statement = (kind: string, at: number, content: Record<string, string> = {}): Statement => ({
  cid: `${kind}-${at}`,
  kind,
  issuer: kind === 'order' ? 'me' : 'seller',
  content: { at: `${at}`, ...content }
})

const move = (kind: Move['kind'], at: number, amount: string): Move => ({ kind, at, amount, transaction: `0x${at}` })

const SIGNED = [
  statement('order', 1, { maximum: '50', quantity: '10' }),
  statement('invoice', 4, { n: '2', due: '20', credited: '0' }),
  statement('invoice', 6, { n: '4', due: '40', credited: '20' }),
  statement('receipt', 8, { n: '4', due: '40', credited: '40' })
]

const lines = (moves: Move[]): string[] =>
  entriesOf(SIGNED, moves, { self: 'me', money: (amount) => `${amount} u` }).map(
    ({ what, by, text, cid, transaction }) => `${what} ${by}: ${text} ${cid ?? transaction}`
  )

test('the log tells statements, payments that the seller confirmed, and the ledger in the order of time', () => {
  assert.deepEqual(lines([move('deposit', 2, '100'), move('claim', 9, '40')]), [
    'order you: 10 for at most 50 u order-1',
    'deposit ledger: 100 u 0x2',
    'invoice seller: 2 records, 20 u in all invoice-4',
    'payment you: 20 u; 20 u in all invoice-6',
    'invoice seller: 4 records, 40 u in all invoice-6',
    'payment you: 20 u; 40 u in all receipt-8',
    'receipt seller: 4 records, 40 u due, 40 u paid receipt-8',
    'claim ledger: 40 u 0x9'
  ])
})

test('a payment that is a transaction is told once, by its transaction', () => {
  const payments = lines([move('payment', 5, '20'), move('payment', 7, '20')]).filter((line) => /^payment/.test(line))
  assert.deepEqual(payments, ['payment you: 20 u 0x5', 'payment you: 20 u 0x7'])
})

class Memory extends Map<string, string> {
  get length(): number {
    return this.size
  }
  getItem(name: string): string | null {
    return this.get(name) ?? null
  }
  setItem(name: string, value: string): void {
    this.set(name, value)
  }
  removeItem(name: string): void {
    this.delete(name)
  }
  key(index: number): string | null {
    return [...this.keys()][index] ?? null
  }
}

test('a tab keeps what it saw of its sessions, the newest of them', () => {
  const store = new Memory([['ddm.token', 'secret']])
  for (let session = 0; session < 12; session++) keepStatements(`${session}`, SIGNED, store)
  assert.deepEqual(keptStatements('11', store), SIGNED)
  assert.deepEqual(keptStatements('0', store), [])
  assert.equal(store.size, 11)
  assert.equal(store.get('ddm.token'), 'secret')
  keepStatements(
    '11',
    Array.from({ length: 300 }, (_, at) => statement('invoice', at)),
    store
  )
  assert.equal(keptStatements('11', store).length, 200)
  assert.equal(keptStatements('11', store).at(-1)?.cid, 'invoice-299')
})

test('what a store has no room for, or what is no JSON, is no fault', () => {
  const full = new Memory()
  full.setItem = () => {
    throw new Error('full')
  }
  keepStatements('a', SIGNED, full)
  assert.deepEqual(keptStatements('a', full), [])
  assert.deepEqual(keptStatements('a', new Memory([['ddm.statements.a', '{']])), [])
})

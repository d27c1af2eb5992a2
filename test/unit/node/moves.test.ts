import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LedgerMove, SessionRecord, Transfer } from '../../../src/interface/index.ts'
import { movesOfSession } from '../../../src/node/moves.ts'

const CHANNEL = `0x${'c'.repeat(64)}` as const
const DEPOSIT: LedgerMove = { kind: 'deposit', amount: 100n, transaction: `0x${'1'.repeat(64)}`, at: 5 }

function components(records: Array<Partial<SessionRecord>>, sent: Array<Partial<Transfer>> = []) {
  const all = records as SessionRecord[]
  const asked: unknown[] = []
  const given: unknown = {
    ledger: {
      sessions: { get: async (id: string) => all.find((one) => one.id === id), list: async () => all },
      transfers: { sent: async () => sent, receivedOf: async () => [] }
    },
    chain: {
      channelMoves: async (...question: unknown[]) => {
        asked.push(question.slice(0, 2))
        return [DEPOSIT]
      }
    }
  }
  return { asked, parts: given as Parameters<typeof movesOfSession>[1] }
}

test('of a channel all moves are told, since the first session that used it', async () => {
  const hour = 3_600_000
  const { asked, parts } = components([
    { id: 'other', openedAt: hour },
    { id: 'first', openedAt: 3 * hour, channelId: CHANNEL },
    { id: 'second', openedAt: 4 * hour, channelId: CHANNEL, rail: 'evm' }
  ])
  assert.deepEqual(await movesOfSession({ id: 'second', role: 'buyer' }, parts), [DEPOSIT])
  assert.deepEqual(asked, [[CHANNEL, 2 * hour]])
})

test('transactions that pay on their own come from the ledger of the node, named as their network names them', async () => {
  const transfer = { amount: 7n, transaction: `0x${'00'.repeat(31)}01`, at: 9 } as const
  const { asked, parts } = components([{ id: 'one', rail: 'iota' }], [transfer])
  const transaction = `${'1'.repeat(31)}2`
  assert.deepEqual(await movesOfSession({ id: 'one', role: 'buyer' }, parts), [
    { kind: 'payment', amount: 7n, transaction, at: 9 }
  ])
  assert.deepEqual(await movesOfSession({ id: 'one', role: 'seller' }, parts), [])
  assert.deepEqual(asked, [])
})

test('a session that is not known is named', async () => {
  const { parts } = components([])
  await assert.rejects(movesOfSession({ id: 'none', role: 'buyer' }, parts), { code: 'notFound', message: /none/ })
})

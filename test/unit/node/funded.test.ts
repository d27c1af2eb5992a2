import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelStanding, Hex, Payee, SessionRecord, SessionStore } from '../../../src/interface/index.ts'
import { FundedPeers } from '../../../src/node/funded.ts'

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const A: Hex = `0x${'aa'.repeat(32)}`
const B: Hex = `0x${'bb'.repeat(32)}`
const C: Hex = `0x${'cc'.repeat(32)}`
const D: Hex = `0x${'dd'.repeat(32)}`

function session(peer: string, channelId: Hex | undefined, role: 'seller' | 'buyer' = 'seller'): SessionRecord {
  return { id: peer, peer, role, ...(channelId === undefined ? {} : { channelId }) } as SessionRecord
}

function funded(stored: SessionRecord[], standings: Array<Partial<ChannelStanding>> = [], funds = 1n) {
  const sessions = {
    put: async (record: SessionRecord) => void stored.push(record),
    list: async () => stored
  } as Partial<SessionStore> as SessionStore
  const payee = { channels: { list: async () => standings, funds: async () => funds } } as unknown as Payee
  return new FundedPeers({ sessions, payees: [payee, {} as Payee], logger })
}

const standing = (channelId: Hex, over: Partial<ChannelStanding> = {}): Partial<ChannelStanding> => ({
  channelId,
  balance: 100n,
  pendingWithdrawal: 0n,
  claimed: 100n,
  unconfirmed: 0n,
  ...over
})

test('at start those count whose channel still holds something', async () => {
  const peers = funded(
    [session('rich', A), session('poor', B), session('free', undefined), session('leaves', C), session('hopes', D)],
    [
      standing(A, { claimed: 99n }),
      standing(B),
      standing(C, { claimed: 50n, pendingWithdrawal: 50n }),
      standing(D, { unconfirmed: 50n })
    ]
  )
  peers.start()
  await peers.stop()
  assert.deepEqual(['rich', 'poor', 'free', 'leaves', 'hopes'].map(peers.has), [true, false, false, false, false])
})

test('a buyer counts as soon as its session is stored; own purchases do not', async () => {
  const peers = funded([])
  await peers.sessions.put(session('buyer', A))
  await peers.sessions.put(session('seller', B, 'buyer'))
  assert.deepEqual(['buyer', 'seller', 'nobody'].map(peers.has), [true, false, false])
})

test('an order on a channel that holds nothing makes nobody funded, a later deposit does', async () => {
  let funds = 0n
  const stored: SessionRecord[] = []
  const peers = funded(stored, [], 0n)
  await peers.sessions.put(session('buyer', A))
  assert.deepEqual([peers.has('buyer'), stored.length], [false, 1])
  const sessions = { put: async () => {}, list: async () => [] } as Partial<SessionStore> as SessionStore
  const payee = { channels: { list: async () => [], funds: async () => funds } } as unknown as Payee
  const later = new FundedPeers({ sessions, payees: [payee], logger })
  await later.sessions.put(session('buyer', A))
  funds = 1n
  await later.sessions.put(session('buyer', A))
  assert.equal(later.has('buyer'), true)
})

test('one channel stands for four peers, the newest', async () => {
  const peers = funded([])
  for (const name of ['1', '2', '3', '1', '4', '5']) await peers.sessions.put(session(name, A))
  assert.deepEqual(['1', '2', '3', '4', '5'].map(peers.has), [true, false, true, true, true])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelStanding, Hex, Payee, SessionRecord, SessionStore } from '../../../src/interface/index.ts'
import { FundedPeers } from '../../../src/node/funded.ts'

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const A: Hex = `0x${'aa'.repeat(32)}`
const B: Hex = `0x${'bb'.repeat(32)}`

function session(peer: string, channelId: Hex | undefined, role: 'seller' | 'buyer' = 'seller'): SessionRecord {
  return { id: peer, peer, role, ...(channelId === undefined ? {} : { channelId }) } as SessionRecord
}

function funded(stored: SessionRecord[], standings: Array<Partial<ChannelStanding>> = []) {
  const sessions = {
    put: async (record: SessionRecord) => void stored.push(record),
    list: async () => stored
  } as Partial<SessionStore> as SessionStore
  const payee = { channels: { list: async () => standings } } as unknown as Payee
  return new FundedPeers({ sessions, payees: [payee, {} as Payee], logger })
}

const standing = (channelId: Hex, over: Partial<ChannelStanding> = {}): Partial<ChannelStanding> => ({
  channelId,
  unspent: 0n,
  unclaimed: 0n,
  unconfirmed: 0n,
  ...over
})

test('at start those count whose channel still holds something', async () => {
  const peers = funded(
    [session('rich', A), session('poor', B), session('free', undefined)],
    [standing(A, { unspent: 1n }), standing(B)]
  )
  peers.start()
  await peers.stop()
  assert.deepEqual(['rich', 'poor', 'free'].map(peers.has), [true, false, false])
})

test('a buyer counts as soon as its session is stored; own purchases do not', async () => {
  const peers = funded([])
  await peers.sessions.put(session('buyer', A))
  await peers.sessions.put(session('seller', B, 'buyer'))
  assert.deepEqual(['buyer', 'seller', 'nobody'].map(peers.has), [true, false, false])
})

test('one channel stands for four peers, the newest', async () => {
  const peers = funded([])
  for (const name of ['1', '2', '3', '1', '4', '5']) await peers.sessions.put(session(name, A))
  assert.deepEqual(['1', '2', '3', '4', '5'].map(peers.has), [true, false, true, true, true])
})

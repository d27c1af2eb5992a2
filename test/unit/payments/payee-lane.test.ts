import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelState, PayeeChannel } from '../../../src/interface/index.ts'
import { PayeeLane, type PayeeLaneInit } from '../../../src/payments/evm/payee-lane.ts'
import { eip712, memoryChain } from './memory.ts'

/** What a seller takes for the state of a channel when answers of the chain overtake each other. */

const HELD: ChannelState = { balance: 1_000n, totalClaimed: 0n, pendingWithdrawal: 0n, finalizeAfter: 0n }

function lane(): PayeeLane {
  const { chain } = memoryChain()
  const { chainId, escrow } = chain
  const channel = {
    channelId: `0x${'11'.repeat(32)}`,
    chainId,
    escrow,
    base: 0n,
    claimed: 0n
  } as unknown as PayeeChannel
  // Only what a lane needs to look at its channel.
  return new PayeeLane(channel, { chain, eip712 } as unknown as PayeeLaneInit)
}

test('an answer never replaces one that was asked for later: a withdrawal that was seen stays seen', () => {
  const one = lane()
  const [earlier, later] = [one.observe(), one.observe()]
  later({ ...HELD, pendingWithdrawal: 400n, finalizeAfter: 9n })
  earlier(HELD)
  assert.equal(one.covered, 600n)
  one.observe()(HELD)
  assert.equal(one.covered, 1_000n, 'the next answer counts')
})

test('an answer that was asked for before a claim does not show it as undone', () => {
  const one = lane()
  one.observe()(HELD)
  const before = one.observe()
  one.claimedUpTo(300n)
  before({ ...HELD, balance: 1_200n })
  assert.deepEqual([one.state.totalClaimed, one.balance, one.orphaned], [300n, 1_200n, false])
  one.observe()(HELD)
  assert.deepEqual([one.state.totalClaimed, one.orphaned], [0n, true])
})

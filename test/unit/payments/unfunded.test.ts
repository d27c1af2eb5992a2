import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Hex, PayeeSession, PayerSession, SessionRecord, SessionStore } from '../../../src/interface/index.ts'
import { FundedPeers } from '../../../src/node/funded.ts'
import { bindingOf, eip712, key, LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore } from './memory.ts'

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function market() {
  const money = memoryChain()
  const sold = memoryStore()
  const payee = memoryPayee(money.chain, sold)
  const kept: SessionRecord[] = []
  const sessions = {
    put: async (record: SessionRecord) => void kept.push(record),
    list: async () => kept
  } as Partial<SessionStore> as SessionStore
  const peers = new FundedPeers({ sessions, payees: [payee], logger })
  let made = 0
  /** Each order comes from a payer of its own, thus on a channel of its own. */
  const order = async (maximum: bigint) => {
    const id = `s${++made}`
    const binding = bindingOf(made)
    const terms = payee.terms(LISTING)
    assert.ok(terms)
    const buying: PayerSession = await memoryPayer(money.chain, memoryStore()).open({
      terms,
      binding,
      seller: 'seller',
      maximum,
      one: 10n
    })
    const { config } = buying.order
    assert.ok(config)
    // Any salt is a channel.
    const selling: PayeeSession = await payee.accept({ terms, binding, order: buying.order, buyer: id, maximum })
    await selling.begin(id)
    const { channelId } = selling
    assert.ok(channelId)
    await peers.sessions.put({ id, role: 'seller', peer: id, channelId } as SessionRecord)
    const request = { sessionId: id, channelId, terms, peer: id, maximum, config }
    const sign = (channel: Hex): Hex => {
      const domain = eip712.escrowDomain(1, money.chain.escrow)
      return eip712.sign(eip712.voucher(domain, channel, 0n), key(0x51).privateKey)
    }
    return { id, selling, request, channelId, sign }
  }
  return { money, sold, payee, peers, order }
}

describe('orders that cost nothing, on channels that hold nothing', () => {
  test('a flood of them leaves no channel, and makes nobody funded', async () => {
    const { sold, payee, peers, order } = market()
    for (let i = 0; i < 50; i++) {
      const { id, selling, channelId, sign } = await order(0n)
      assert.deepEqual([selling.covered, selling.available()], [0n, 0n])
      assert.equal(peers.has(id), false)
      // A voucher that pays for nothing.
      const voucher = { channelId, maxClaimableAmount: 0n, signature: sign(channelId) }
      if (i % 3 === 0) await selling.credit(0n, voucher)
      await (i % 2 === 0 ? selling.end(0n, 0n) : selling.suspend())
    }
    assert.deepEqual(await sold.payees(), [])
    peers.start()
    await peers.stop()
    assert.equal(peers.has('s1'), false)
    assert.deepEqual(await payee.channels?.list(), [])
  })

  test('one that was cut goes on, also after a restart of the seller', async () => {
    const { money, sold, payee, order } = market()
    const { selling, request } = await order(0n)
    await selling.suspend()
    for (const again of [payee, memoryPayee(money.chain, sold)]) {
      const resumed = await again.resume(request)
      assert.deepEqual([resumed.credited, resumed.available(), resumed.verify(0n, undefined)], [0n, 0n, undefined])
      assert.match(resumed.verify(1n, undefined) ?? '', /above the session's maximum 0/)
      await resumed.end(0n, 0n)
    }
    assert.deepEqual(await sold.payees(), [])
    await assert.rejects(payee.resume({ ...request, maximum: 1n }), { code: 'notFound' })
  })
})

test('who has deposited is funded from its first order on, and its channel is kept', async () => {
  const { sold, payee, peers, order } = market()
  const { id, selling, channelId } = await order(100n)
  assert.equal(peers.has(id), true)
  assert.equal(await payee.channels?.funds(channelId), 100n)
  await selling.suspend()
  assert.equal((await sold.payees()).length, 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelChain, Hex, PayeeSession, PayerSession, SessionRecord } from '../../../src/interface/index.ts'
import { endStraySessions } from '../../../src/node/stray-grants.ts'
import { bindingOf, LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore } from './memory.ts'

/** Refunds beside payments and beside the watch over withdrawals. */

type Party = ReturnType<typeof memoryPayee>
type Buyer = ReturnType<typeof memoryPayer>

let orders = 0

async function order(payee: Party, payer: Buyer, maximum: bigint): Promise<[string, PayeeSession, PayerSession]> {
  const terms = payee.terms(LISTING)
  assert.ok(terms !== undefined)
  const id = `session ${++orders}`
  const binding = bindingOf(orders)
  const buying = await payer.open({ terms, binding, seller: 'S', maximum, one: 1n })
  const selling = await payee.accept({ terms, binding, order: buying.order, buyer: 'B', maximum })
  await buying.begin(id)
  await selling.begin(id)
  await buying.accept(selling.base, selling.proof)
  return [id, selling, buying]
}

test('a payment that comes while a refund is made ready is not paid back', async () => {
  const money = memoryChain()
  const payee = memoryPayee(money.chain, memoryStore())
  const payer = memoryPayer(money.chain, memoryStore())
  // The first one is cut and taken up again with what the second one left; then the second one ends.
  const [id, cut, cutBuying] = await order(payee, payer, 100n)
  const channelId = cutBuying.channelId as Hex
  await cut.suspend()
  await cutBuying.suspend()
  const [, other, otherBuying] = await order(payee, payer, 90n)
  const terms = payee.terms(LISTING) as NonNullable<ReturnType<Party['terms']>>
  const again = { sessionId: id, channelId, terms, peer: 'B', maximum: 100n, one: 1n }
  const selling = await payee.resume(again)
  const buying = await payer.resume(again)
  await other.end(0n, 0n)
  await otherBuying.end(0n)

  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const { refundNonce } = money.chain
  let times = 0
  money.chain.refundNonce = async (...of) => {
    if (times++ === 0) {
      asked.resolve()
      await answer.promise
    }
    return refundNonce(...of)
  }
  const refunding = payee.channels?.refund(channelId)
  await asked.promise
  const voucher = await buying.pay(100n)
  await selling.credit(100n, voucher)
  answer.resolve()
  assert.deepEqual(await refunding, { amount: 0n })
  assert.equal((await payee.claim()).claimed, 100n)
})

/** Claims take their time, as on a chain with confirmations; how many rows each has is noted. */
function slowClaims(money: ReturnType<typeof memoryChain>): number[] {
  const claims: number[] = []
  const { claim } = money.chain
  const slow: ChannelChain['claim'] = async (rows, options) => {
    claims.push(rows.length)
    await new Promise((resolve) => setTimeout(resolve, 50))
    return claim(rows, options)
  }
  money.chain.claim = slow
  return claims
}

test('a withdrawal is answered next, however many refunds are asked for', async () => {
  const money = memoryChain()
  const claims = slowClaims(money)
  const { channelStates } = money.chain
  let withdrawing: Hex | undefined
  money.chain.channelStates = async (channels, options) =>
    (await channelStates(channels, options)).map((state, index) =>
      channels[index]?.channelId === withdrawing ? { ...state, pendingWithdrawal: 501n, finalizeAfter: 1n } : state
    )
  const policy = { above: 10n ** 9n, interval: 10 ** 9, nativePrice: 0n, gasPercent: 5n }
  const payee = memoryPayee(money.chain, memoryStore(), { claimPolicy: policy })
  // What an earlier run left is claimed at once.
  await payee.channels?.watch()
  const { channels } = payee
  assert.ok(channels !== undefined)
  const wishes: Hex[] = []
  for (let buyer = 0; buyer < 8; buyer++) {
    const [, selling, buying] = await order(payee, memoryPayer(money.chain, memoryStore()), 100n)
    await selling.credit(10n, await buying.pay(10n))
    await selling.end(10n, 10n)
    wishes.push(buying.channelId as Hex)
  }
  const [, selling, buying] = await order(payee, memoryPayer(money.chain, memoryStore()), 1_000n)
  await selling.credit(500n, await buying.pay(500n))
  assert.deepEqual(claims, [])

  const refunds = wishes.map((channelId) => channels.refund(channelId))
  while (claims.length === 0) await new Promise((resolve) => setImmediate(resolve))
  withdrawing = buying.channelId
  const { claimed } = await channels.watch()
  assert.equal(claimed, 500n)
  assert.ok(claims.length <= 3, `${claims.length} claims before or at the watch`)
  assert.deepEqual(
    (await Promise.all(refunds)).map((refund) => refund.amount),
    wishes.map(() => 90n)
  )
})

test('who asks for what is promised or not there makes nobody claim', async () => {
  const money = memoryChain()
  const claims = slowClaims(money)
  const payee = memoryPayee(money.chain, memoryStore())
  const [, selling, buying] = await order(payee, memoryPayer(money.chain, memoryStore()), 100n)
  await selling.credit(10n, await buying.pay(10n))
  assert.deepEqual(await payee.channels?.refund(buying.channelId as Hex), { amount: 0n })
  assert.deepEqual(claims, [])
})

/** What the payers have asked back, as every read shows it. */
function withdrawals(money: ReturnType<typeof memoryChain>): Map<Hex, bigint> {
  const pending = new Map<Hex, bigint>()
  const { channel, channelStates } = money.chain
  const of = (channelId: Hex): bigint => pending.get(channelId) ?? 0n
  money.chain.channel = async (id) => ({ ...(await channel(id)), pendingWithdrawal: of(id) })
  money.chain.channelStates = async (channels, options) =>
    (await channelStates(channels, options)).map((state, index) => ({
      ...state,
      pendingWithdrawal: of(channels[index]?.channelId ?? '0x')
    }))
  return pending
}

test('while a claim is not mined, nothing more is credited to a channel from which all is withdrawn', async () => {
  const money = memoryChain()
  const pending = withdrawals(money)
  const { claim } = money.chain
  const mined = Promise.withResolvers<void>()
  const sent = Promise.withResolvers<void>()
  money.chain.claim = async (...of) => {
    sent.resolve()
    await mined.promise
    return claim(...of)
  }
  const payee = memoryPayee(money.chain, memoryStore())
  await payee.channels?.watch()
  const [, slow, slowBuying] = await order(payee, memoryPayer(money.chain, memoryStore()), 100n)
  await slow.credit(10n, await slowBuying.pay(10n))
  const [, selling, buying] = await order(payee, memoryPayer(money.chain, memoryStore()), 1_000n)
  await selling.credit(500n, await buying.pay(500n))
  pending.set(slowBuying.channelId as Hex, 100n)
  const watching = payee.channels?.watch()
  await sent.promise
  pending.set(buying.channelId as Hex, 1_000n)
  await payee.channels?.look()
  const voucher = await buying.pay(600n)
  await assert.rejects(selling.credit(600n, voucher), { code: 'paymentInvalid', message: /holds 0 that nobody takes/ })
  mined.resolve()
  assert.equal((await watching)?.claimed, 10n)
  assert.equal((await payee.channels?.watch())?.claimed, 500n)
})

test('a look that was begun before a claim was mined does not show it as undone', async () => {
  const money = memoryChain()
  const payee = memoryPayee(money.chain, memoryStore())
  const [, selling, buying] = await order(payee, memoryPayer(money.chain, memoryStore()), 100n)
  await selling.credit(10n, await buying.pay(10n))
  const { channelStates, claim } = money.chain
  const late = Promise.withResolvers<void>()
  let looking: Promise<void> | undefined
  money.chain.claim = async (...of) => {
    money.chain.channelStates = async (...asked) => {
      const states = await channelStates(...asked)
      await late.promise
      return states
    }
    looking = payee.channels?.look()
    await new Promise((resolve) => setImmediate(resolve))
    return claim(...of)
  }
  assert.equal((await payee.claim()).claimed, 10n)
  late.resolve()
  await looking
  assert.equal((await payee.channels?.held())?.unclaimed, 0n)
})

test('a refund that is not mined does not hold up the watch over other channels', async () => {
  const money = memoryChain()
  const pending = withdrawals(money)
  const store = memoryStore()
  const { refund } = money.chain
  const stop = new AbortController()
  money.chain.refund = (_config, _refund, { signal } = {}) =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('stopped'))))
  let payee = memoryPayee(money.chain, store)
  const [, left, leftBuying] = await order(payee, memoryPayer(money.chain, memoryStore()), 100n)
  await left.end(0n, 0n)
  const refunding = payee.channels?.refund(leftBuying.channelId as Hex, { signal: stop.signal })
  await new Promise((resolve) => setTimeout(resolve, 20))
  stop.abort()
  await assert.rejects(Promise.resolve(refunding))
  payee = memoryPayee(money.chain, store)
  await payee.channels?.watch()
  const [, selling, buying] = await order(payee, memoryPayer(money.chain, memoryStore()), 1_000n)
  await selling.credit(500n, await buying.pay(500n))
  pending.set(buying.channelId as Hex, 1_000n)
  assert.equal((await payee.channels?.watch())?.claimed, 500n)
  money.chain.refund = refund
  await payee.channels?.finishRefunds()
  assert.equal(money.balances.get(leftBuying.channelId as Hex), 0n)
})

test('a withdrawal that leaves what is owed is answered once; one that takes a unit of it each time', async () => {
  const money = memoryChain()
  const pending = withdrawals(money)
  const payee = memoryPayee(money.chain, memoryStore())
  await payee.channels?.watch()
  const [, selling, buying] = await order(payee, memoryPayer(money.chain, memoryStore()), 100n)
  const channelId = buying.channelId as Hex
  pending.set(channelId, 1n)
  const claimed: unknown[] = []
  for (let paid = 33n; paid <= 99n; paid += 33n) {
    await selling.credit(paid, await buying.pay(paid))
    claimed.push((await payee.channels?.watch())?.claimed)
  }
  pending.set(channelId, 2n)
  claimed.push((await payee.channels?.watch())?.claimed)
  assert.deepEqual(claimed, [33n, 0n, 0n, 66n])
})

test('a session that a crash kept from being stored holds up no refund after the next start; one that is stored does', async () => {
  const money = memoryChain()
  const store = memoryStore()
  const payer = memoryPayer(money.chain, memoryStore())
  let payee = memoryPayee(money.chain, store)
  // The process is killed between the rail's `begin` and the row of the session.
  const [, , strayBuying] = await order(payee, payer, 100n)
  await strayBuying.end(0n)
  payee = memoryPayee(money.chain, store)
  const sessions = { get: async (id: string) => (id === cut ? ({ id } as SessionRecord) : undefined) }
  let cut: string | undefined
  await endStraySessions({ payees: [payee], sessions })
  const [, selling, buying] = await order(payee, payer, 50n)
  const channelId = buying.channelId as Hex
  await selling.credit(10n, await buying.pay(10n))
  await selling.end(10n, 10n)
  await buying.end(10n)
  assert.equal((await payee.channels?.refund(channelId))?.amount, 90n)

  const [id, later, laterBuying] = await order(payee, payer, 50n)
  await later.credit(20n, await laterBuying.pay(20n))
  cut = id
  payee = memoryPayee(money.chain, store)
  await endStraySessions({ payees: [payee], sessions })
  assert.deepEqual(await payee.channels?.refund(channelId), { amount: 0n })
  cut = undefined
  await endStraySessions({ payees: [payee], sessions })
  // What was paid stays counted.
  assert.equal((await payee.channels?.refund(channelId))?.amount, 30n)
  assert.equal(money.claimed.get(channelId), 30n)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DdmError, type DepositAuthorization, type PayerSession } from '../../../src/interface/index.ts'
import { HELD_LOOK_MS } from '../../../src/protocols/sdpp/constants.ts'
import { encodePlain } from '../../../src/protocols/sdpp/messages.ts'
import { CLOSE_REASON } from '../../../src/protocols/sdpp/status.ts'
import { readSession } from '../../../src/protocols/sdpp/stored-session.ts'
import {
  buyFrom,
  countingPayee,
  countingPayer,
  jsonRecords,
  ManualClock,
  makeBuyer,
  makePair,
  openStreams,
  serve,
  until,
  voucher
} from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

/** A channel that can pay for 10 of 50 records at 100 each, and what its buyer does about it. */

const deposit = (amount: bigint): DepositAuthorization => ({ amount, collector: `0x${'0c'.repeat(20)}`, data: '0x' })

async function buyAll(t: Parameters<typeof makePair>[0], topUp?: PayerSession['topUp']) {
  let held = 1_000n
  const relayed: Array<bigint | undefined> = []
  const payee = countingPayee(held, {
    available: () => held,
    topUp: async (more) => {
      relayed.push(more?.amount)
      held += more?.amount ?? 0n
    }
  })
  const pair = await makePair(t, { payee, credit: 500n })
  await pair.log.append(jsonRecords(50))
  await pair.log.finish()
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 100_000n }
  const { buyer, sellerDone } = await buyFrom(pair, { wish }, countingPayer(topUp === undefined ? {} : { topUp }))
  let records = 0
  for await (const batch of buyer.batches()) records += batch.length
  const { reason, paid, due } = await buyer.done
  await sellerDone
  return { records, reason, paid, due, relayed }
}

test('the buyer deposits more as often as it takes, and the session goes on to its end', async (t) => {
  const asked: number[] = []
  const bought = await buyAll(t, async () => {
    asked.push(1)
    return deposit(1_500n)
  })
  assert.deepEqual(bought, {
    records: 50,
    reason: CLOSE_REASON.sourceEnded,
    paid: 5_000n,
    due: 5_000n,
    relayed: [1_500n, 1_500n, 1_500n]
  })
  assert.equal(asked.length, 3)
})

test('a buyer that cannot, or may not, settles what the channel could pay', async (t) => {
  const expected = { records: 10, reason: CLOSE_REASON.maximum, paid: 1_000n, due: 1_000n, relayed: [] }
  assert.deepEqual(await buyAll(t), expected)
  const forbidden = async (): Promise<never> => {
    throw new DdmError('budget', 'the deposit is above the cap')
  }
  assert.deepEqual(await buyAll(t, forbidden), expected)
})

test('a channel that has lost what it held: the payment counts when a deposit covers it, and not before', async (t) => {
  let held = 10_000n
  let credited = 0n
  const payee = countingPayee(held, {
    available: () => held,
    exceeds: (sessionPaid) => sessionPaid > held,
    credit: async (sessionPaid) => {
      assert.ok(sessionPaid <= held, `${sessionPaid} of ${held}`)
      // What a refund took that the buyer does not know of.
      if (credited === 0n) held = 1_200n
      credited = sessionPaid
    },
    topUp: async (more) => {
      held += more?.amount ?? 0n
    },
    end: async () => voucher(credited)
  })
  const pair = await makePair(t, { payee, credit: 500n })
  await pair.log.append(jsonRecords(50))
  await pair.log.finish()
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 100_000n }
  const asked: bigint[] = []
  const topUp = async (): Promise<DepositAuthorization> => {
    asked.push(held)
    return deposit(9_000n)
  }
  const { buyer, sellerDone } = await buyFrom(pair, { wish }, countingPayer({ topUp }))
  for await (const _ of buyer.batches());
  const { reason, paid, due } = await buyer.done
  await sellerDone
  assert.deepEqual([reason, paid, due, credited], [CLOSE_REASON.sourceEnded, 5_000n, 5_000n, 5_000n])
  assert.deepEqual(asked, [1_200n])
})

/** What the channel holds is gone when the last payment comes, and no more records flow. */
async function loseAtTheEnd(t: Parameters<typeof makePair>[0], topUp?: PayerSession['topUp'], looksUntilBack = 0) {
  let looks = 0
  let held = 10_000n
  let credited = 0n
  let hasLost = false
  const payee = countingPayee(held, {
    available: () => 10_000n,
    exceeds: (sessionPaid) => {
      if (sessionPaid === 5_000n && !hasLost) {
        hasLost = true
        held = 1_200n
      }
      return sessionPaid > held
    },
    verify: (sessionPaid) => (sessionPaid > held ? `${sessionPaid} of ${held}` : undefined),
    credit: async (sessionPaid) => {
      assert.ok(sessionPaid <= held, `${sessionPaid} of ${held}`)
      credited = sessionPaid
    },
    topUp: async (more) => {
      held += more?.amount ?? 0n
      if (++looks === looksUntilBack) held = 10_000n
    },
    end: async () => voucher(credited)
  })
  const pair = await makePair(t, { payee, credit: 10_000n })
  await pair.log.append(jsonRecords(50))
  await pair.log.finish()
  const wish = { from: { offset: 0n }, prepay: 0n, maximum: 100_000n }
  const clock = new ManualClock()
  const [outbound, inbound] = await openStreams()
  const { done: sellerDone } = serve(pair, inbound, { clock })
  const buyer = makeBuyer(pair, outbound, { wish }, { payer: countingPayer(topUp === undefined ? {} : { topUp }) })
  await buyer.open()
  return {
    buyer,
    sellerDone,
    clock,
    looks: () => looks,
    credited: () => credited,
    stored: () => readSession(pair.buyerLedger.sessions, buyer.status.id ?? '', 'buyer')
  }
}

test('the last payment waits for a deposit, too', async (t) => {
  const { buyer, sellerDone, credited } = await loseAtTheEnd(t, async () => deposit(9_000n))
  for await (const _ of buyer.batches());
  const { reason, paid, due } = await buyer.done
  await sellerDone
  assert.deepEqual([reason, paid, due, credited()], [CLOSE_REASON.sourceEnded, 5_000n, 5_000n, 5_000n])
})

test('a last payment that waits for a chain that lags is looked at again', async (t) => {
  const late = await loseAtTheEnd(t, async () => undefined, 4)
  const read = (async () => {
    for await (const _ of late.buyer.batches());
  })()
  // Once when the payment came, and once when the buyer said that it had nothing to add.
  for (let looks = 2; looks < 4; looks++) {
    await until('it has been looked at', () => late.looks() === looks)
    await new Promise((resolve) => setImmediate(resolve))
    late.clock.advance(HELD_LOOK_MS)
  }
  await read
  const { paid, due } = await late.buyer.done
  await late.sellerDone
  assert.deepEqual([paid, due, late.credited()], [5_000n, 5_000n, 5_000n])
})

test('a last payment that no deposit will cover suspends the session, and says why', async (t) => {
  const forbidden = async (): Promise<never> => {
    throw new DdmError('budget', 'the deposit is above the cap')
  }
  for (const [topUp, code] of [
    [forbidden, 'budget'],
    [undefined, 'funds']
  ] as const) {
    const { buyer, sellerDone, stored, credited } = await loseAtTheEnd(t, topUp)
    await assert.rejects(
      async () => {
        for await (const _ of buyer.batches());
        await buyer.done
      },
      { code }
    )
    await sellerDone
    assert.equal((await stored())?.record.state, 'suspended')
    assert.ok(credited() < 5_000n)
  }
})

test('a deposit that came by another way is looked at when the buyer says so', async (t) => {
  let answers = 0
  const bought = await buyAll(t, async () => (++answers === 1 ? deposit(10_000n) : undefined))
  assert.deepEqual([bought.records, bought.relayed], [50, [10_000n]])
})

test('a thousand deposits while one is looked at: only the newest of them is looked at after it', async (t) => {
  const looked: Array<bigint | undefined> = []
  const first = Promise.withResolvers<void>()
  const payee = countingPayee(1_000n, {
    topUp: async (more) => {
      looked.push(more?.amount)
      if (looked.length === 1) await first.promise.then(() => Promise.reject(new Error('the chain is silent')))
    }
  })
  const pair = await makePair(t, { payee })
  await pair.log.append(jsonRecords(50))
  const [outbound, inbound] = await openStreams()
  const { session, done } = serve(pair, inbound)
  const buyer = new RawBuyer(pair, outbound)
  await buyer.hello()
  await buyer.order()
  await until('the channel is used up', () => session.status.sent === 10n)
  const pay = (sessionPaid: bigint, more?: bigint) =>
    encodePlain('PAYMENT', {
      n: 10n,
      sessionPaid,
      payload: voucher(sessionPaid),
      ...(more === undefined ? {} : { deposit: deposit(more) })
    })
  for (let amount = 1n; amount <= 1_000n; amount++) buyer.send(pay(1n, amount))
  // One without a deposit takes none away.
  buyer.send(pay(2n))
  await until('all have come', () => session.status.credited === 2n)
  assert.deepEqual(looked, [1n])
  first.resolve()
  await until('the newest is looked at', () => looked.length > 1)
  outbound.abort(new Error('gone'))
  await done
  assert.deepEqual(looked, [1n, 1_000n])
})

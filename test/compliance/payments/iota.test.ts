import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { fromBase58, fromBase64, toBase58, toHex } from '@iota/bcs'
import { IotaClient } from '@iota/iota-sdk/client'
import { Ed25519Keypair } from '@iota/iota-sdk/keypairs/ed25519'
import { Transaction } from '@iota/iota-sdk/transactions'
import { type DdmError, type Demand, type Hex, isTransfer, type TransferPayload } from '../../../src/interface/index.ts'
import { type IotaLedger, startIotaLedger } from '../../../src/iota-ledger/index.ts'
import { Access } from '../../../src/node/access.ts'
import { paymentMemo } from '../../../src/payments/iota/memo.ts'
import { silent } from '../../support/sdpp.ts'
import { type IotaMarket, iotaSetup, makeIotaMarket } from './iota-market.ts'
import {
  endSession,
  pay,
  payAndCredit,
  paymentRailCompliance,
  resumeSession,
  type Session,
  startSession
} from './payment-rail.ts'

const setup = iotaSetup()
paymentRailCompliance('iota', setup)

/** A payment by hand, with the SDK alone: right, but for what a cheat changes. */
async function transfer(
  market: IotaMarket,
  demand: Demand,
  change: {
    to?: string
    amount?: bigint
    memo?: Uint8Array | 'none'
    url?: string
    seed?: Uint8Array
    budget?: bigint
  } = {}
): Promise<TransferPayload> {
  const { to = market.accounts.seller, amount = 20n, memo = paymentMemo(demand), url = market.network.url } = change
  const client = new IotaClient({ url })
  const signer = Ed25519Keypair.fromSecretKey(Uint8Array.from(change.seed ?? market.seeds.buyer))
  const transaction = new Transaction()
  transaction.transferObjects([transaction.splitCoins(transaction.gas, [amount])], to)
  if (memo !== 'none') {
    transaction.makeMoveVec({ type: 'vector<u8>', elements: [transaction.pure.vector('u8', [...memo])] })
  }
  if (change.budget !== undefined) transaction.setGasBudget(change.budget)
  const { digest } = await client.signAndExecuteTransaction({ signer, transaction })
  return { transaction: `0x${toHex(fromBase58(digest))}` as Hex, demand }
}

async function refuses({ selling }: Session, sessionPaid: bigint, payload: TransferPayload, reason: RegExp) {
  const before = selling.credited
  await assert.rejects(selling.credit(sessionPaid, payload), { code: 'paymentInvalid', message: reason })
  assert.equal(selling.credited, before)
}

describe('iota: payments that are none', () => {
  const start = async (t: Parameters<typeof setup.start>[0]) => {
    const market = await setup.start(t)
    const session = await startSession(market, 1_000n)
    return { market, session, demand: market.demand(session.id, 20n) }
  }

  test('a good one made by another program is credited', async (t) => {
    const { market, session, demand } = await start(t)
    const payload = await transfer(market, demand)
    assert.equal(session.selling.verify(20n, payload), undefined)
    await session.selling.credit(20n, payload)
    assert.equal(session.selling.credited, 20n)
  })

  const cheats: Array<[string, Parameters<typeof transfer>[2], RegExp]> = [
    ['too small', { amount: 19n }, /pays 19, 20 was to be paid/],
    ['to a wrong address', { to: `0x${'77'.repeat(32)}` }, /pays nothing to/],
    ['memo missing', { memo: 'none' }, /has no memo/],
    ['memo of another invoice', { memo: new Uint8Array(37) }, /has the memo of another invoice/],
    ['failed', { amount: 10n ** 15n, budget: 5_000_000n }, /failed: InsufficientCoinBalance/]
  ]
  for (const [name, change, reason] of cheats) {
    test(name, async (t) => {
      const { market, session, demand } = await start(t)
      await refuses(session, 20n, await transfer(market, demand, change), reason)
    })
  }

  test('from an account that did not order', async (t) => {
    const { market, session, demand } = await start(t)
    const stranger = new Uint8Array(32).fill(9)
    await market.network.mint(Ed25519Keypair.fromSecretKey(stranger).toIotaAddress(), 10n ** 10n)
    await refuses(session, 20n, await transfer(market, demand, { seed: stranger }), /the order is paid by/)
  })

  test('replayed for another invoice, for another session, and after a restart', async (t) => {
    const { market, session, demand } = await start(t)
    const payload = await transfer(market, demand)
    await session.selling.credit(20n, payload)
    await refuses(session, 40n, payload, /has paid 20 of session/)
    const again = market.demand(session.id, 40n)
    await refuses(session, 40n, { ...payload, demand: again }, /has paid 20 of session/)
    const other = await startSession(market, 1_000n)
    const another = { ...payload, demand: market.demand(other.id, 20n) }
    await refuses(other, 20n, another, /has paid 20 of session/)
    await market.restart()
    const resumed = await resumeSession(market, session)
    assert.equal(resumed.selling.credited, 20n)
    await refuses(resumed, 40n, { ...payload, demand: again }, /has paid 20 of session/)
  })

  test('for an invoice of another session, of nobody, or of another seller', async (t) => {
    const { market, session } = await start(t)
    const other = await startSession(market, 1_000n)
    const foreign = market.demand(other.id, 20n)
    const payload = await transfer(market, foreign)
    assert.match(session.selling.verify(20n, payload) ?? '', /answers an invoice of session/)
    const { signature } = market.demand(session.id, 40n)
    const forged = { ...market.demand(session.id, 20n), signature }
    assert.match(session.selling.verify(20n, { ...payload, demand: forged }) ?? '', /bad signature/)
    const elsewhere = await setup.start(t)
    const theirs = elsewhere.demand(session.id, 20n)
    assert.match(session.selling.verify(20n, { ...payload, demand: theirs }) ?? '', /answers a statement of/)
    const garbage = { payload: new Uint8Array(10), signature: new Uint8Array(64) }
    assert.match(session.selling.verify(20n, { ...payload, demand: garbage }) ?? '', /answers no statement/)
  })

  test('on another network', async (t) => {
    const { market, session, demand } = await start(t)
    const other = await startIotaLedger({ logger: silent })
    t.after(() => other.close())
    await other.mint(market.accounts.buyer, 10n ** 11n)
    const payload = await transfer(market, demand, { url: other.url })
    const waiting = AbortSignal.timeout(500)
    await assert.rejects(session.selling.credit(20n, payload, { signal: waiting }))
    assert.equal(session.selling.credited, 0n)
    const { payer, payee } = await market.sides()
    const terms = payee.terms(market.listing)
    assert.ok(terms)
    const network = `iota:${other.chainIdentifier}`
    assert.match((await payer.objection({ ...terms, network }, market.listing)) ?? '', /the offer is for network/)
    assert.equal(payee.terms({ ...market.listing, network }), undefined)
  })

  test('the account is asked about as lists of buyers name it, before anything is done for it', async (t) => {
    const market = await setup.start(t)
    const { payer, payee } = await market.sides()
    const terms = payee.terms(market.listing)
    assert.ok(terms)
    const digest: Hex = `0x${'11'.repeat(32)}`
    const binding = { offerDigest: digest, buyerPeerDigest: digest, orderNonce: digest }
    const request = { terms, binding, maximum: 100n }
    const { order } = await payer.open({ ...request, seller: 'seller', one: 10n })
    const access = new Access({ maxSessions: 1, ordersPerMinute: 1, logger: silent })
    access.setRules(digest, { deny: [market.accounts.buyer.replace(/[a-f]/g, (letter) => letter.toUpperCase())] })
    const { signal } = new AbortController()
    const refused = payee.accept({
      ...request,
      order,
      buyer: 'buyer',
      authorize: async (account) => {
        assert.equal(account, market.accounts.buyer)
        assert.equal(
          (await access.admits({ peerId: 'buyer', account, listing: digest }, { signal }))?.status,
          'forbidden'
        )
        throw new Error('not served')
      }
    })
    await assert.rejects(refused, { message: 'not served' })
  })

  test('an order in the name of an account that did not sign it', async (t) => {
    const market = await setup.start(t)
    const meddled = startSession(market, 100n, (order) => ({ ...order, account: `0x${'11'.repeat(32)}` }))
    await assert.rejects(meddled, { code: 'paymentInvalid', message: /is not signed by account/ })
    const unsigned = startSession(market, 100n, ({ accountAuth: _auth, ...order }) => order)
    await assert.rejects(unsigned, { code: 'paymentInvalid', message: /no account or no accountAuth/ })
  })
})

describe('iota: a ledger that is slow', () => {
  test('a payment that is not carried out yet is waited for; the payer resolves when it is', async (t) => {
    const ledger = await startIotaLedger({ logger: silent, finalityMs: 300 })
    t.after(() => ledger.close())
    const market = await makeIotaMarket(t, ledger, {})
    const session = await startSession(market, 1_000n)
    const paying = pay(session, 20n)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(session.buying.paid, 0n)
    const payload = await paying
    assert.equal(session.buying.paid, 20n)
    await session.selling.credit(20n, payload)
    await endSession(session, 20n, 20n)
  })

  test("a seller's node that lags behind is asked again", async (t) => {
    const ledger = await startIotaLedger({ logger: silent, lagMs: 400 })
    t.after(() => ledger.close())
    const market = await makeIotaMarket(t, ledger, {})
    const session = await startSession(market, 1_000n)
    await payAndCredit(session, 20n)
    assert.equal(session.selling.credited, 20n)
  })

  test('a session that was given up while its payment was under way finds it paid when it is taken up again', async (t) => {
    const ledger = await startIotaLedger({ logger: silent, finalityMs: 200 })
    t.after(() => ledger.close())
    const market = await makeIotaMarket(t, ledger, {})
    const session = await startSession(market, 1_000n)
    const stop = new AbortController()
    const demand = market.demand(session.id, 20n)
    const paying = session.buying.pay(20n, { demand, signal: stop.signal })
    setTimeout(() => stop.abort(), 100)
    await assert.rejects(paying, { code: 'aborted' })
    await session.buying.suspend()
    await market.restart()
    const resumed = await resumeSession(market, session)
    assert.equal(resumed.buying.paid, 20n)
    await resumed.selling.credit(20n, resumed.buying.payload)
    assert.equal(resumed.selling.credited, 20n)
  })
})

describe('iota: coins', () => {
  test('many sessions pay at once, each coin in one transaction at a time; several sellers by one transaction', async (t) => {
    const market = await setup.start(t)
    const sessions = await Promise.all(Array.from({ length: 6 }, () => startSession(market, 1_000n)))
    const payloads = await Promise.all(sessions.map((session) => pay(session, 30n)))
    for (const [index, session] of sessions.entries()) await session.selling.credit(30n, payloads[index])
    assert.deepEqual(
      sessions.map(({ selling }) => selling.credited),
      sessions.map(() => 30n)
    )
    const client = new IotaClient({ url: market.network.url })
    const { totalBalance } = await client.getBalance({ owner: market.accounts.seller })
    assert.equal(BigInt(totalBalance), 100_000_000_180n)
  })

  test('invoices of several sellers that wait for the one coin are paid by one transaction', async (t) => {
    const ledger = await startIotaLedger({ logger: silent, finalityMs: 100 })
    t.after(() => ledger.close())
    const markets = await Promise.all(Array.from({ length: 4 }, () => makeIotaMarket(t, ledger, {})))
    const [first] = markets as [IotaMarket]
    const { payer, ledgers } = await first.sides()
    const sessions = await Promise.all(
      markets.map((market) => {
        const sides = async () => ({ payer, payee: (await market.sides()).payee })
        const { rail, listing } = market
        const demand = market.demand.bind(market)
        return startSession({ rail, listing, sides, demand, restart: async () => {} }, 1_000n)
      })
    )
    const payloads = await Promise.all(sessions.map((session) => pay(session, 30n)))
    for (const [index, session] of sessions.entries()) await session.selling.credit(30n, payloads[index])
    const sent = await Promise.all(sessions.map(({ id }) => ledgers.buyer.transfers.sent(id)))
    const transactions = new Set(sent.flat().map(({ transaction }) => transaction))
    assert.equal(sent.flat().length, 4)
    assert.ok(transactions.size < 4, `${transactions.size} transactions for 4 sellers`)
  })

  test('a coin that another program has spent meanwhile: the payment is made with another version, once', async (t) => {
    const market = await setup.start(t)
    const session = await startSession(market, 1_000n)
    await payAndCredit(session, 20n)
    await transfer(market, market.demand(session.id, 1n), { to: market.accounts.buyer, amount: 5n })
    await payAndCredit(session, 50n)
    assert.equal(session.selling.credited, 50n)
    const { ledgers } = await market.sides()
    const sent = await ledgers.buyer.transfers.sent(session.id)
    assert.deepEqual(
      sent.map(({ amount }) => amount),
      [20n, 30n]
    )
  })

  test('an account that holds too little says what is missing', async (t) => {
    const market = await setup.start(t)
    const session = await startSession(market, 10n ** 12n)
    await assert.rejects(pay(session, 5n * 10n ** 11n), (error: DdmError) => {
      assert.equal(error.code, 'funds')
      assert.match(error.message, /holds 100000000000 nanos, this payment needs up to/)
      return true
    })
    await payAndCredit(session, 20n)
  })

  test('an account that holds nothing gets what is given away', async (t) => {
    const market = await makeIotaMarket(t, await setup.network(), {}, false, 0n)
    await endSession(await startSession(market, 0n), 0n, 0n)
    const { payer, payee } = await market.sides()
    const terms = payee.terms(market.listing)
    assert.ok(terms)
    assert.match((await payer.objection(terms, market.listing, { maximum: 1n })) ?? '', /holds 0 nanos, one record/)
  })

  test('the fee is known before anything is ordered, and the granularity follows from it', async (t) => {
    const market = await setup.start(t)
    const { payer, payee } = await market.sides()
    const listing = { ...market.listing, price: { amount: '1000000', count: 1, unit: 'record' as const } }
    const terms = payee.terms(listing)
    assert.ok(terms)
    assert.equal(await payer.fee?.(terms), 1_980_400n)
    assert.equal(terms.k, 199n)
    const kibibytes = { ...listing, price: { ...listing.price, unit: 'KiB' as const } }
    assert.equal(payee.terms(kibibytes)?.k, undefined)
  })
})

describe('iota: fees in the budget', () => {
  const FEE = 1_980_400n
  const spent = async (market: IotaMarket, session?: string): Promise<bigint> => {
    const { ledgers } = await market.sides()
    const { spending } = ledgers.buyer.book(market.listing.asset as string)
    return spending.sum(session === undefined ? {} : { session })
  }

  for (const end of ['suspended', 'ended', 'given up'] as const) {
    test(`a session that is taken up again and ${end} without another payment has spent its fees, too`, async (t) => {
      const market = await setup.start(t)
      const session = await startSession(market, 1_000n)
      for (const paid of [20n, 50n]) await payAndCredit(session, paid)
      await session.buying.suspend()
      assert.equal(await spent(market), 50n + 2n * FEE)
      await market.restart()
      if (end === 'given up') {
        const { payer } = await market.sides()
        const { id, terms, buying } = session
        const request = { sessionId: id, terms, peer: 'seller', maximum: 1_000n, account: buying.order.account as Hex }
        await (await payer.resume({ ...request, toEnd: true })).end(50n)
      } else {
        const { buying } = await resumeSession(market, session, 1_000n)
        await (end === 'ended' ? buying.end(50n) : buying.suspend())
      }
      assert.equal(await spent(market, session.id), 50n + 2n * FEE)
    })
  }

  test('a fee that the seller pays is not spent', async (t) => {
    const market = await makeIotaMarket(t, await setup.network(), {}, true)
    const session = await startSession(market, 10n ** 9n)
    const due = 200_000_000n
    const gas = session.selling.offerGas?.(due)
    assert.ok(gas)
    await session.buying.pay(due, { demand: market.demand(session.id, due, gas) })
    assert.equal(await spent(market), due)
  })
})

describe('iota: fees that the seller pays', () => {
  /** Of which a fee of 1,980,400 is 1 %. */
  const LEAST = 198_040_000n
  const start = async (t: Parameters<typeof setup.start>[0]) => {
    const market = await makeIotaMarket(t, await setup.network(), {}, true)
    const session = await startSession(market, 10n ** 9n)
    const client = new IotaClient({ url: market.network.url })
    const balance = async (owner: string): Promise<bigint> => BigInt((await client.getBalance({ owner })).totalBalance)
    return { market, session, balance }
  }
  const payOnce = async (market: IotaMarket, { id, buying, selling }: Session, sessionPaid: bigint) => {
    const gas = selling.offerGas?.(sessionPaid)
    assert.ok(gas)
    assert.equal(selling.offerGas?.(sessionPaid), undefined)
    const payload = await buying.pay(sessionPaid, { demand: market.demand(id, sessionPaid, gas) })
    assert.ok(isTransfer(payload) && payload.unsent)
    return { payload, gas }
  }

  test('the buyer pays exactly what is due; both sign, the seller sends', async (t) => {
    const { market, session, balance } = await start(t)
    assert.equal(session.terms.sponsored, true)
    assert.equal(await (await market.sides()).payer.fee?.(session.terms), 0n)
    for (const paid of [LEAST, 3n * LEAST, 3n * LEAST + 1n]) {
      const { payload } = await payOnce(market, session, paid)
      assert.equal(session.selling.verify(paid, payload), undefined)
      await session.selling.credit(paid, payload)
      assert.equal(session.selling.credited, paid)
    }
    assert.equal(await balance(market.accounts.buyer), 100_000_000_000n - 3n * LEAST - 1n)
    assert.ok((await balance(market.accounts.seller)) < 100_000_000_000n + 3n * LEAST)
    await endSession(session, 3n * LEAST + 1n, 3n * LEAST + 1n)
  })

  test('a seller pays no fees of payments that are not worth them, however small its buyer makes them', async (t) => {
    const { market, session, balance } = await start(t)
    const { id, buying, selling } = session
    assert.equal(session.terms.k, LEAST / 10n)
    const before = await balance(market.accounts.seller)
    for (const paid of [10n, 20n]) {
      assert.equal(selling.offerGas?.(paid), undefined)
      const payload = await payAndCredit(session, paid)
      assert.ok(isTransfer(payload) && payload.unsent === undefined, 'it is paid at its own fee')
    }
    assert.equal(await balance(market.accounts.seller), before + 20n)
    assert.equal(selling.offerGas?.(LEAST - 1n), undefined)
    await selling.credit(LEAST, (await payOnce(market, session, LEAST)).payload)
    // The last one may be small; then no more before the share is kept again.
    await selling.credit(LEAST + 1n, (await payOnce(market, session, LEAST + 1n)).payload)
    assert.equal(selling.offerGas?.(2n * LEAST - 1n), undefined)
    await selling.suspend()
    await buying.suspend()
    await market.restart()
    const resumed = await resumeSession(market, session, 10n ** 9n)
    assert.equal(resumed.selling.offerGas?.(2n * LEAST - 1n), undefined, 'also after a restart')
    assert.ok(resumed.selling.offerGas?.(2n * LEAST))
    assert.equal(resumed.id, id)
  })

  test('a fee that was offered for all that is asked is not paid for a part of it', async (t) => {
    const { market, session } = await start(t)
    const { id, buying, selling } = session
    const gas = selling.offerGas?.(LEAST)
    assert.ok(gas)
    const honest = await buying.pay(10n, { demand: market.demand(id, LEAST, gas) })
    assert.ok(isTransfer(honest) && honest.unsent === undefined, 'it is paid at its own fee')
    await selling.credit(10n, honest)
    const { payload } = await payOnce(market, session, LEAST)
    await refuses(session, LEAST - 1n, payload, /the fee was offered for 198040000/)
    const unoffered = { ...payload, demand: market.demand(id, LEAST) }
    await refuses(session, LEAST, unoffered, /no fee was offered/)
    await selling.credit(LEAST, payload)
  })

  test('a seller whose wallet is frozen offers no fee and signs none; the payment counts when it is thawed', async (t) => {
    const { market, session } = await start(t)
    const { payload } = await payOnce(market, session, LEAST)
    market.isFrozen = true
    await assert.rejects(session.selling.credit(LEAST, payload), { code: 'unreachable', message: /signs nothing now/ })
    assert.equal(session.selling.credited, 0n)
    const other = await startSession(market, 10n ** 9n)
    assert.equal(other.selling.offerGas?.(LEAST), undefined)
    market.isFrozen = false
    await session.selling.credit(LEAST, payload)
    assert.equal(session.selling.credited, LEAST)
  })

  test('a seller signs nothing that costs it more than the fee', async (t) => {
    const { market, session, balance } = await start(t)
    const { payload, gas } = await payOnce(market, session, LEAST)
    assert.ok(payload.unsent)
    const before = await balance(market.accounts.seller)
    const own = Ed25519Keypair.fromSecretKey(Uint8Array.from(market.seeds.buyer))
    const cheat = async (change: (transaction: Transaction) => void, paid = gas): Promise<TransferPayload> => {
      const transaction = new Transaction()
      transaction.setSender(market.accounts.buyer)
      transaction.setGasOwner(market.accounts.seller)
      transaction.setGasPrice(paid.price)
      transaction.setGasBudget(paid.budget)
      const digest = toBase58(Buffer.from(paid.digest.slice(2), 'hex'))
      transaction.setGasPayment([{ objectId: paid.coin, version: `${paid.version}`, digest }])
      change(transaction)
      const bytes = await transaction.build()
      const { signature } = await own.signTransaction(bytes)
      const unsent = { bytes, signature: fromBase64(signature) }
      return { transaction: `0x${toHex(fromBase58(await transaction.getDigest()))}`, demand: payload.demand, unsent }
    }
    const steal = await cheat((transaction) => {
      transaction.transferObjects([transaction.splitCoins(transaction.gas, [5n])], market.accounts.buyer)
    })
    await refuses(session, LEAST, steal, /moves the coin that pays the fee/)
    const costly = await cheat(() => {}, { ...gas, budget: gas.budget * 10n })
    await refuses(session, LEAST, costly, /its fee is up to/)
    const another = await cheat(() => {}, { ...gas, version: gas.version + 1n })
    await refuses(session, LEAST, another, /another coin than was offered/)
    const renamed = { ...payload, transaction: `0x${'55'.repeat(32)}` as const }
    await refuses(session, LEAST, renamed, /digest is not/)
    const garbage = { ...payload, unsent: { bytes: new Uint8Array(50), signature: new Uint8Array(97) } }
    await refuses(session, LEAST, garbage, /cannot be read|digest is not/)
    const nothing = await cheat(() => {})
    await refuses(session, LEAST, nothing, /has no memo/)
    const called = await cheat((transaction) => transaction.moveCall({ target: '0x2::clock::timestamp_ms' }))
    await refuses(session, LEAST, called, /MoveCall is no part of a payment/)
    const [coin] = (await new IotaClient({ url: market.network.url }).getCoins({ owner: market.accounts.buyer })).data
    assert.ok(coin)
    const owned = (transaction: Transaction) => {
      const { coinObjectId: objectId, version, digest } = coin
      return transaction.objectRef({ objectId, version, digest })
    }
    // A good payment each, and something beside it.
    const paying = (transaction: Transaction, beside: bigint[] = []) => {
      const parts = transaction.splitCoins(owned(transaction), [LEAST, ...beside])
      transaction.transferObjects([parts[0] as never], market.accounts.seller)
      const memo = transaction.pure.vector('u8', [...paymentMemo(payload.demand)])
      transaction.makeMoveVec({ type: 'vector<u8>', elements: [memo] })
      return beside.map((_, index) => parts[index + 1] as never)
    }
    const crumbs = await cheat((transaction) => {
      transaction.transferObjects(paying(transaction, [1n, 1n]), market.accounts.buyer)
    })
    await refuses(session, LEAST, crumbs, /SplitCoins of more than one part/)
    const twice = await cheat((transaction) => {
      paying(transaction)
      transaction.transferObjects([transaction.splitCoins(owned(transaction), [1n])], market.accounts.buyer)
    })
    await refuses(session, LEAST, twice, /SplitCoins of more than one part/)
    const memos = await cheat((transaction) => {
      paying(transaction)
      transaction.makeMoveVec({ type: 'vector<u8>', elements: [transaction.pure.vector('u8', [1])] })
    })
    await refuses(session, LEAST, memos, /MakeMoveVec of more than one part/)
    const failing = await cheat((transaction) => {
      transaction.transferObjects([transaction.splitCoins(owned(transaction), [10n ** 15n])], market.accounts.seller)
    })
    await refuses(session, LEAST, failing, /failed: InsufficientCoinBalance/)
    assert.equal(await balance(market.accounts.seller), before, 'none of it has cost a fee')
    const unsigned = { ...payload, unsent: { ...payload.unsent, signature: new Uint8Array(97) } }
    await refuses(session, LEAST, unsigned, /the ledger refused the payment/)
    await session.selling.credit(LEAST, payload)
    assert.equal(session.selling.credited, LEAST)
  })

  test('what the seller did not send before both were restarted is presented again, and paid once', async (t) => {
    const { market, session, balance } = await start(t)
    await payOnce(market, session, LEAST)
    await market.restart()
    const resumed = await resumeSession(market, session, 10n ** 9n)
    assert.equal(resumed.buying.paid, LEAST)
    const { payload } = resumed.buying
    assert.ok(isTransfer(payload) && payload.unsent)
    await resumed.selling.credit(LEAST, payload)
    assert.equal(resumed.selling.credited, LEAST)
    assert.equal(await balance(market.accounts.buyer), 100_000_000_000n - LEAST)
  })

  test('a payment that was lost with its stream counts when the session goes on, whoever bought meanwhile', async (t) => {
    const { market, session } = await start(t)
    // Other coins for the other session; the seller lends the smallest.
    for (const account of Object.values(market.accounts)) await market.network.mint(account, 200_000_000_000n)
    await payOnce(market, session, LEAST)
    await session.selling.suspend()
    await session.buying.suspend()
    const other = await startSession(market, 10n ** 9n)
    await other.selling.credit(LEAST, (await payOnce(market, other, LEAST)).payload)
    const resumed = await resumeSession(market, session, 10n ** 9n)
    await resumed.selling.credit(LEAST, resumed.buying.payload)
    assert.equal(resumed.selling.credited, LEAST)
  })
})

describe('iota: answers of the ledger that come late or never', () => {
  /** The ledger behind a proxy; `around` carries transactions out; without an answer the connection ends badly. */
  const behind = async (t: TestContext, around: (carryOut: () => Promise<string>) => Promise<string | undefined>) => {
    const network = await setup.network()
    const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      let body = ''
      for await (const part of request) body += part
      const ask = async (): Promise<string> => {
        const headers = { 'content-type': 'application/json' }
        return (await fetch(network.url, { method: 'POST', headers, body })).text()
      }
      const answer = body.includes('executeTransactionBlock') ? await around(ask) : await ask()
      response.writeHead(answer === undefined ? 502 : 200, { 'content-type': 'application/json' }).end(answer)
    }
    const server: Server = createServer((...exchange) => void serve(...exchange))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const { chainIdentifier } = network
    const ledger: IotaLedger = {
      ...network,
      url: `http://127.0.0.1:${port}`,
      chainIdentifier,
      mint: network.mint.bind(network)
    }
    return ledger
  }

  test('a payment that was being sent when the stream was cut is found at the ledger', async (t) => {
    const sending = Promise.withResolvers<void>()
    const cut = Promise.withResolvers<void>()
    const ledger = await behind(t, async (carryOut) => {
      sending.resolve()
      await cut.promise
      return carryOut()
    })
    const market = await makeIotaMarket(t, ledger, {})
    const session = await startSession(market, 1_000n)
    const controller = new AbortController()
    const { signal } = controller
    const paying = session.buying.pay(20n, { demand: market.demand(session.id, 20n), signal })
    await sending.promise
    controller.abort()
    await assert.rejects(paying, { code: 'aborted' })
    await session.buying.suspend()
    await session.selling.suspend()
    const { buying, selling } = await resumeSession(market, session, 1_000n)
    assert.equal(buying.paid, 20n)
    const { payload } = buying
    assert.ok(isTransfer(payload) && payload.unsent === undefined, 'nobody else is to send it')
    const crediting = selling.credit(20n, payload)
    cut.resolve()
    await crediting
    assert.equal(selling.credited, 20n)
  })

  for (const lost of ['the answer', 'the question'] as const) {
    test(`a seller that pays the fees goes on selling when ${lost} is lost`, async (t) => {
      let losing = false
      const ledger = await behind(t, async (carryOut) => {
        if (!losing) return carryOut()
        losing = false
        if (lost === 'the answer') await carryOut()
        return undefined
      })
      const market = await makeIotaMarket(t, ledger, {}, true)
      const due = 400_000_000n
      const start = async () => {
        const session = await startSession(market, 10n ** 9n)
        const gas = session.selling.offerGas?.(due)
        const demand = market.demand(session.id, due, gas)
        return { session, gas, payload: await session.buying.pay(due, { demand }) }
      }
      const stop = async ({ buying, selling }: Session) => {
        await selling.suspend()
        await buying.suspend()
      }
      const first = await start()
      assert.ok(first.gas)
      losing = true
      await assert.rejects(first.session.selling.credit(due, first.payload), { code: 'unreachable' })
      await stop(first.session)
      const resumed = await resumeSession(market, first.session, 10n ** 9n)
      await resumed.selling.credit(due, resumed.buying.payload)
      assert.equal(resumed.selling.credited, due)
      await stop(resumed)
      for (let sponsored = 0, tries = 0; sponsored < 2; tries++) {
        assert.ok(tries < 20, 'its coin comes back')
        const { session, gas, payload } = await start()
        await session.selling.credit(due, payload)
        if (gas !== undefined) sponsored++
        await stop(session)
      }
    })
  }
})

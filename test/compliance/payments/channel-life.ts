import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { devAccounts } from '../../../src/chain/index.ts'
import type { ChannelConfig, Hex } from '../../../src/interface/index.ts'
import { bindingOf, type EvmMarket, WITHDRAW_DELAY } from './evm-market.ts'
import { amountOf, endSession, payAndCredit, type RailSetup, resumeSession, startSession } from './payment-rail.ts'
import { signVoucher } from './typed-data.ts'

/** The life of channels: deposits, several sessions on one, restarts, claims. */
export function channelLife(name: string, setup: RailSetup<EvmMarket>): void {
  const open = async (market: EvmMarket, maximum = 100n) => {
    const { payer } = await market.sides()
    const request = {
      terms: await market.terms(),
      binding: bindingOf(randomBytes(96)),
      seller: 'seller',
      maximum,
      one: 10n
    }
    return { request, buying: await payer.open(request) }
  }

  describe(`${name}: deposits`, () => {
    test('gasless, then reused, then topped up by what is missing', async (t) => {
      const market = await setup.start(t)
      const first = await startSession(market, 100n)
      const { config, deposit } = first.buying.order
      assert.deepEqual([config?.payer, deposit?.amount], [market.wallet.address, 100n])
      await payAndCredit(first, 30n)
      await endSession(first, 30n, 30n)

      const second = await startSession(market, 70n)
      assert.deepEqual([second.buying.order.config, second.buying.order.deposit], [config, undefined])
      await endSession(second, 0n, 0n)

      const third = await startSession(market, 100n)
      assert.deepEqual([third.buying.order.config, third.buying.order.deposit?.amount], [config, 30n])
      await payAndCredit(third, 100n)
      assert.equal((await market.channels.channel(third.selling.channelId as Hex)).balance, 130n)
    })

    test('replayed: carried out once; a second order on it is refused unless the channel can pay it', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      const { request, buying } = await open(market)
      const { config, deposit } = buying.order
      assert.ok(config && deposit)
      const asked = { ...request, order: buying.order, buyer: 'buyer' }
      // ACCEPT is lost on the way: the seller ends the session, the buyer sends the same deposit with a new order.
      await (await payee.accept(asked)).end(0n, 0n)
      const again = await payee.accept(asked)
      const replayed = await market.order({ config, funds: 0n, deposit })
      await assert.rejects(payee.accept(replayed), { code: 'refused', message: /AuthorizationUsedOrCanceled/ })
      await again.end(0n, 0n)
      assert.equal((await market.channels.channel(replayed.channelId)).balance, 100n)
    })

    test('orders that are never accepted: their authorizations can be carried out once, not once each', async (t) => {
      const market = await setup.start(t)
      const deposits: Array<{ config: ChannelConfig; deposit: Parameters<typeof market.channels.deposit>[1] }> = []
      for (const maximum of [100n, 100n, 80n]) {
        const { buying } = await open(market, maximum)
        const { config, deposit } = buying.order
        assert.ok(config && deposit)
        deposits.push({ config, deposit })
        await buying.end(0n)
      }
      const [one, two, three] = deposits
      assert.ok(one && two && three)
      assert.deepEqual([two.config, three.config], [one.config, one.config])
      await market.channels.deposit(two.config, two.deposit)
      for (const { config, deposit } of [one, three]) {
        await assert.rejects(market.channels.deposit(config, deposit), { message: /AuthorizationUsedOrCanceled/ })
      }
      assert.equal((await open(market)).buying.order.deposit, undefined)
    })

    test('two orders at once: one channel, each with its own deposit', async (t) => {
      const market = await setup.start(t)
      const sessions = await Promise.all([startSession(market, 100n), startSession(market, 60n)])
      const { ledgers } = await market.sides()
      assert.equal((await ledgers.buyer.channels.payers()).length, 1)
      assert.equal((await market.channels.channel(sessions[0].selling.channelId as Hex)).balance, 160n)
      for (const [index, session] of sessions.entries()) await payAndCredit(session, index === 0 ? 100n : 60n)
    })

    test('who waits for the deposit of another order may give up', async (t) => {
      const market = await setup.start(t)
      const { buying, request } = await open(market)
      const { payer } = await market.sides()
      const waiting = payer.open(request, { signal: AbortSignal.timeout(30) })
      await assert.rejects(waiting, { code: 'aborted' })
      await buying.end(0n)
      assert.equal((await payer.open(request)).order.deposit?.amount, 100n)
    })

    test('more than the budget allows with one seller is not signed, whatever authorizer he names', async (t) => {
      const market = await setup.start(t)
      market.maxDeposit = 150n
      const { payer } = await market.sides()
      const { request, buying } = await open(market)
      await buying.end(0n)
      const refused = (need: string) => ({ code: 'budget', details: { setting: 'budgetDeposit', need, limit: '150' } })
      await assert.rejects(payer.open({ ...request, maximum: 151n }), refused('151'))
      const rotated = { ...request.terms, receiverAuthorizer: `0x${'0a'.repeat(20)}` as const }
      await assert.rejects(payer.open({ ...request, terms: rotated, maximum: 60n }), refused('160'))
      assert.equal((await payer.open({ ...request, terms: rotated, maximum: 50n })).order.deposit?.amount, 50n)
    })

    test('the cap is on what is unspent: a long relation is topped up again and again', async (t) => {
      const market = await setup.start(t)
      market.maxDeposit = 150n
      for (let i = 0; i < 3; i++) {
        const session = await startSession(market, 100n)
        await payAndCredit(session, 100n)
        await endSession(session, 100n, 100n)
      }
      assert.equal((await (await market.sides()).payee.claim()).claimed, 300n)
    })

    test('a wallet without tokens, a price above the budget: nothing is signed', async (t) => {
      const market = await setup.start(t, { limits: { perRecord: 9n } })
      const { payer } = await market.sides()
      const terms = await market.terms()
      const request = { terms, binding: bindingOf(randomBytes(96)), seller: 'seller', maximum: 100n, one: 10n }
      await assert.rejects(payer.open(request), {
        code: 'budget',
        details: { setting: 'budgetPerRecord', need: '10', limit: '9' }
      })
      const cheap = { ...terms, price: { ...terms.price, amount: 9n } }
      market.maxDeposit = 10_000_000n
      await market.restart('buyer')
      const again = (await market.sides()).payer
      await assert.rejects(again.open({ ...request, terms: cheap, one: 9n, maximum: 2_000_000n }), {
        code: 'funds',
        details: { have: '1000000', need: '2000000' }
      })
      assert.deepEqual(await (await market.sides()).ledgers.buyer.channels.payers(), [])
    })

    test('a channel whose withdrawal has begun is not used any more', async (t) => {
      const market = await setup.start(t)
      const account = (await devAccounts())[5]
      assert.ok(account)
      market.wallet = { address: account.address, key: account.privateKey, privateKey: keyBytes(account.privateKey) }
      await market.world.chain.faucet?.(account.address, { token: 1000n })
      const first = await startSession(market, 100n)
      await endSession(first, 0n, 0n)
      await market.payerDoes(5, 'initiateWithdraw', [first.buying.order.config, 1n])
      const second = await startSession(market, 100n)
      assert.notEqual(second.buying.channelId, first.buying.channelId)
      assert.equal(second.buying.order.deposit?.amount, 100n)
    })
  })

  describe(`${name}: several sessions on one channel`, () => {
    test('a voucher is for all of them; a lower one that the sum covers is no fault', async (t) => {
      const market = await setup.start(t)
      const one = await startSession(market, 100n)
      const two = await startSession(market, 100n)
      assert.equal(one.buying.channelId, two.buying.channelId)
      const first = await one.buying.pay(30n)
      const second = await two.buying.pay(50n)
      assert.deepEqual([amountOf(first), amountOf(second)], [30n, 80n])
      // The streams are independent: the later voucher may come first.
      await two.selling.credit(50n, second)
      await one.selling.credit(30n, first)
      assert.equal(one.selling.verify(31n, first), 'the voucher is for 30, all sessions of the channel have paid 81')
      await endSession(one, 30n, 30n)
      await endSession(two, 50n, 50n)
      const third = await startSession(market, 100n)
      assert.deepEqual([third.selling.base, third.selling.proof], [80n, second])
      assert.equal(amountOf(await payAndCredit(third, 5n)), 85n)
    })

    test('one voucher is not good for two payments', async (t) => {
      const market = await setup.start(t)
      const one = await startSession(market, 100n)
      const two = await startSession(market, 100n)
      const voucher = await signVoucher(market.signer.key, market.place, one.selling.channelId as Hex, 60n)
      // Both look good before either is credited.
      assert.equal(one.selling.verify(60n, voucher), undefined)
      assert.equal(two.selling.verify(60n, voucher), undefined)
      await one.selling.credit(60n, voucher)
      await assert.rejects(two.selling.credit(60n, voucher), {
        code: 'paymentInvalid',
        message: 'the voucher is for 60, all sessions of the channel have paid 120'
      })
    })

    test('open orders are promised: the channel cannot be sold twice', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      const config = market.config()
      const orders = [await market.order({ config, funds: 150n }), await market.order({ config, funds: 0n })]
      const results = await Promise.allSettled(orders.map((order) => payee.accept(order)))
      assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      const [refused] = results.filter((result) => result.status === 'rejected')
      assert.match(String(refused?.reason), /can pay 50, the order may cost 100/)
    })

    test('a session ends while the next is accepted: nothing is counted twice or forgotten', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      const one = await startSession(market, 100n)
      await payAndCredit(one, 40n)
      const { request, buying } = await open(market)
      const selling = await payee.accept({ ...request, order: buying.order, buyer: 'buyer' })
      // ACCEPT with base 0 is on its way when the first session ends with its receipt.
      await endSession(one, 40n, 40n)
      await buying.accept(selling.base ?? 0n, selling.proof)
      await payAndCredit({ id: '', buying, selling, market, terms: request.terms }, 10n)
      // Now the other way round: the seller has ended a session whose receipt is still on its way.
      await selling.end(10n, 10n)
      const third = await startSession(market, 20n)
      assert.equal(third.selling.base, 50n)
      assert.equal(amountOf(await payAndCredit(third, 5n)), 55n)
      await buying.end(10n)
      assert.equal(amountOf(await payAndCredit(third, 6n)), 56n)
    })

    test('a buyer that comes back before the seller has noticed that he was cut off', async (t) => {
      const market = await setup.start(t)
      // Enough for both: until the seller notices, the first session keeps its promise.
      await endSession(await startSession(market, 300n), 0n, 0n)
      const one = await startSession(market, 100n)
      await payAndCredit(one, 40n)
      await one.buying.end(40n)
      const two = await startSession(market, 100n)
      await payAndCredit(two, 10n)
      await one.selling.end(40n, 40n)
      await payAndCredit(two, 20n)
      await endSession(two, 20n, 20n)
      assert.equal((await (await market.sides()).payee.claim()).claimed, 60n)
    })

    test('what was paid in advance and not used is the next session of the account', async (t) => {
      const market = await setup.start(t)
      const one = await startSession(market, 100n)
      const paid = await payAndCredit(one, 50n)
      await endSession(one, 20n, 50n)
      const two = await startSession(market, 80n)
      assert.deepEqual([two.selling.base, two.buying.order.deposit], [20n, undefined])
      assert.deepEqual(await payAndCredit(two, 30n), paid)
      assert.equal(amountOf(await payAndCredit(two, 31n)), 51n)
    })

    test('a claim takes what was paid in advance too; it stays the buyer’s to use', async (t) => {
      const market = await setup.start(t)
      const one = await startSession(market, 100n)
      await payAndCredit(one, 50n)
      const { payee } = await market.sides()
      assert.equal((await payee.claim()).claimed, 50n)
      await endSession(one, 20n, 50n)
      const two = await startSession(market, 80n)
      assert.equal(two.selling.base, 20n)
      await payAndCredit(two, 30n)
      assert.equal((await payee.claim()).claimed, 0n)
    })

    test('an order that is given up while another is served leaves no promise behind', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      const config = market.config()
      const [one, two] = [await market.order({ config, funds: 100n }), await market.order({ config, funds: 0n })]
      const gone = new AbortController()
      const served = payee.accept({ ...one, maximum: 40n })
      const given = payee.accept({ ...two, maximum: 60n }, gone)
      gone.abort()
      await assert.rejects(given, { code: 'aborted' })
      await (await served).end(0n, 0n)
      await (await payee.accept({ ...two, maximum: 100n })).end(0n, 0n)
    })
  })

  describe(`${name}: restarts`, () => {
    for (const who of ['seller', 'buyer', 'both'] as const) {
      test(`${who}, with two sessions open: they go on where they stood, nothing is paid again`, async (t) => {
        const market = await setup.start(t)
        const one = await startSession(market, 100n)
        const two = await startSession(market, 100n)
        await payAndCredit(one, 30n)
        await payAndCredit(two, 50n)
        // Signed and stored, but it never came.
        await two.buying.pay(60n)
        await market.restart(who)
        if (who === 'seller') await Promise.all([one.buying.suspend(), two.buying.suspend()])
        if (who === 'buyer') await Promise.all([one.selling.suspend(), two.selling.suspend()])
        const { payee, ledgers } = await market.sides()
        const next = await startSession(market, 100n)
        assert.equal(next.selling.base, 0n)
        // For all three, and for the payment that was lost.
        assert.equal(amountOf(await payAndCredit(next, 5n)), 95n)
        const left = await ledgers.seller.channels.sessions('payee', next.selling.channelId as Hex)
        const kept = left.map(({ open, paid }) => `${open ? 'open' : 'ended'} ${paid}`)
        assert.deepEqual(kept.toSorted(), ['open 30', 'open 5', 'open 50'])
        const again = await resumeSession(market, two)
        assert.deepEqual([again.buying.paid, again.selling.credited], [60n, 50n])
        await again.selling.credit(60n, again.buying.payload)
        assert.equal(amountOf(await payAndCredit(again, 70n)), 105n)
        await endSession(again, 70n, 70n)
        await endSession(next, 5n, 5n)
        assert.equal((await payee.claim()).claimed, 105n)
        const last = await resumeSession(market, one)
        await endSession(last, 30n, 30n)
        assert.equal((await startSession(market, 10n)).selling.base, 105n)
      })
    }

    test('a session that ended owing something is opened anew, and counts once', async (t) => {
      const market = await setup.start(t)
      const session = await startSession(market, 100n)
      await payAndCredit(session, 30n)
      await Promise.all([session.selling.end(50n, 30n), session.buying.suspend()])
      await market.restart()
      const again = await resumeSession(market, session)
      assert.deepEqual([again.selling.credited, again.selling.base], [30n, 0n])
      await payAndCredit(again, 50n)
      await endSession(again, 50n, 50n)
      assert.equal((await startSession(market, 10n)).selling.base, 50n)
    })

    test('a buyer whose ledger is older than his vouchers takes the proof, and signs nothing lower', async (t) => {
      const market = await setup.start(t)
      const { request, buying } = await open(market)
      const { payee } = await market.sides()
      const selling = await payee.accept({ ...request, order: buying.order, buyer: 'buyer' })
      const lost = await signVoucher(market.signer.key, market.place, buying.channelId as Hex, 40n)
      await selling.credit(40n, lost)
      await selling.end(40n, 40n)
      await buying.accept(40n, lost)
      assert.equal(amountOf(await buying.pay(1n)), 41n)
    })
  })

  describe(`${name}: topping up in the middle of a session`, () => {
    /** One session was cut, and another took the deposit meanwhile. */
    const short = async (market: EvmMarket) => {
      const cut = await startSession(market, 100n)
      await payAndCredit(cut, 20n)
      await Promise.all([cut.buying.suspend(), cut.selling.suspend()])
      const other = await startSession(market, 80n)
      assert.equal(other.buying.order.deposit, undefined)
      return resumeSession(market, cut)
    }

    test('a resumed session whose deposit went to another one: the buyer adds what is missing', async (t) => {
      const market = await setup.start(t)
      const session = await short(market)
      assert.equal(session.selling.available(), 20n)
      const deposit = await session.buying.topUp?.()
      assert.equal(deposit?.amount, 80n)
      await session.selling.topUp?.(deposit)
      assert.equal(session.selling.available(), 100n)
      assert.equal(await session.buying.topUp?.(), undefined)
      await session.selling.topUp?.(undefined)
      await payAndCredit(session, 100n)
      await endSession(session, 100n, 100n)
      assert.equal((await (await market.sides()).payee.claim()).claimed, 100n)
    })

    test('crumbs and foreign collectors are not relayed; the same deposit counts once', async (t) => {
      const market = await setup.start(t)
      const { selling, buying } = await short(market)
      const config = buying.order.config as ChannelConfig
      await selling.topUp?.(await market.deposit(config, 9n))
      assert.equal(selling.available(), 20n)
      const foreign = await market.deposit(config, 80n, { collector: `0x${'0e'.repeat(20)}` })
      await assert.rejects(async () => selling.topUp?.(foreign), { code: 'refused', message: /names collector/ })
      const deposit = await market.deposit(config, 40n)
      await selling.topUp?.(deposit)
      assert.equal(selling.available(), 60n)
      await assert.rejects(async () => selling.topUp?.(deposit), { message: /AuthorizationUsedOrCanceled/ })
      assert.equal(selling.available(), 60n)
    })

    test('never above the cap of deposits with one seller', async (t) => {
      const market = await setup.start(t)
      market.maxDeposit = 150n
      const { buying } = await short(market)
      await assert.rejects(async () => buying.topUp?.(), { code: 'budget', message: /needs 180 deposited/ })
    })
  })

  describe(`${name}: claims`, () => {
    test('one bad row among 200 is found by bisection, the other 199 are paid', async (t) => {
      const market = await setup.start(t)
      const { payee, ledgers } = await market.sides()
      const claims = Array.from({ length: 200 }, async () => {
        const order = await market.order({ funds: 10n })
        const session = await payee.accept({ ...order, maximum: 10n })
        await session.credit(7n, await signVoucher(market.signer.key, market.place, order.channelId, 7n))
        await session.end(7n, 7n)
        return order.channelId
      })
      const ids = await Promise.all(claims)
      const spoiled = ids[77] as Hex
      const channel = await ledgers.seller.channels.payee(spoiled)
      assert.ok(channel?.voucher)
      const good = channel.voucher.signature
      const signature: Hex = `${good.slice(0, 10)}${good.slice(10, 12) === '00' ? '01' : '00'}${good.slice(12)}` as Hex
      await ledgers.seller.channels.putPayee({ ...channel, voucher: { ...channel.voucher, signature } })
      await market.restart('seller')
      const { claimed, transactions, rejected } = await (await market.sides()).payee.claim()
      assert.equal(claimed, 199n * 7n)
      assert.equal(transactions.length, 2)
      assert.deepEqual(
        rejected.map(({ channelId }) => channelId),
        [spoiled]
      )
      assert.match(rejected[0]?.reason ?? '', /^InvalidVoucherSignature\(channelId 0x/)
    })

    test('a deposit withdrawn after the voucher: what is left is claimed, the rest is named', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      const payer = (await devAccounts())[6]
      assert.ok(payer)
      await market.world.chain.faucet?.(payer.address, { token: 1000n })
      const config = market.config({ payer: payer.address })
      const order = await market.order({ config, payer: payer.privateKey, funds: 1000n })
      const session = await payee.accept(order)
      await session.credit(90n, await signVoucher(market.signer.key, market.place, order.channelId, 90n))
      const other = await startSession(market, 100n)
      await payAndCredit(other, 11n)
      await market.payerDoes(6, 'initiateWithdraw', [config, 950n])
      await market.passTime(WITHDRAW_DELAY + 1)
      await market.payerDoes(6, 'finalizeWithdraw', [config])
      const { claimed, rejected } = await payee.claim()
      assert.equal(claimed, 50n + 11n)
      const reason = '90 is owed, the channel holds 50'
      assert.deepEqual(rejected, [{ channelId: order.channelId, reason }])
    })

    test('chosen channels, two claims at once, and a claim that did not live to write down its success', async (t) => {
      const market = await setup.start(t)
      const session = await startSession(market, 100n)
      const channelId = session.selling.channelId as Hex
      await payAndCredit(session, 25n)
      const { payee, ledgers } = await market.sides()
      const before = await ledgers.seller.channels.payee(channelId)
      assert.ok(before)
      assert.deepEqual(await payee.claim([`0x${'cc'.repeat(32)}`]), { claimed: 0n, transactions: [], rejected: [] })
      const [one, two] = await Promise.all([payee.claim([channelId]), payee.claim()])
      assert.deepEqual([one.claimed, two.claimed, two.transactions], [25n, 0n, []])
      assert.equal((await ledgers.seller.channels.payee(channelId))?.claimed, 25n)
      await session.selling.end(25n, 25n)
      await ledgers.seller.channels.putPayee({ ...before, base: 25n })
      await market.restart('seller')
      const again = await market.sides()
      assert.equal((await again.payee.claim()).claimed, 0n)
      assert.equal((await again.ledgers.seller.channels.payee(channelId))?.claimed, 25n)
    })

    test('a claim that failed half-way is finished by the next', async (t) => {
      const market = await setup.start(t)
      const session = await startSession(market, 100n)
      await payAndCredit(session, 25n)
      const { payee } = await market.sides()
      const { channels } = market
      const { settle } = channels
      const before = await channels.tokenBalance(channels.account)
      channels.settle = async () => Promise.reject(new Error('the RPC is gone'))
      t.after(() => Object.assign(channels, { settle }))
      await assert.rejects(payee.claim(), /the RPC is gone/)
      Object.assign(channels, { settle })
      const { claimed, transactions } = await payee.claim()
      assert.deepEqual([claimed, transactions.length], [0n, 1])
      assert.equal(await channels.tokenBalance(channels.account), before + 25n)
    })
  })
}

function keyBytes(key: Hex): Uint8Array {
  return Uint8Array.from(Buffer.from(key.slice(2), 'hex'))
}

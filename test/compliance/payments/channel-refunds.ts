import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeFunctionData } from 'viem'
import { channelEscrowAbi } from '../../../src/chain/abi.ts'
import type { Hex, Payee, PayeeChannels } from '../../../src/interface/index.ts'
import type { EvmMarket } from './evm-market.ts'
import { amountOf, endSession, payAndCredit, type RailSetup, resumeSession, startSession } from './payment-rail.ts'
import { signRefund } from './typed-data.ts'

/** What a seller pays back: never twice, never what others were promised, and only with its own signature. */
export function channelRefunds(name: string, setup: RailSetup<EvmMarket>): void {
  describe(`${name}: refunds`, () => {
    test('what is due is claimed, the rest goes back; the channel goes on with a new deposit', async (t) => {
      const market = await setup.start(t)
      const first = await startSession(market, 100n)
      await payAndCredit(first, 50n)
      await endSession(first, 30n, 50n)
      const { payee, payer } = await market.sides()
      const before = await market.channels.tokenBalance(market.wallet.address)
      // What was signed for and not used goes back, too.
      const { amount } = await refundsOf(payee).refund(first.selling.channelId as Hex)
      assert.equal(amount, 70n)
      assert.equal(await market.channels.tokenBalance(market.wallet.address), before + 70n)
      const [standing] = (await payer.channels?.list()) ?? []
      assert.deepEqual([standing?.balance, standing?.claimed, standing?.unspent], [30n, 30n, 0n])
      const second = await startSession(market, 100n)
      assert.deepEqual([second.selling.base, second.buying.order.deposit?.amount], [30n, 100n])
      await payAndCredit(second, 100n)
      await endSession(second, 100n, 100n)
      assert.equal((await payee.claim()).claimed, 100n)
    })

    test('again and again: a deposit after each, though the balance is what it was before', async (t) => {
      const market = await setup.start(t)
      for (let i = 0; i < 3; i++) {
        const session = await startSession(market, 100n)
        assert.equal(session.buying.order.deposit?.amount, 100n)
        await endSession(session, 0n, 0n)
        const refunds = refundsOf((await market.sides()).payee)
        assert.equal((await refunds.refund(session.selling.channelId as Hex)).amount, 100n)
      }
    })

    test('what open sessions may still cost stays; while one is cut nothing is paid back', async (t) => {
      const market = await setup.start(t)
      await endSession(await startSession(market, 500n), 0n, 0n)
      const [open, cut] = [await startSession(market, 100n), await startSession(market, 100n)]
      await payAndCredit(cut, 40n)
      // Signed, and lost with the stream: it comes again when the session goes on, and must be covered then.
      await cut.buying.pay(90n)
      await Promise.all([cut.buying.suspend(), cut.selling.suspend()])
      const refunds = refundsOf((await market.sides()).payee)
      const channelId = open.selling.channelId as Hex
      assert.equal((await refunds.refund(channelId)).amount, 0n)
      const resumed = await resumeSession(market, cut)
      assert.equal((await refunds.refund(channelId)).amount, 300n)
      assert.equal((await refunds.refund(channelId)).amount, 0n)
      await resumed.selling.credit(90n, resumed.buying.payload)
      await payAndCredit(open, 100n)
      await (await market.sides()).payee.claim()
      assert.equal((await market.channels.channel(channelId)).totalClaimed, 190n)
    })

    test('a buyer that counts more as consumed than the seller, after a cut, can still pay all that it ordered', async (t) => {
      const market = await setup.start(t)
      const [cut, open] = [await startSession(market, 100n), await startSession(market, 100n)]
      await payAndCredit(cut, 40n)
      await cut.buying.pay(60n)
      await Promise.all([cut.buying.end(60n), cut.selling.end(40n, 40n)])
      assert.equal((await refundsOf((await market.sides()).payee).refund(open.selling.channelId as Hex)).amount, 60n)
      assert.equal(amountOf(await payAndCredit(open, 100n)), 160n)
      await endSession(open, 100n, 100n)
      const next = await startSession(market, 100n)
      assert.equal(next.buying.order.deposit?.amount, 120n)
      assert.equal(amountOf(await payAndCredit(next, 100n)), 260n)
      assert.equal((await (await market.sides()).payee.claim()).claimed, 200n)
    })

    test('an order that comes while a refund is under way does not count on what leaves', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      const config = market.config()
      const one = await market.order({ config, funds: 1000n })
      await (await payee.accept(one)).end(0n, 0n)
      const two = { ...(await market.order({ config, funds: 0n })), maximum: 600n }
      const [refund, accepted] = await Promise.allSettled([
        refundsOf(payee).refund(one.channelId),
        payee.accept(two).then((session) => session.available())
      ])
      const { balance } = await market.channels.channel(one.channelId)
      // Whoever came first: the seller never has less than it has promised.
      if (accepted.status === 'fulfilled') assert.equal(balance, 600n)
      else assert.equal(balance, 0n)
      assert.equal(refund.status, 'fulfilled')
    })

    for (const sent of [false, true]) {
      test(`a seller that dies ${sent ? 'after' : 'before'} the refund is sent gives it once`, async (t) => {
        const market = await setup.start(t)
        const session = await startSession(market, 100n)
        await payAndCredit(session, 30n)
        await endSession(session, 30n, 30n)
        const channelId = session.selling.channelId as Hex
        const before = await market.channels.tokenBalance(market.wallet.address)
        const { refund } = market.channels
        t.after(() => Object.assign(market.channels, { refund }))
        market.channels.refund = async (...args) => {
          if (sent) await refund(...args)
          throw new Error('killed')
        }
        await assert.rejects(refundsOf((await market.sides()).payee).refund(channelId), /killed/)
        await market.restart('seller')
        const { payee, ledgers } = await market.sides()
        assert.equal((await ledgers.seller.channels.payee(channelId))?.refund?.amount, 70n)
        // Also the next order must not count on it: the transaction may be mined at any time.
        const order = await market.order({ config: session.buying.order.config ?? {}, funds: 0n })
        await assert.rejects(payee.accept({ ...order, maximum: 70n }), { code: 'refused', message: /can pay 0/ })
        Object.assign(market.channels, { refund })
        const channels = refundsOf(payee)
        await channels.finishRefunds()
        await channels.finishRefunds()
        assert.equal((await ledgers.seller.channels.payee(channelId))?.refund, undefined)
        assert.equal(await market.channels.tokenBalance(market.wallet.address), before + 70n)
        assert.equal((await channels.refund(channelId)).amount, 0n)
      })
    }

    test("behind the seller's back: only the receiver's side refunds, and no signature counts twice", async (t) => {
      const market = await setup.start(t)
      const session = await startSession(market, 100n)
      await payAndCredit(session, 60n)
      const { config } = session.buying.order
      assert.ok(config)
      const channelId = session.selling.channelId as Hex
      // The buyer as its own receiverAuthorizer: the channel is not accepted at all.
      const own = await market.order({ config: { receiverAuthorizer: market.signer.address } })
      const { payee } = await market.sides()
      await assert.rejects(payee.accept(own), { code: 'paymentInvalid', message: /receiverAuthorizer/ })

      const attempt = (functionName: 'refund' | 'refundWithSignature', args: unknown[]) =>
        market.call(encodeFunctionData({ abi: channelEscrowAbi, functionName, args: args as never }))
      assert.match(await attempt('refund', [config, 40n]), /NotReceiverSide/)
      const signed = await signRefund(market.signer.key, market.place, { channelId, nonce: 0n, amount: 40n })
      assert.match(await attempt('refundWithSignature', [config, 40n, 0n, signed]), /InvalidAuthorizerSignature/)

      await endSession(session, 60n, 60n)
      assert.equal((await refundsOf(payee).refund(channelId)).amount, 40n)
      // The signature of that refund is public now; the next deposit is safe from it.
      const sellers = await signRefund(market.receiverAuthorizer.key, market.place, {
        channelId,
        nonce: 0n,
        amount: 40n
      })
      await startSession(market, 100n)
      assert.match(await attempt('refundWithSignature', [config, 40n, 0n, sellers]), /InvalidRefundNonce\(nonce 0, ex/)
    })

    test('where gas has a price: a refund is for buyers that brought as much, a claim waits until it is worth it', async (t) => {
      const market = await setup.start(t)
      // At 1 to 2 gwei 180,000 gas for a refund cost between 540 and 1,080 units, 95,000 for a claim half of that.
      market.claimPolicy = { above: 10n, interval: 0, nativePrice: 3_000_000n, gasPercent: 50n }
      const session = await startSession(market, 2_000n)
      await payAndCredit(session, 100n)
      const channelId = session.selling.channelId as Hex
      const channels = refundsOf((await market.sides()).payee)
      assert.deepEqual(await channels.watch(), { claimed: 0n, transactions: [], rejected: [] })
      assert.deepEqual(await channels.refund(channelId), { amount: 0n })
      await payAndCredit(session, 1_900n)
      await endSession(session, 1_900n, 1_900n)
      assert.equal((await channels.watch()).claimed, 1_900n)
      assert.equal((await channels.refund(channelId)).amount, 100n)
      // Another deposit, and nothing bought: that would be at the seller's cost.
      await endSession(await startSession(market, 1_000n), 0n, 0n)
      assert.deepEqual(await channels.refund(channelId), { amount: 0n })
    })

    test('nothing is refunded while a claim fails, of a channel that is not here, or without the key', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      await assert.rejects(refundsOf(payee).refund(`0x${'cc'.repeat(32)}`), { code: 'notFound' })
      const session = await startSession(market, 100n)
      await payAndCredit(session, 60n)
      await endSession(session, 60n, 60n)
      const { simulateClaim } = market.channels
      t.after(() => Object.assign(market.channels, { simulateClaim }))
      market.channels.simulateClaim = async () => 'the contract is broken'
      await assert.rejects(refundsOf(payee).refund(session.selling.channelId as Hex), {
        code: 'chain',
        message: /while a claim fails: the contract is broken/
      })
      assert.equal((await market.channels.channel(session.selling.channelId as Hex)).balance, 100n)
    })
  })
}

function refundsOf({ channels }: Payee): PayeeChannels {
  assert.ok(channels)
  return channels
}

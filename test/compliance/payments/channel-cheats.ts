import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { devAccounts } from '../../../src/chain/index.ts'
import { type ChannelConfig, type Hex, isVoucher, type PaymentTerms } from '../../../src/interface/index.ts'
import { addressOf, bindingOf, type EvmMarket, WITHDRAW_DELAY } from './evm-market.ts'
import { type RailSetup, startSession } from './payment-rail.ts'
import { channelIdOf, SPOILED, signVoucher } from './typed-data.ts'

const OTHER = `0x${'0e'.repeat(20)}` as const

/** What a seller must refuse on a rail with channels, each with its reason: what passes here, the chain would not pay. */
export function channelCheats(name: string, setup: RailSetup<EvmMarket>): void {
  describe(`${name}: vouchers that are refused`, () => {
    for (const { name: cheat, spoil, reason } of SPOILED) {
      test(cheat, async (t) => {
        const { buying, selling } = await startSession(await setup.start(t), 100n)
        const good = await buying.pay(20n)
        assert.ok(isVoucher(good))
        const bad = { ...good, signature: spoil(good.signature) }
        assert.match(selling.verify(20n, bad) ?? 'accepted', reason)
        await assert.rejects(selling.credit(20n, bad), { code: 'paymentInvalid', message: reason })
        await selling.credit(20n, good)
      })
    }

    test('a signature that was good, under a higher amount', async (t) => {
      const { buying, selling } = await startSession(await setup.start(t), 100n)
      const good = await buying.pay(20n)
      assert.ok(good)
      assert.equal(selling.verify(20n, good), undefined)
      const raised = { ...good, maxClaimableAmount: 30n }
      for (const state of ['verified', 'credited']) {
        assert.match(selling.verify(30n, raised) ?? 'accepted', /^the voucher is signed by 0x/, state)
        await assert.rejects(selling.credit(30n, raised), { code: 'paymentInvalid' }, state)
        await selling.credit(20n, good)
      }
    })

    const forged: Array<{
      name: string
      make: (market: EvmMarket, channelId: Hex) => ReturnType<typeof signVoucher>
      reason: RegExp
    }> = [
      {
        name: 'lower than the payments',
        make: (market, channelId) => signVoucher(market.signer.key, market.place, channelId, 15n),
        reason: /^the voucher is for 15, all sessions of the channel have paid 20$/
      },
      {
        name: 'another channel',
        make: (market) => signVoucher(market.signer.key, market.place, `0x${'cc'.repeat(32)}`, 20n),
        reason: /^the voucher is for channel 0x(cc){32}, the session's is 0x[0-9a-f]{64}$/
      },
      {
        name: "another channel's signature",
        make: async (market, channelId) => ({
          ...(await signVoucher(market.signer.key, market.place, `0x${'cc'.repeat(32)}`, 20n)),
          channelId
        }),
        reason: /^the voucher is signed by 0x/
      },
      {
        name: 'another chain',
        make: (market, channelId) => signVoucher(market.signer.key, { ...market.place, chainId: 1 }, channelId, 20n),
        reason: /^the voucher is signed by 0x/
      },
      {
        name: 'another escrow',
        make: (market, channelId) => signVoucher(market.signer.key, { ...market.place, escrow: OTHER }, channelId, 20n),
        reason: /^the voucher is signed by 0x/
      },
      {
        name: 'another signer',
        make: (market, channelId) => signVoucher(market.wallet.key, market.place, channelId, 20n),
        reason: /^the voucher is signed by 0x[0-9a-f]{40}, the channel's authorizer is 0x[0-9a-f]{40}$/
      },
      {
        name: 'an amount that is another than signed',
        make: async (market, channelId) => ({
          ...(await signVoucher(market.signer.key, market.place, channelId, 10n)),
          maxClaimableAmount: 20n
        }),
        reason: /^the voucher is signed by 0x/
      }
    ]
    for (const { name: cheat, make, reason } of forged) {
      test(cheat, async (t) => {
        const market = await setup.start(t)
        const { selling } = await startSession(market, 100n)
        assert.match(selling.verify(20n, await make(market, selling.channelId as Hex)) ?? 'accepted', reason)
      })
    }

    test('none at all, or after the end', async (t) => {
      const { buying, selling } = await startSession(await setup.start(t), 100n)
      assert.equal(selling.verify(20n, undefined), 'a payment on this rail carries a voucher')
      const payload = await buying.pay(20n)
      await selling.end(0n, 0n)
      assert.equal(selling.verify(20n, payload), 'the session has ended')
      await assert.rejects(selling.credit(20n, payload), { code: 'paymentInvalid' })
    })

    test('a voucher for the whole deposit, or more, is good, also for a small payment', async (t) => {
      const market = await setup.start(t)
      const { selling } = await startSession(market, 100n)
      const all = await signVoucher(market.signer.key, market.place, selling.channelId as Hex, 150n)
      await selling.credit(20n, all)
      await selling.credit(100n, all)
      assert.equal((await (await market.sides()).payee.claim()).claimed, 100n)
    })

    test('a good voucher is worth nothing beyond what a withdrawal leaves in the channel', async (t) => {
      const market = await setup.start(t)
      const account = (await devAccounts())[8]
      assert.ok(account)
      const config = { payerAuthorizer: account.address }
      const { channelId, ...order } = await market.order({ config, key: account.privateKey, funds: 100n })
      const { payee } = await market.sides()
      const selling = await payee.accept(order)
      const all = await signVoucher(account.privateKey, market.place, channelId, 100n)
      await selling.credit(20n, all)
      await market.payerDoes(8, 'initiateWithdraw', [order.order.config, 70n])
      await payee.channels?.watch()
      await selling.credit(20n, all)
      await selling.credit(30n, all)
      const reason = 'all sessions of the channel have paid 31, it holds 30 that nobody takes back'
      assert.equal(selling.verify(31n, all), reason)
      await assert.rejects(selling.credit(31n, all), { code: 'paymentInvalid', message: reason })
      // What is owed is out of the withdrawal's reach: nothing presses but what was there at the first look.
      await payee.channels?.watch()
      assert.equal((await market.channels.channel(channelId)).totalClaimed, 20n)
      assert.equal((await payee.claim()).claimed, 10n)
    })
  })

  test(`${name}: a deposit that a reorg has undone is no fault of the payer, and nothing more is credited on it`, async (t) => {
    const market = await setup.start(t)
    const { selling, buying } = await startSession(market, 100n)
    const first = await buying.pay(20n)
    await selling.credit(20n, first)
    await market.reorg(1)
    await (await market.sides()).payee.channels?.watch()
    const second = await buying.pay(30n)
    assert.equal(selling.verify(30n, second), undefined)
    const message = /^the chain shows 0 in channel 0x.*, 30 were paid: it lags, or a deposit was undone$/
    await assert.rejects(selling.credit(30n, second), { code: 'unreachable', message })
    assert.equal(selling.credited, 20n)
    await selling.credit(20n, first)
  })

  describe(`${name}: channels that are refused`, () => {
    const configs: Array<{ name: string; config: Partial<ChannelConfig>; reason: RegExp }> = [
      {
        name: "receiverAuthorizer is not the seller's",
        config: { receiverAuthorizer: OTHER },
        reason: /^the channel's receiverAuthorizer is 0x(0e){20}, offered was 0x[0-9a-f]{40}$/
      },
      {
        name: 'receiver is somebody else',
        config: { receiver: OTHER },
        reason: /^the channel's receiver is 0x(0e){20}, offered was 0x[0-9a-f]{40}$/
      },
      {
        name: 'another token',
        config: { token: OTHER },
        reason: /^the channel's token is 0x(0e){20}, offered was 0x[0-9a-f]{40}$/
      },
      {
        name: 'withdrawDelay is shorter than offered',
        config: { withdrawDelay: 900 },
        reason: /^the channel's withdrawDelay is 900, offered was 3600$/
      },
      {
        name: 'payerAuthorizer is zero',
        config: { payerAuthorizer: `0x${'00'.repeat(20)}` },
        reason: /^the channel's payerAuthorizer is the zero address$/
      }
    ]
    for (const { name: cheat, config, reason } of configs) {
      test(cheat, async (t) => {
        const market = await setup.start(t)
        const order = await market.order({ config, funds: 0n })
        const { payee } = await market.sides()
        await assert.rejects(payee.accept(order), { code: 'paymentInvalid', message: reason })
      })
    }

    const signedBy = /^channelAuth is signed by 0x[0-9a-f]{40}, the channel's authorizer is 0x[0-9a-f]{40}$/
    const authorizations: Array<[string, Parameters<EvmMarket['order']>[0], RegExp]> = [
      ['channelAuth of another signer', { key: `0x${'17'.repeat(32)}` }, signedBy],
      ['channelAuth for another chain', { place: { chainId: 1, escrow: OTHER } }, signedBy],
      ['channelAuth of another order', { authorized: bindingOf(randomBytes(96)) }, signedBy],
      ['channelAuth that is none', { channelAuth: '0x00' }, /^channelAuth: a signature has 65 bytes, not 1$/],
      [
        'accountAuth of another account',
        { accountKey: `0x${'17'.repeat(32)}` },
        /^accountAuth is signed by 0x[0-9a-f]{40}, its payer is/
      ],
      ['accountAuth that is none', { accountAuth: '0x00' }, /^accountAuth: a signature has 65 bytes, not 1$/]
    ]
    for (const [cheat, changes, message] of authorizations) {
      test(cheat, async (t) => {
        const market = await setup.start(t)
        const order = await market.order({ ...changes, funds: 0n })
        const { payee } = await market.sides()
        await assert.rejects(payee.accept(order), { code: 'paymentInvalid', message })
      })
    }

    test('no channel in the order', async (t) => {
      const market = await setup.start(t)
      const { order, ...request } = await market.order({ funds: 0n })
      const { payee } = await market.sides()
      await assert.rejects(payee.accept({ ...request, order: { rail: order.rail } }), {
        code: 'paymentInvalid',
        message: 'the order has no channel or no channelAuth'
      })
    })

    test('no deposit', async (t) => {
      const market = await setup.start(t)
      const { channelId, ...order } = await market.order({ funds: 99n })
      const { payee } = await market.sides()
      await assert.rejects(payee.accept(order), {
        code: 'refused',
        message: `channel ${channelId} can pay 99, the order may cost 100; deposit more or order less`,
        details: { have: '99', need: '100' }
      })
    })

    test('a deposit that is too small is not relayed: it would cost gas for nothing', async (t) => {
      const market = await setup.start(t)
      const config = market.config()
      const order = await market.order({ config, funds: 0n, deposit: await market.deposit(config, 99n) })
      const { payee } = await market.sides()
      await assert.rejects(payee.accept(order), { code: 'refused', message: /can pay 0, the order may cost 100/ })
      assert.equal((await market.channels.channel(order.channelId)).balance, 0n)
    })

    test('a deposit through a foreign collector', async (t) => {
      const market = await setup.start(t)
      const config = market.config()
      const deposit = await market.deposit(config, 100n, { collector: OTHER })
      const order = await market.order({ config, funds: 0n, deposit })
      const { payee } = await market.sides()
      await assert.rejects(payee.accept(order), {
        code: 'refused',
        message: `the deposit names collector ${OTHER}, this network has ${market.channels.eip3009Collector}`
      })
    })

    test("a victim's deposit in a stranger's channel", async (t) => {
      const market = await setup.start(t)
      const victims = market.config()
      const config = market.config({ payerAuthorizer: addressOf(`0x${'17'.repeat(32)}`) })
      const deposit = await market.deposit(victims, 100n)
      const order = await market.order({ config, key: `0x${'17'.repeat(32)}`, funds: 0n, deposit })
      const { payee } = await market.sides()
      await assert.rejects(payee.accept(order), {
        code: 'refused',
        message: /^the deposit was not accepted by the chain: .*InvalidAuthorizationSignature/
      })
    })

    test('a withdrawal is pending, matured, carried out', async (t) => {
      const market = await setup.start(t)
      const { payee } = await market.sides()
      const payer = (await devAccounts())[4]
      assert.ok(payer)
      await market.world.chain.faucet?.(payer.address, { token: 1000n })
      const config = market.config({ payer: payer.address })
      const first = await market.order({ config, payer: payer.privateKey, funds: 1000n })
      const again = async () => ({ ...(await market.order({ config, funds: 0n })), maximum: 60n })
      const refused = { code: 'refused', message: /can pay 50, the order may cost 60/ }

      await market.payerDoes(4, 'initiateWithdraw', [config, 950n])
      await assert.rejects(payee.accept(first), { code: 'refused', message: /can pay 50, the order may cost 100/ })
      await market.passTime(WITHDRAW_DELAY + 1)
      await assert.rejects(payee.accept(await again()), refused)
      await market.payerDoes(4, 'finalizeWithdraw', [config])
      await assert.rejects(payee.accept(await again()), refused)
      assert.equal((await payee.accept({ ...(await again()), maximum: 50n })).available(), 50n)
    })
  })

  describe(`${name}: offers that a buyer refuses`, () => {
    const objections: Array<{ name: string; change: Partial<PaymentTerms>; reason: RegExp }> = [
      {
        name: "payTo is not the listing's",
        change: { payTo: OTHER },
        reason: /^the offer pays 0x(0e){20}, the listing/
      },
      { name: 'another network', change: { network: 'eip155:1' }, reason: /^the offer is for network eip155:1, this/ },
      {
        name: 'another asset',
        change: { asset: `eip155:31337/erc20:${OTHER}` },
        reason: /^the offer asks for eip155:31337\/erc20:0x(0e){20}, this wallet pays in/
      },
      { name: 'another escrow', change: { escrow: OTHER }, reason: /^the offer names escrow 0x(0e){20}, the network/ }
    ]
    for (const { name: cheat, change, reason } of objections) {
      test(cheat, async (t) => {
        const market = await setup.start(t)
        const { payer } = await market.sides()
        const terms = await market.terms()
        assert.equal(await payer.objection(terms, market.listing), undefined)
        assert.match((await payer.objection({ ...terms, ...change }, market.listing)) ?? 'none', reason)
      })
    }

    test('a long withdraw delay', async (t) => {
      const market = await setup.start(t)
      const { payer } = await market.sides()
      const terms = { ...(await market.terms()), withdrawDelay: 86_401 }
      const opening = payer.open({
        terms,
        binding: bindingOf(randomBytes(96)),
        seller: 'seller',
        maximum: 100n,
        one: 10n
      })
      await assert.rejects(opening, {
        code: 'budget',
        message: /locks deposits for 86401 s, maxWithdrawDelay allows 86400 s/
      })
    })

    test("a base above what this buyer ever signed, or another's voucher as proof", async (t) => {
      const market = await setup.start(t)
      const { payer, payee } = await market.sides()
      const terms = await market.terms()
      const buying = await payer.open({
        terms,
        binding: bindingOf(randomBytes(96)),
        seller: 'seller',
        maximum: 100n,
        one: 10n
      })
      const channelId = channelIdOf(market.place, buying.order.config as ChannelConfig)
      assert.equal(channelId, buying.channelId)
      assert.equal(payee.rail, 'evm')
      await assert.rejects(buying.accept(1n, undefined), { code: 'paymentInvalid', message: /counts 1 as consumed/ })
      const foreign = await signVoucher(market.wallet.key, market.place, channelId, 5n)
      await assert.rejects(buying.accept(1n, foreign), { code: 'paymentInvalid', message: /signed by 0x/ })
      const own = await signVoucher(market.signer.key, market.place, channelId, 5n)
      await assert.rejects(buying.accept(6n, own), { code: 'paymentInvalid', message: /counts 6 as consumed.* 5$/ })
    })
  })
}

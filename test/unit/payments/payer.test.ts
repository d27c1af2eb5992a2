import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Budget,
  type ChannelStore,
  DdmError,
  isVoucher,
  type SpendingStore,
  type VoucherPayload
} from '../../../src/interface/index.ts'
import { type BudgetLimits, createBudget } from '../../../src/payments/index.ts'
import { eip712, key, LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore, unlimited } from './memory.ts'

const DIGEST = `0x${'01'.repeat(32)}` as const
const binding = { offerDigest: DIGEST, buyerPeerDigest: DIGEST, orderNonce: DIGEST }

async function setup(init: { budget?: Budget; store?: ChannelStore; maximum?: bigint } = {}) {
  const { chain, balances } = memoryChain()
  const store = init.store ?? memoryStore()
  const payee = memoryPayee(chain, memoryStore())
  const terms = payee.terms(LISTING)
  assert.ok(terms)
  const payer = memoryPayer(chain, store, init.budget)
  const request = { terms, binding, seller: 'seller', maximum: init.maximum ?? 100n, one: 10n }
  const open = async () => {
    const session = await payer.open(request)
    await session.begin('session')
    return session
  }
  return { chain, balances, store, payer, payee, request, open }
}

/** A budget that answers when it is told to. */
function slowBudget() {
  const asked: bigint[] = []
  let gate = Promise.resolve()
  const budget: Budget = {
    ...unlimited,
    reserve: async ({ amount }) => {
      asked.push(amount)
      await gate
    }
  }
  const close = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    gate = promise
    return resolve
  }
  return { budget, asked, close }
}

test('nothing is signed before the budget has answered, nor handed out before it is stored', async () => {
  const { budget, close } = slowBudget()
  const { open, store } = await setup({ budget })
  const session = await open()
  const release = close()
  const paying = session.pay(10n)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal((await store.payers())[0]?.signed, 0n)
  release()
  const payload = await paying
  const [stored] = await store.payers()
  assert.deepEqual([stored?.signed, stored?.signature], [10n, (payload as VoucherPayload).signature])
})

test('a payment that was given up, or whose session ended, while the budget answered is not signed', async () => {
  const { budget, close } = slowBudget()
  const { open, store } = await setup({ budget })
  const session = await open()
  const release = close()
  const gone = new AbortController()
  const given = session.pay(10n, gone)
  const late = session.pay(20n)
  const rejected = Promise.all([
    assert.rejects(given, { code: 'aborted' }),
    assert.rejects(late, { code: 'internal', message: 'the session has ended; nothing more is signed for it' })
  ])
  gone.abort()
  await new Promise((resolve) => setImmediate(resolve))
  release()
  await session.end(0n)
  await rejected
  assert.equal((await store.payers())[0]?.signed, 0n)
})

test('the budget grants a part in advance, but refuses nothing that is owed for the sake of it', async () => {
  const asked: bigint[] = []
  let left = 50n
  const budget: Budget = {
    ...unlimited,
    reserve: async ({ amount }) => {
      asked.push(amount)
      if (amount > left) throw new DdmError('budget', `${amount} is more than ${left}`)
      left -= amount
    }
  }
  const { open } = await setup({ budget })
  const session = await open()
  for (const paid of [1n, 2n, 6n, 7n, 40n, 48n, 50n]) await session.pay(paid)
  await assert.rejects(session.pay(51n), { code: 'budget' })
  assert.deepEqual(asked, [0n, 6n, 6n, 33n, 8n, 3n, 7n, 2n, 6n, 1n])
})

test('payments that overtake each other never lower what is signed', async () => {
  const { open } = await setup()
  const session = await open()
  const payloads = await Promise.all([30n, 10n, 50n, 20n].map((paid) => session.pay(paid)))
  assert.ok(payloads.every((payload) => isVoucher(payload) && payload.maxClaimableAmount >= 30n))
  assert.equal(((await session.pay(1n)) as VoucherPayload).maxClaimableAmount, 50n)
})

test('a store that fails leaves no promise behind, on either side', async () => {
  const store = memoryStore()
  const { payer, request, chain } = await setup({ store })
  const { putPayer } = store
  store.putPayer = async () => Promise.reject(new DdmError('internal', 'disk full'))
  await assert.rejects(payer.open(request), { message: 'disk full' })
  store.putPayer = putPayer
  const session = await payer.open(request)
  assert.equal(session.order.deposit?.amount, 100n)

  const sold = memoryStore()
  const payee = memoryPayee(chain, sold)
  const { putPayee } = sold
  sold.putPayee = async () => Promise.reject(new DdmError('internal', 'disk full'))
  const asked = { ...request, order: session.order, buyer: 'buyer' }
  await assert.rejects(payee.accept(asked), { message: 'disk full' })
  sold.putPayee = putPayee
  const { deposit: _, ...rest } = session.order
  assert.equal((await payee.accept({ ...asked, order: rest })).available(), 100n)
})

test('a session that ends, is cut or is resumed keeps of the budget what it signed for, counted once', async () => {
  const spent = new Map<string, bigint>()
  const budget: Budget = {
    ...unlimited,
    reserve: async ({ session, amount }) => void spent.set(session, (spent.get(session) ?? 0n) + amount),
    settle: async ({ session, used }) => {
      if ((spent.get(session) ?? 0n) > used) spent.set(session, used)
    }
  }
  const store = memoryStore()
  const { open, chain, request } = await setup({ budget, store })
  const session = await open()
  await session.pay(40n)
  assert.equal(spent.get('session'), 45n, 'a part in advance')
  // Killed here: a later run knows what was signed, not what was reserved.
  const again = memoryPayer(chain, store, budget)
  const { channelId } = session
  assert.ok(channelId)
  const { terms } = request
  const resume = { sessionId: 'session', channelId, terms, peer: 'seller', maximum: 100n }
  const resumed = await again.resume(resume)
  assert.equal(spent.get('session'), 40n)
  await resumed.pay(40n)
  assert.equal(spent.get('session'), 40n)
  await resumed.pay(60n)
  await resumed.suspend()
  assert.equal(spent.get('session'), 60n)
  const last = await again.resume(resume)
  await last.pay(61n)
  await last.end(50n)
  assert.equal(spent.get('session'), 61n, 'signed for, though not all was used')
  // What the ended session paid ahead and did not use pays for the next one: nothing new is signed, nor counted.
  const next = await again.open(request)
  await next.begin('next')
  await next.pay(11n)
  assert.equal(spent.get('next') ?? 0n, 0n)
  await next.pay(12n)
  await next.end(12n)
  assert.equal(spent.get('next'), 1n)
})

test('a ledger that was restored takes all of a channel as used until the seller has shown its voucher', async () => {
  const { chain, store, payee, request, open } = await setup()
  const first = await open()
  const opened = (await store.payers()).at(0)
  assert.ok(opened)
  const sold = await payee.accept({ ...request, order: first.order, buyer: 'buyer' })
  await sold.begin('session')
  await first.accept(0n, undefined)
  await sold.credit(100n, await first.pay(100n))
  await sold.end(100n, 100n)
  await first.end(100n)

  // As it was when the channel was opened: by that, all of the balance would be left.
  const older = memoryStore()
  await older.putPayer({ ...opened, stale: true })
  const payer = memoryPayer(chain, older)
  const next = await payer.open(request)
  assert.equal(next.channelId, first.channelId)
  assert.equal(next.order.deposit?.amount, 100n)
  await next.begin('next')
  const accepted = await payee.accept({ ...request, order: next.order, buyer: 'buyer' })
  assert.deepEqual([accepted.base, accepted.proof?.maxClaimableAmount], [100n, 100n])
  await next.accept(accepted.base ?? 0n, accepted.proof)
  const { base, signed, stale } = (await older.payers()).at(0) ?? {}
  assert.deepEqual({ base, signed, stale }, { base: 100n, signed: 100n, stale: undefined })
  await next.pay(40n)
  assert.equal((await older.payers()).at(0)?.signed, 140n)
  await next.end(40n)
  // What is left is spent before anything more is deposited.
  assert.equal((await payer.open({ ...request, maximum: 60n })).order.deposit, undefined)
})

test('while the wallet is frozen neither a voucher nor a deposit is signed, also in the middle of a session', async () => {
  let frozen = false
  const stop = (): void => {
    if (frozen) throw new DdmError('budget', 'frozen')
  }
  const { open, store } = await setup({ budget: { ...unlimited, reserve: async () => stop(), permit: stop } })
  const session = await open()
  await session.pay(10n)
  frozen = true
  // Within what was reserved before, too.
  await assert.rejects(session.pay(11n), { code: 'budget', message: 'frozen' })
  assert.equal((await store.payers())[0]?.signed, 10n)
  await assert.rejects(open(), { code: 'budget', message: 'frozen' })
  frozen = false
  await session.pay(11n)
})

/** A budget whose settings change, over a store that counts what it is asked. */
function changingBudget(limits: BudgetLimits) {
  const settings = { limits, sellers: [] as string[] }
  const amounts = new Map<string, bigint>()
  let asked = 0
  const total = () => [...amounts.values()].reduce((sum, amount) => sum + amount, 0n)
  const spending: SpendingStore = {
    add: async ({ session, amount }) => {
      asked++
      amounts.set(session, (amounts.get(session) ?? 0n) + amount)
    },
    sum: async ({ session }) => {
      asked++
      return session === undefined ? total() : (amounts.get(session) ?? 0n)
    },
    lower: async ({ session, amount }) => {
      asked++
      amounts.set(session, amount)
    }
  }
  const budget = createBudget({ spending, limits: () => settings.limits, allow: () => settings.sellers })
  return { settings, budget, spent: total, asked: () => asked }
}

test('caps and list are those of the signature, also within what was reserved in advance', async () => {
  for (const [change, setting, fits] of [
    [{ sellers: ['another'] }, 'budgetSellers', 10n],
    [{ limits: { perRecord: 9n } }, 'budgetPerRecord', 10n],
    [{ limits: { perSession: 12n } }, 'budgetPerSession', 12n],
    [{ limits: { perHour: 12n } }, 'budgetPerHour', 12n],
    [{ limits: { perDay: 10n } }, 'budgetPerDay', 10n]
  ] as const) {
    const { settings, budget, spent } = changingBudget({ perSession: 100n })
    const { open, store } = await setup({ budget })
    const session = await open()
    await session.pay(10n)
    assert.equal(spent(), 15n, 'a twentieth of 100 in advance')
    Object.assign(settings, change)
    for (let paid = 11n; paid <= fits; paid++) await session.pay(paid)
    for (const paid of [fits + 1n, 15n]) {
      await assert.rejects(session.pay(paid), ({ code, details }: DdmError) => {
        assert.deepEqual([code, details.setting], ['budget', setting])
        return true
      })
    }
    assert.equal((await store.payers())[0]?.signed, fits)
    assert.equal(spent(), fits, 'the part in advance is given back')
    await session.pay(fits)
    Object.assign(settings, { limits: {}, sellers: [] })
    await session.pay(15n)
  }
})

test('a deposit in the middle of a session asks caps and list as they are then', async () => {
  const { settings, budget } = changingBudget({})
  const { open, balances } = await setup({ budget })
  const session = await open()
  await session.accept(0n, undefined)
  await session.pay(10n)
  assert.ok(await session.topUp?.(), 'nothing has come of the first one')
  settings.sellers = ['another']
  await assert.rejects(async () => session.topUp?.(), { code: 'budget', message: /is not among those/ })
  settings.sellers = ['seller']
  settings.limits = { perDay: 9n }
  await assert.rejects(async () => session.topUp?.(), { code: 'budget', message: /budgetPerDay allows 9/ })
  settings.limits = { perDay: 10n }
  assert.ok(await session.topUp?.(), 'what is signed fits')
  assert.equal(balances.size, 0)
})

test('a signature within what was reserved asks no store while nothing has changed', async () => {
  const { budget, asked } = changingBudget({ perDay: 10_000n })
  const { open } = await setup({ budget, maximum: 1_000n })
  const session = await open()
  await session.pay(10n)
  const before = asked()
  for (let paid = 11n; paid <= 60n; paid++) await session.pay(paid)
  assert.equal(asked(), before)
})

test('the voucher that a session shows is the last one that is durable', async () => {
  const store = memoryStore()
  let gate = Promise.resolve()
  const slow: ChannelStore = {
    ...store,
    putPayer: async (...row) => {
      await gate
      await store.putPayer(...row)
    }
  }
  const { open } = await setup({ store: slow })
  const session = await open()
  const first = await session.pay(10n)
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  const paying = session.pay(20n)
  await new Promise((turn) => setImmediate(turn))
  assert.deepEqual(session.payload, first)
  resolve()
  const second = await paying
  assert.deepEqual(session.payload, second)
  assert.equal((second as VoucherPayload).maxClaimableAmount, 20n)
})

test('a seller credits nothing that the channel does not hold: a deposit that was undone', async () => {
  const { balances, payee, request, open } = await setup()
  const buying = await open()
  const selling = await payee.accept({ ...request, order: buying.order, buyer: 'buyer' })
  await selling.begin('session')
  await buying.accept(selling.base as bigint, selling.proof)
  await selling.credit(10n, await buying.pay(10n))
  for (const channelId of balances.keys()) balances.set(channelId, 15n)
  await payee.channels?.watch()
  await selling.credit(15n, await buying.pay(15n))
  const payload = await buying.pay(16n)
  assert.equal(selling.verify(16n, payload), undefined, 'no fault of the buyer')
  await assert.rejects(selling.credit(16n, payload), {
    code: 'unreachable',
    message: /shows 15 in channel .*, 16 were paid/
  })
  assert.equal(selling.credited, 15n)
})

test('a deposit is valid for a while from now, however old the latest block of an idle chain is', async () => {
  const { open } = await setup()
  const before = BigInt(Math.floor(Date.now() / 1000))
  const { data } = (await open()).order.deposit ?? assert.fail('there is a deposit')
  // validAfter ‖ validBefore ‖ …, a word each.
  const validBefore = BigInt(`0x${data.slice(2 + 64, 2 + 128)}`)
  assert.ok(validBefore >= before + 900n && validBefore <= BigInt(Math.ceil(Date.now() / 1000)) + 900n)
})

test('a session is ended whatever the budget says by now, and whatever has become of the deposit', async () => {
  let frozen = false
  const stop = (): void => {
    if (frozen) throw new DdmError('budget', 'frozen')
  }
  const { balances, payer, payee, request, open } = await setup({
    budget: { ...unlimited, reserve: async () => stop() }
  })
  const buying = await open()
  const selling = await payee.accept({ ...request, order: buying.order, buyer: 'buyer' })
  await selling.begin('session')
  await buying.accept(selling.base as bigint, selling.proof)
  await selling.credit(10n, await buying.pay(10n))
  await buying.suspend()
  await selling.suspend()
  frozen = true
  for (const channelId of balances.keys()) balances.set(channelId, 5n)
  const { channelId } = buying
  assert.ok(channelId)
  const resume = { sessionId: 'session', channelId, terms: request.terms, maximum: 100n }
  await assert.rejects(payer.resume({ ...resume, peer: 'seller' }), { code: 'budget' })
  await assert.rejects(payee.resume({ ...resume, peer: 'buyer' }), { code: 'unreachable' })
  const bought = await payer.resume({ ...resume, peer: 'seller', toEnd: true })
  const sold = await payee.resume({ ...resume, peer: 'buyer', toEnd: true })
  assert.deepEqual([bought.paid, sold.credited], [10n, 10n])
  await bought.end(10n)
  await sold.end(10n, 10n)
})

test("a seller that counts as consumed what nobody paid for is refused; what is left of an advance stays the buyer's", async () => {
  const { open, balances, chain, store, request } = await setup()
  const first = await open()
  balances.set(first.channelId as `0x${string}`, 1_000n)
  await first.accept(0n, undefined)
  const proof = (await first.pay(50n)) as VoucherPayload
  await first.end(10n)
  for (const base of [11n, 50n, 51n]) {
    const again = await open()
    await assert.rejects(again.accept(base, proof), { code: 'paymentInvalid' })
    await again.end(0n)
  }
  const honest = await open()
  await honest.accept(10n, proof)
  assert.deepEqual(await honest.pay(40n), proof, 'the advance pays for it')

  // Also by a run of the node that knows of the first session from its ledger only.
  const later = await memoryPayer(chain, store).open(request)
  await assert.rejects(later.accept(51n, proof), {
    code: 'paymentInvalid',
    message: /counts 51 .* has paid 50 in other/
  })
})

test('a deposit that was authorised is known after a restart: the next one can be carried out in its place only', async () => {
  const { chain, store, request } = await setup()
  const salt = async (): Promise<string | undefined> => {
    const { order } = await memoryPayer(chain, store).open(request)
    return order.deposit?.data.slice(2 + 128, 2 + 192)
  }
  const first = await salt()
  assert.equal(first?.length, 64)
  assert.equal(await salt(), first)
  const [channel] = await store.payers()
  assert.equal(channel?.authorization?.amount, 100n)
})

test('a buyer whose ledger lost a session that the seller still holds open is not locked out when that ends', async () => {
  const { chain, balances, request } = await setup()
  const payer = memoryPayer(chain, memoryStore())
  const first = await payer.open(request)
  const { channelId } = first
  const domain = eip712.escrowDomain(1, chain.escrow)
  const id = channelId as `0x${string}`
  balances.set(id, 1_000n)
  const signature = eip712.sign(eip712.voucher(domain, id, 80n), key(0x51).privateKey)
  const proof = { channelId: id, maxClaimableAmount: 80n, signature }
  await first.begin('first')
  await first.accept(0n, proof)
  // The seller counts 80 as paid in the session that is lost here: what is paid now is beyond it.
  assert.equal(((await first.pay(10n)) as VoucherPayload).maxClaimableAmount, 90n)
  await first.end(10n)
  // It has given that session up: its base is 80, and 10 of this one.
  const second = await payer.open(request)
  await second.begin('second')
  await second.accept(90n, { ...proof })
  assert.equal(((await second.pay(5n)) as VoucherPayload).maxClaimableAmount, 95n)
  // No more than that.
  const third = await payer.open(request)
  await assert.rejects(third.accept(96n, { ...proof }), { code: 'paymentInvalid' })
})

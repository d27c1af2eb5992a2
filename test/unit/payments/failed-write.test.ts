import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelStore, Hex, VoucherPayload } from '../../../src/interface/index.ts'
import { bindingOf, LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore } from './memory.ts'

/** A disk that can be full, and slow: then a write is there as soon as it is let go. */
function faultyStore() {
  const store = memoryStore()
  let full = false
  let gate: Promise<void> | undefined
  const check = async (): Promise<void> => {
    if (full) throw new Error('the disk is full')
    await gate
  }
  const faulty: ChannelStore = {
    ...store,
    putPayer: async (...row) => {
      await check()
      return store.putPayer(...row)
    },
    putPayee: async (...row) => {
      await check()
      return store.putPayee(...row)
    }
  }
  return {
    store: faulty,
    whileFull: async (work: () => Promise<unknown>) => {
      full = true
      await assert.rejects(work(), /the disk is full/)
      full = false
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return () => {
        gate = undefined
        resolve()
      }
    },
    /** What a restart would find: base and what open sessions paid. */
    counted: async (role: 'payer' | 'payee'): Promise<bigint> => {
      const [channel] = role === 'payer' ? await store.payers() : await store.payees()
      const sessions = await store.sessions(role, channel?.channelId as Hex)
      return sessions.reduce((sum, { open, paid }) => (open ? sum + paid : sum), channel?.base ?? 0n)
    }
  }
}

function setup() {
  const { chain } = memoryChain()
  const [bought, sold] = [faultyStore(), faultyStore()]
  let payer = memoryPayer(chain, bought.store)
  let payee = memoryPayee(chain, sold.store)
  const terms = payee.terms(LISTING)
  assert.ok(terms)
  let made = 0
  return {
    bought,
    sold,
    restart: () => {
      payer = memoryPayer(chain, bought.store)
      payee = memoryPayee(chain, sold.store)
    },
    claim: () => payee.claim(),
    resume: (sessionId: string, channelId: Hex | undefined) => {
      const request = { sessionId, terms, maximum: 100n, ...(channelId === undefined ? {} : { channelId }) }
      return {
        buying: () => payer.resume({ ...request, peer: 'seller', one: 1n }),
        selling: () => payee.resume({ ...request, peer: 'buyer' })
      }
    },
    open: async () => {
      const id = `s${++made}`
      const binding = bindingOf(made)
      const buying = await payer.open({ terms, binding, seller: 'seller', maximum: 100n, one: 1n })
      const selling = await payee.accept({ terms, binding, order: buying.order, buyer: 'buyer', maximum: 100n })
      await Promise.all([buying.begin(id), selling.begin(id)])
      await buying.accept(selling.base, selling.proof)
      const pay = async (paid: bigint): Promise<bigint> => {
        const payload = (await buying.pay(paid)) as VoucherPayload
        await selling.credit(paid, payload)
        return payload.maxClaimableAmount
      }
      return { id, buying, selling, pay }
    }
  }
}

test('a session whose end could not be stored is signed for once, also after a restart', async () => {
  const { bought, open, restart } = setup()
  const first = await open()
  await first.pay(60n)
  await first.selling.end(60n, 60n)
  await bought.whileFull(() => first.buying.end(60n))
  await assert.rejects(first.buying.pay(61n), { code: 'internal', message: /has ended/ })
  const second = await open()
  assert.equal(await second.pay(1n), 61n)
  assert.equal(await bought.counted('payer'), 61n)
  await Promise.all([second.buying.suspend(), second.selling.suspend()])
  restart()
  assert.equal(await (await open()).pay(1n), 62n)
})

test('a session whose end could not be stored is ended another time', async () => {
  const { bought, open } = setup()
  const { buying, selling, pay } = await open()
  await pay(60n)
  await selling.end(50n, 60n)
  await bought.whileFull(() => buying.end(50n))
  await buying.suspend()
  assert.equal(await bought.counted('payer'), 60n)
  await buying.end(50n)
  await buying.end(50n)
  assert.equal(await bought.counted('payer'), 50n)
  assert.equal(await (await open()).pay(10n), 60n)
})

test('a seller that could not store the end of a session counts it once, also after a restart', async () => {
  const { sold, open, restart, claim } = setup()
  const [first, second] = [await open(), await open()]
  await first.pay(60n)
  await second.pay(40n)
  await sold.whileFull(() => first.selling.end(30n, 60n))
  assert.match(first.selling.verify(61n, undefined) ?? '', /has ended/)
  await second.pay(41n)
  assert.equal(await sold.counted('payee'), 101n)
  await first.selling.end(30n, 60n)
  await second.selling.end(41n, 41n)
  assert.equal(await sold.counted('payee'), 71n)
  restart()
  assert.equal((await claim()).claimed, 71n)
})

test('what is stored while a session ends shows its amount once', async () => {
  const { bought, sold, open } = setup()
  const [first, second] = [await open(), await open()]
  await first.pay(60n)
  const goOnBuying = bought.hold()
  const ended = Promise.all([first.buying.end(60n), second.buying.pay(1n)])
  goOnBuying()
  const [, voucher] = await ended
  const goOnSelling = sold.hold()
  const credited = Promise.all([first.selling.end(60n, 60n), second.selling.credit(1n, voucher)])
  goOnSelling()
  await credited
  assert.deepEqual([await bought.counted('payer'), await sold.counted('payee')], [61n, 61n])
})

test('a session that could not be opened anew has stayed consumed', async () => {
  const { bought, sold, open, resume } = setup()
  const { id, buying, selling, pay } = await open()
  await pay(60n)
  await selling.end(60n, 60n)
  await buying.end(60n)
  const again = resume(id, buying.channelId)
  await bought.whileFull(again.buying)
  await sold.whileFull(again.selling)
  assert.equal(await (await open()).pay(1n), 61n)
  assert.deepEqual([await bought.counted('payer'), await sold.counted('payee')], [61n, 61n])
  const [resumed, sellingOn] = [await again.buying(), await again.selling()]
  await sellingOn.credit(62n, await resumed.pay(62n))
  assert.deepEqual([await bought.counted('payer'), await sold.counted('payee')], [63n, 63n])
})

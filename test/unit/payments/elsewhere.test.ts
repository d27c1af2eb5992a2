import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hex, PayerSession, PaymentTerms } from '../../../src/interface/index.ts'
import { bindingOf, LISTING, memoryChain, memoryPayee, memoryPayer, memoryStore } from './memory.ts'

/** One seller, and a channel for each receiverAuthorizer that its offers name. */
function setup() {
  const { chain, balances } = memoryChain()
  const store = memoryStore()
  const terms = memoryPayee(chain, memoryStore()).terms(LISTING)
  assert.ok(terms)
  let payer = memoryPayer(chain, store)
  let made = 0
  return {
    balances,
    carryOut: async ({ order: { config, deposit } }: PayerSession) => {
      assert.ok(config !== undefined && deposit !== undefined)
      await chain.deposit(config, deposit)
    },
    restart: () => {
      payer = memoryPayer(chain, store)
    },
    list: () => payer.channels?.list(),
    open: async (changed: Partial<PaymentTerms> = {}, base = 0n): Promise<PayerSession & { channelId: Hex }> => {
      const binding = bindingOf(++made)
      const request = { terms: { ...terms, ...changed }, binding, seller: 'seller', maximum: 200n, one: 1n }
      const session = await payer.open(request)
      await session.begin(binding.orderNonce)
      await session.accept(base, undefined)
      return session as PayerSession & { channelId: Hex }
    }
  }
}

const OTHER = { receiverAuthorizer: `0x${'5b'.repeat(20)}` } as const

test('what was signed and not consumed in another channel of the seller is paid ahead there, until it is consumed', async () => {
  const { open, restart } = setup()
  const first = await open()
  await first.pay(100n)
  assert.equal((await open(OTHER)).elsewhere?.(), 0n, 'the session itself counts while it is open')
  await first.end(10n)
  const other = await open(OTHER)
  assert.equal(other.elsewhere?.(), 90n)
  assert.equal((await open({ withdrawDelay: 900 })).elsewhere?.(), 90n)
  assert.equal((await open({ payTo: `0x${'5f'.repeat(20)}` })).elsewhere?.(), 90n)
  assert.equal((await open({}, 10n)).elsewhere?.(), 0n, 'in its own channel it is there to be used')
  restart()
  assert.equal((await open(OTHER)).elsewhere?.(), 90n)
  const next = await open({}, 10n)
  const watching = await open(OTHER)
  await next.pay(30n)
  await next.end(30n)
  assert.equal(watching.elsewhere?.(), 60n)
})

test('a seller can take no more of an advance than the channel holds, or may yet hold', async () => {
  const { open, carryOut, balances, list } = setup()
  const first = await open()
  await first.pay(100n)
  await first.end(0n)
  const ahead = async () => (await list())?.find(({ channelId }) => channelId === first.channelId)?.ahead
  // The deposit was authorised and not carried out: that is up to the seller.
  assert.equal((await open(OTHER)).elsewhere?.(), 100n)
  assert.equal(await ahead(), 0n)
  await carryOut(first)
  assert.equal((await open(OTHER)).elsewhere?.(), 100n)
  assert.equal(await ahead(), 100n)
  // Withdrawn, but for a part.
  balances.set(first.channelId, 30n)
  assert.equal((await open(OTHER)).elsewhere?.(), 30n)
  assert.equal(await ahead(), 30n)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePayee, freePayer } from '../../../src/payments/index.ts'
import { type Market, paymentRailCompliance, startSession } from './payment-rail.ts'

async function start(): Promise<Market> {
  const sides = { payer: freePayer(), payee: freePayee() }
  return {
    rail: 'free',
    listing: { rail: 'free', price: { amount: '0', count: 1, unit: 'record' } },
    sides: async () => sides,
    restart: async () => {}
  }
}

paymentRailCompliance('free', { rail: 'free', start })

test('free: nothing is due, so nothing is taken', async () => {
  const { selling } = await startSession(await start(), 0n)
  const voucher = { channelId: '0x00', maxClaimableAmount: 1n, signature: '0x00' } as const
  assert.equal(selling.verify(1n, undefined), 'nothing is due, yet 1 was paid')
  assert.equal(selling.verify(0n, voucher), 'a payment on the free rail carries no voucher')
  await assert.rejects(selling.credit(1n, undefined), { code: 'paymentInvalid' })
})

test('free: a price above 0 is not for this rail', async () => {
  const { payer, payee } = await (await start()).sides()
  assert.equal(payee.terms({ rail: 'free', price: { amount: '1', count: 1, unit: 'record' } }), undefined)
  const terms = { rail: 'free' as const, price: { amount: 1n, count: 1n, unit: 'record' as const } }
  const listing = { rail: 'free' as const, price: { amount: '1', count: 1, unit: 'record' as const } }
  assert.equal(payer.objection(terms, listing), 'the free rail cannot pay 1')
})

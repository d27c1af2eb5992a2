import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBundle } from '../../../src/evidence/bundle.ts'
import type { Chain } from '../../../src/evidence/chain.ts'
import { checkTransfers } from '../../../src/evidence/transfers.ts'
import type { OfferPrice } from '../../../src/statements/index.ts'
import { makeBundle, makePeople } from './bundle.ts'

test('transfers of a session are at least what was credited, and at most what the buyer allowed', async () => {
  const people = await makePeople()
  const bundle = decodeBundle(await makeBundle(people))
  const demand = bundle.statements[2]
  assert.ok(demand !== undefined)
  const content = { account: '0xa1', accountAuth: '0x51', maximum: 50n }
  const chain = { offer: { issuer: people.seller.peerId }, order: { cid: bundle.session.toString(), content } }
  const entry = { rail: 'iota', network: 'iota:6364aad5' } as OfferPrice
  const check = (...amounts: bigint[]) => {
    let sessionPaid = 0n
    const transfers = amounts.map((amount, index) => {
      sessionPaid += amount
      return { transaction: new Uint8Array(32).fill(index), amount, sessionPaid, demand }
    })
    return checkTransfers(chain as unknown as Chain, entry, { ...bundle, transfers }, 40n, () => true)
  }
  assert.equal((await check(20n, 30n)).length, 2)
  await assert.rejects(check(20n, 31n), { message: 'transfers → paid in all: expected at most 50, found 51' })
  await assert.rejects(check(20n, 19n), { message: 'transfers: expected at least the 40 that were credited, found 39' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFeeMarket, mostOf, raiseFees } from '../../../src/chain/fees.ts'

const wei = fc.bigInt({ min: 0n, max: 10n ** 15n })
const fees = fc.record({ maxFeePerGas: wei, maxPriorityFeePerGas: wei })

test('a replacement offers at least 10 % more in both fees, and what the market asks', () => {
  fc.assert(
    fc.property(fees, fees, (old, market) => {
      const raised = raiseFees(old, market)
      for (const key of ['maxFeePerGas', 'maxPriorityFeePerGas'] as const) {
        assert.ok(raised[key] * 100n >= old[key] * 110n && raised[key] > old[key])
        assert.ok(raised[key] >= market[key])
      }
    })
  )
})

test('fees are twice the base fee and the tip, asked once until forgotten', async () => {
  const asked: string[] = []
  const market = createFeeMarket(async <T>(method: string) => {
    asked.push(method)
    return (method === 'eth_getBlockByNumber' ? { baseFeePerGas: '0x64' } : '0x7') as T
  })
  assert.deepEqual(await market.current(), { maxFeePerGas: 207n, maxPriorityFeePerGas: 7n })
  await market.current()
  assert.equal(asked.length, 2)
  market.forget()
  await market.current()
  assert.equal(asked.length, 4)
})

test('without a base fee the error says which setting is missing', async () => {
  const old = createFeeMarket(async <T>() => ({}) as T)
  await assert.rejects(old.current(), {
    code: 'chain',
    message: /no base fee \(EIP-1559\): set chain\.fees to "legacy" in the network profile/
  })
})

test("legacy fees are the chain's gas price, asked once until forgotten, and a replacement offers 10 % more", async () => {
  const asked: string[] = []
  const market = createFeeMarket(async <T>(method: string) => {
    asked.push(method)
    return '0x3b9aca00' as T
  }, 'legacy')
  const fees = await market.current()
  assert.deepEqual(fees, { gasPrice: 1_000_000_000n })
  await market.current()
  market.forget()
  await market.current()
  assert.deepEqual(asked, ['eth_gasPrice', 'eth_gasPrice'])
  fc.assert(
    fc.property(wei, wei, (old, now) => {
      const { gasPrice, ...rest } = raiseFees({ gasPrice: old }, { gasPrice: now })
      assert.ok(gasPrice * 100n >= old * 110n && gasPrice > old && gasPrice >= now)
      assert.deepEqual([rest, mostOf({ gasPrice })], [{}, gasPrice])
    })
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HttpRequestError, ResponseBodyTooLargeError, RpcRequestError } from 'viem'
import { createRangeFetcher, isTooLarge } from '../../../src/chain/log-ranges.ts'

const answer = (message: string, code = -32000) =>
  new RpcRequestError({ body: {}, error: { code, message }, url: 'http://node' })

test('how nodes say that a range is too large', () => {
  for (const message of [
    'query returned more than 10000 results',
    'Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range',
    'exceed maximum block range: 5000',
    'block range is too wide',
    'eth_getLogs is limited to a 10,000 range',
    'query timeout exceeded',
    'logs matched by query exceeds limit of 10000'
  ]) {
    assert.equal(isTooLarge(answer(message)), true, message)
  }
  assert.equal(isTooLarge(new HttpRequestError({ status: 413, url: 'http://node' })), true)
  assert.equal(isTooLarge(new ResponseBodyTooLargeError({ maxSize: 1, size: 2 })), true)
  for (const message of ['rate limit exceeded', 'Too Many Requests', 'header not found', 'method not supported']) {
    assert.equal(isTooLarge(answer(message)), false, message)
  }
  assert.equal(isTooLarge(new HttpRequestError({ status: 502, url: 'http://node' })), false)
})

test('every block is fetched once and in order, whatever size the node serves', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.bigInt({ min: 0n, max: 50n }),
      fc.bigInt({ min: 1n, max: 60_000n }),
      fc.bigInt({ min: 700n, max: 70_000n }),
      async (from, length, served) => {
        const fetch = createRangeFetcher<[bigint, bigint]>(async (first, last) => {
          await Promise.resolve()
          if (last - first + 1n > served) throw answer('block range too large')
          return [[first, last]]
        })
        const pages = await fetch(from, from + length - 1n)
        let next = from
        for (const [first, last] of pages) {
          assert.equal(first, next)
          next = last + 1n
        }
        assert.equal(next, from + length)
      }
    ),
    { numRuns: 50 }
  )
})

test('a refusal for another reason, or of a single block, is the caller’s', async () => {
  const busy = createRangeFetcher(async () => {
    throw answer('rate limit exceeded')
  })
  await assert.rejects(busy(0n, 10n), /rate limit/)
  const never = createRangeFetcher(async () => {
    throw answer('block range too large')
  })
  await assert.rejects(never(5n, 5n), /too large/)
  await assert.rejects(never(0n, 100n), /too large/)
})

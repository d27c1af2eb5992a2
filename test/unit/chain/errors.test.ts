import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeErrorResult, RpcRequestError } from 'viem'
import { channelEscrowAbi } from '../../../src/chain/abi.ts'
import { describeRevert, refusal, revertOf, shortText } from '../../../src/chain/errors.ts'

const data = encodeErrorResult({
  abi: channelEscrowAbi,
  errorName: 'ClaimExceedsBalance',
  args: [`0x${'1'.repeat(64)}`, 5n, 3n]
})
const rpcError = (error: { code: number; message: string; data?: unknown }) =>
  new Error('wrapped', { cause: new RpcRequestError({ body: {}, error, url: 'http://node' }) })

test('a custom error is told by name and numbers', () => {
  const revert = revertOf(rpcError({ code: 3, message: 'execution reverted', data }))
  assert.equal(revert?.text, `ClaimExceedsBalance(channelId 0x${'1'.repeat(64)}, totalClaimed 5, balance 3)`)
  const error = refusal('claiming 1 voucher', revert ?? describeRevert('0x'))
  assert.equal(error.code, 'chain')
  assert.deepEqual(error.details, {
    error: 'ClaimExceedsBalance',
    channelId: `0x${'1'.repeat(64)}`,
    totalClaimed: '5',
    balance: '3'
  })
})

test('Solidity’s own errors, unknown data and no data', () => {
  const text = `0x08c379a0${'20'.padStart(64, '0')}${'3'.padStart(64, '0')}${'626164'.padEnd(64, '0')}` as const
  assert.equal(describeRevert(text).text, 'Error(message bad)')
  assert.match(describeRevert('0xdeadbeef').text, /unknown error data 0xdeadbeef/)
  assert.equal(revertOf(rpcError({ code: 3, message: 'execution reverted: why' }))?.text, 'execution reverted: why')
})

test('an error that is no revert stays what it is', () => {
  const error = rpcError({ code: -32000, message: 'header not found' })
  assert.equal(revertOf(error), undefined)
  assert.equal(shortText(error), 'header not found')
})

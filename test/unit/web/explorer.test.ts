import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkProfile } from '../../../src/interface/index.ts'
import { explorerUrl } from '../../../src/web/parts/explorer.ts'

function profile(evm?: string, iota?: string): NetworkProfile {
  const given: unknown = { chain: { explorer: evm }, ...(iota === undefined ? {} : { iota: { explorer: iota } }) }
  return given as NetworkProfile
}

test('a transaction is looked up where the profile says, by its rail', () => {
  const both = profile(
    'https://evm.example/tx/{transaction}',
    'https://iota.example/txblock/{transaction}?network=test'
  )
  assert.equal(explorerUrl(both, 'evm', '0xab'), 'https://evm.example/tx/0xab')
  assert.equal(explorerUrl(both, 'iota', '5Kd'), 'https://iota.example/txblock/5Kd?network=test')
})

test('without an explorer there is no link', () => {
  assert.equal(explorerUrl(profile(), 'evm', '0xab'), undefined)
  assert.equal(explorerUrl(profile('https://evm.example/{transaction}'), 'iota', '5Kd'), undefined)
})

for (const page of [
  'javascript:alert("{transaction}")',
  'data:text/html,{transaction}',
  '/tx/{transaction}',
  'nothing'
]) {
  test(`no link leads to ${page}`, () => assert.equal(explorerUrl(profile(page), 'evm', '0xab'), undefined))
}

test('a transaction cannot change where the link leads', () => {
  const url = explorerUrl(profile('https://evm.example/tx/{transaction}'), 'evm', '../../?a=1#b')
  assert.equal(url, 'https://evm.example/tx/..%2F..%2F%3Fa%3D1%23b')
})

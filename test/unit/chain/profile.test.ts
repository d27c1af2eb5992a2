import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  assetId,
  defaultToken,
  formatProfile,
  networkId,
  parseProfile,
  readProfile,
  writeProfile
} from '../../../src/chain/index.ts'
import type { NetworkProfile } from '../../../src/interface/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
const address = (digit: string) => `0x${digit.repeat(40)}` as const
const hash = (digit: string) => `0x${digit.repeat(64)}` as const

const profile: NetworkProfile = {
  v: 1,
  name: 'local',
  chain: {
    id: 31337,
    genesisHash: hash('1'),
    rpcUrls: ['http://127.0.0.1:8545', 'wss://example.org/rpc'],
    confirmations: 0,
    dev: true
  },
  contracts: {
    registry: address('a'),
    escrow: address('b'),
    escrowCodeHash: hash('2'),
    eip3009Collector: address('c'),
    allowanceCollector: address('d')
  },
  tokens: [{ address: address('e'), symbol: 'tUSD', decimals: 6, name: 'USD Test', version: '1' }],
  bootstrap: [`/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`, `/dns4/boot.example.org/tcp/443/tls/ws/p2p/${PEER}`]
}

/** The profile with the value at a path replaced; undefined removes the key. */
function at(path: string, value: unknown): unknown {
  const copy = structuredClone(profile) as unknown as Record<string, unknown>
  const keys = path.split('.')
  const last = keys.pop() as string
  let object = copy
  for (const key of keys) object = object[key] as Record<string, unknown>
  if (value === undefined) delete object[last]
  else object[last] = value
  return copy
}

test('a profile survives the way through its file', async (t) => {
  const dir = await tempDir(t)
  const path = join(dir, 'local.json')
  await writeProfile(path, profile)
  assert.deepEqual(await readProfile(path), profile)
  assert.deepEqual(parseProfile(formatProfile(profile)), profile)
  assert.deepEqual(await readdir(dir), ['local.json'], 'no temporary file is left')
})

test('hex is lower case afterwards, repeated URLs are one', () => {
  const upper = `0x${'AbCdEf0123'.repeat(4)}`
  assert.equal(parseProfile(at('contracts.escrow', upper)).contracts.escrow, upper.toLowerCase())
  assert.equal(parseProfile(at('chain.genesisHash', `0x${'A'.repeat(64)}`)).chain.genesisHash, hash('a'))
  assert.equal(parseProfile(at('chain.rpcUrls', ['http://a', 'http://a'])).chain.rpcUrls.length, 1)
})

test('fee style, records contract and explorers are optional', () => {
  for (const [path, value] of [
    ['chain.explorer', 'https://explorer.example/tx/{transaction}'],
    [
      'iota',
      {
        chainIdentifier: '6364aad5',
        rpcUrl: 'https://iota.example',
        explorer: 'https://explorer.example/txblock/{transaction}?network=testnet'
      }
    ],
    ['chain.fees', 'legacy'],
    ['chain.fees', 'eip1559'],
    ['contracts.records', address('f')]
  ] as const) {
    assert.deepEqual(parseProfile(at(path, value)), at(path, value))
  }
})

const BAD: Array<[string, unknown, RegExp]> = [
  ['chain.explorer', 'https://explorer.example', /chain\.explorer must have \{transaction\} where .*, is "https/],
  ['chain.explorer', 'javascript:alert({transaction})', /chain\.explorer must be an http or https URL, is "javascript/],
  ['chain.fees', 'free', /chain\.fees must be eip1559 or legacy, is "free"/],
  ['contracts.records', '0x12', /contracts\.records must be an address/],
  ['v', 2, /v must be 1, is 2; a newer DDM/],
  ['name', 'Not A Name', /name must be 1 to 32 lower-case letters.*"Not A Name"/],
  ['name', '../x', /name must be/],
  ['surprise', 1, /the file has the unknown key "surprise"/],
  ['chain.surprise', 1, /chain has the unknown key "surprise"; known are id, genesisHash/],
  ['chain.id', undefined, /chain has no "id"/],
  ['chain.id', '31337', /chain\.id must be an integer from 1 to \d+, is "31337"/],
  ['chain.id', 0, /chain\.id must be an integer/],
  ['chain.genesisHash', '0x12', /chain\.genesisHash must be 0x and 64 hex digits, is "0x12"/],
  ['chain.rpcUrls', [], /chain\.rpcUrls needs at least 1 entry/],
  ['chain.rpcUrls', ['ftp://x'], /chain\.rpcUrls\[0\] must be an http, https, ws or wss URL, is "ftp:\/\/x"/],
  ['chain.rpcUrls', 'http://x', /chain\.rpcUrls must be a list/],
  ['chain.confirmations', -1, /chain\.confirmations must be an integer from 0/],
  ['chain.confirmations', 1.5, /chain\.confirmations must be an integer/],
  ['chain.dev', 'yes', /chain\.dev must be true or false/],
  ['contracts.registry', address('g'), /contracts\.registry must be an address/],
  ['contracts.escrow', address('0'), /contracts\.escrow must not be the zero address/],
  ['contracts.escrow', undefined, /contracts has no "escrow"/],
  ['contracts', null, /contracts must be an object, is null/],
  ['tokens', [], /tokens needs at least 1 entry/],
  ['tokens', [{ address: address('e') }], /tokens\[0\] has no "symbol"/],
  ['tokens.0.decimals', 37, /tokens\[0\]\.decimals must be an integer from 0 to 36, is 37/],
  ['tokens.0.name', '', /tokens\[0\]\.name must be a text/],
  ['bootstrap', ['/ip4/127.0.0.1/tcp/4001'], /bootstrap\[0\] must be a multiaddr that ends in \/p2p\/PEERID/],
  ['bootstrap', [`127.0.0.1/p2p/${PEER}`], /bootstrap\[0\] must be a multiaddr/],
  ['bootstrap', [7], /bootstrap\[0\] must be a multiaddr/]
]

for (const [path, value, message] of BAD) {
  test(`a bad ${path} is named: ${JSON.stringify(value) ?? 'missing'}`, () => {
    assert.throws(() => parseProfile(at(path, value)), { code: 'config', message })
  })
}

test('whatever is read comes out the same or is refused as config', () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.string()), (value) => {
      assert.throws(() => parseProfile(value), { name: 'DdmError', code: 'config' })
    })
  )
})

test('a file that is missing, no JSON or too large is named', async (t) => {
  const dir = await tempDir(t)
  await assert.rejects(readProfile(join(dir, 'none.json')), { code: 'notFound', message: /none\.json.*network join/ })
  await assert.rejects(readProfile(dir), { code: 'config', message: new RegExp(dir) })
  const bad = join(dir, 'bad.json')
  await writeFile(bad, '{')
  await assert.rejects(readProfile(bad), { code: 'config', message: /bad\.json: network profile: not JSON/ })
  await writeFile(bad, ' '.repeat(300_000))
  await assert.rejects(readProfile(bad), { code: 'config', message: /300000 bytes/ })
  await assert.rejects(readProfile(bad, { signal: AbortSignal.abort() }), { code: 'aborted' })
  await assert.rejects(writeProfile(join(dir, 'x', 'y.json'), profile), { code: 'config', message: /cannot write/ })
  await assert.rejects(writeProfile(bad, at('v', 3) as NetworkProfile), { code: 'config' })
})

test('CAIP names', () => {
  assert.equal(networkId(profile), 'eip155:31337')
  assert.equal(assetId(profile), `eip155:31337/erc20:${address('e')}`)
  assert.equal(assetId(profile, address('F')), `eip155:31337/erc20:${address('f')}`)
  assert.equal(defaultToken(profile).symbol, 'tUSD')
})

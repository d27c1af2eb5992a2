import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectChain, startLocalChain } from '../../src/chain/index.ts'
import type { ChainBlock, NetworkProfile } from '../../src/interface/index.ts'
import { tempDir } from '../support/temp-dir.ts'
import { accountAt, bytes32, entry, eventually, rpcCall, silent, startMarket } from './chain-fixture.ts'

type Changes = { chain?: Partial<NetworkProfile['chain']>; contracts?: Partial<NetworkProfile['contracts']> }

function changed(profile: NetworkProfile, { chain, contracts }: Changes): NetworkProfile {
  return { ...profile, chain: { ...profile.chain, ...chain }, contracts: { ...profile.contracts, ...contracts } }
}

test('a chain that is not the one of the profile is refused, naming both values', async (t) => {
  const { profile } = await startMarket(t)
  const { genesisHash } = profile.chain
  const { escrowCodeHash } = profile.contracts
  const cases: Array<[Changes, RegExp]> = [
    [{ chain: { id: 5 } }, /chain ID is 31337, the network profile says 5/],
    [
      { chain: { genesisHash: bytes32(1) } },
      new RegExp(`genesis hash is ${genesisHash}, the network profile says ${bytes32(1)}`)
    ],
    [
      { contracts: { escrowCodeHash: bytes32(2) } },
      new RegExp(`code hash ${escrowCodeHash}, the network profile says ${bytes32(2)}`)
    ],
    [{ contracts: { escrow: '0x00000000000000000000000000000000000000aa' } }, /code hash no code/],
    [{ contracts: { registry: '0x00000000000000000000000000000000000000aa' } }, /no contract at that address/]
  ]
  for (const [changes, message] of cases) {
    await assert.rejects(connectChain({ profile: changed(profile, changes), logger: silent }), {
      code: 'networkMismatch',
      message
    })
  }
})

test('the key must be the key of the account', async (t) => {
  const { profile, accounts } = await startMarket(t)
  const { privateKey } = accountAt(accounts, 1)
  const wallet = { account: accountAt(accounts, 2).address, privateKey }
  await assert.rejects(connectChain({ profile, wallet, logger: silent }), {
    code: 'config',
    message: /belongs to 0x7099/
  })
  const broken = { account: accountAt(accounts, 2).address, privateKey: '0x1234' as const }
  await assert.rejects(connectChain({ profile, wallet: broken, logger: silent }), (error: Error) => {
    return error.message.includes('not a secp256k1 private key') && !error.message.includes('1234')
  })
})

test('an RPC URL that does not answer is named; a second one takes over', async (t) => {
  const { profile, local } = await startMarket(t)
  const dead = 'http://127.0.0.1:1/v2/abcdefghijklmnopqrstuvwxyz'
  await assert.rejects(connectChain({ profile: changed(profile, { chain: { rpcUrls: [dead] } }), logger: silent }), {
    code: 'unreachable',
    message: /http:\/\/127\.0\.0\.1:1\/v2\/… \(.+\)\. Start its node/
  })
  for (const rpcUrls of [
    [dead, local.rpcUrl],
    ['ws://127.0.0.1:1', local.wsUrl]
  ]) {
    const chain = await connectChain({ profile: changed(profile, { chain: { rpcUrls } }), logger: silent })
    assert.ok((await chain.registry.head()).number > 0n)
    await chain.close()
  }
})

test('a URL of another chain is not used, even as the second choice', async (t) => {
  const { profile, local } = await startMarket(t)
  const other = await startLocalChain()
  t.after(() => other.close())
  const rpcUrls = [local.rpcUrl, other.rpcUrl]
  const chain = await connectChain({ profile: changed(profile, { chain: { rpcUrls } }), logger: silent })
  t.after(() => chain.close())
  await local.close()
  await assert.rejects(chain.registry.head(), { code: 'networkMismatch', message: /genesis hash is 0x/ })
})

test('a silent node is given up after the timeout, and a wait ends with its signal', async (t) => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { profile } = await startMarket(t)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const silentOne = changed(profile, { chain: { rpcUrls: [url] } })
  await assert.rejects(connectChain({ profile: silentOne, logger: silent, fetchTimeout: 100 }), {
    code: 'unreachable',
    message: /timeout/
  })
  await assert.rejects(connectChain({ profile: silentOne, logger: silent }, { signal: AbortSignal.timeout(100) }), {
    code: 'aborted'
  })
})

for (const kind of ['rpcUrl', 'wsUrl'] as const) {
  test(`heads go on after the node restarted (${kind}); a fresh chain in its place is refused`, async (t) => {
    const statePath = join(await tempDir(t), 'state.json')
    const { connectAs, local } = await startMarket(t, { statePath })
    const chain = await connectAs(1, { rpcUrls: [local[kind]] })
    const heads: ChainBlock[] = []
    chain.registry.onHead((head) => heads.push(head))
    const { hash } = await chain.registry.post(entry(1))

    await local.close()
    await assert.rejects(chain.registry.head(), { code: 'unreachable' })
    const again = await startLocalChain({ statePath, port: local.port })
    t.after(() => again.close())
    assert.deepEqual(
      (await chain.registry.logs(0n, 100n)).map(({ transactionHash }) => transactionHash),
      [hash]
    )
    await rpcCall(again.rpcUrl, 'anvil_mine', ['0x1'])
    const newest = await chain.registry.head()
    await eventually('a head after the restart', () => heads.find((head) => head.hash === newest.hash))
    assert.equal((await chain.registry.post(entry(2))).version, 1)

    await again.close()
    await assert.rejects(chain.registry.head(), { code: 'unreachable' })
    const fresh = await startLocalChain({ port: local.port })
    t.after(() => fresh.close())
    await assert.rejects(chain.registry.head(), { code: 'networkMismatch' })
  })
}

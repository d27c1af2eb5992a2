import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Chain } from '../../../src/chain/index.ts'
import type { NetworkProfile } from '../../../src/interface/index.ts'
import { checkClock } from '../../../src/node/doctor/chain-checks.ts'
import { checkDisk } from '../../../src/node/doctor/home-checks.ts'
import { checkPeers, checkReachability } from '../../../src/node/doctor/network-checks.ts'
import { homePaths } from '../../../src/node/home.ts'

const NOW = 1_800_000_000

function chainAt(timestamp: number): Pick<Chain, 'registry'> {
  const head = async () => ({
    number: 7n,
    hash: '0x' as const,
    parentHash: '0x' as const,
    timestamp: BigInt(timestamp)
  })
  return { registry: { head } as unknown as Chain['registry'] }
}

const clock = (blockAge: number, dev?: boolean) =>
  checkClock(chainAt(NOW - blockAge), { chain: { dev } } as NetworkProfile, { now: () => NOW * 1000 })

test('a clock behind the newest block is wrong; one far ahead may be', async () => {
  assert.equal((await clock(12)).state, 'ok')
  assert.equal((await clock(-30)).state, 'ok')
  const behind = await clock(-31)
  assert.deepEqual([behind.state, behind.code], ['fail', 'config'])
  assert.match(behind.found, /31 s in the future/)
  assert.equal((await clock(901)).state, 'warn')
  assert.equal((await clock(9_999, true)).state, 'ok')
})

test('a disk that is full stops the ledger', async () => {
  const paths = homePaths('/tmp')
  const state = async (mib: number) => (await checkDisk(paths, async () => mib * 1024 * 1024)).state
  assert.deepEqual(
    [await state(99), await state(100), await state(1023), await state(1024)],
    ['fail', 'warn', 'warn', 'ok']
  )
  assert.equal((await checkDisk(paths)).check, 'disk')
})

test('who is reached, and from where, follows from connections and addresses', async () => {
  const peer = (peerId: string) => ({ peerId, address: '', direction: 'inbound' as const, since: 0, limited: false })
  const profile = (bootstrap: string[]) => ({ bootstrap }) as NetworkProfile
  const peers = (bootstrap: string[], ids: string[]) =>
    checkPeers({ profile: profile(bootstrap), peers: async () => ids.map(peer) }, { waitMs: 0 })
  assert.equal((await peers([], ['a'])).state, 'warn')
  assert.equal((await peers(['/dns4/x/tcp/1/p2p/boot'], [])).state, 'fail')
  assert.equal((await peers(['/dns4/x/tcp/1/p2p/boot'], ['a'])).state, 'warn')
  assert.equal((await peers(['/dns4/x/tcp/1/p2p/boot'], ['boot', 'a'])).state, 'ok')

  const look = (addresses: string[], unconfirmed: string[] = []) =>
    checkReachability(
      { addresses: () => addresses, unconfirmedAddresses: () => unconfirmed, peers: async () => [] },
      { waitMs: 0 }
    )
  const reach = async (...addresses: string[]) => (await look(addresses)).state
  assert.equal(await reach(), 'fail')
  for (const host of [
    '127.0.0.1',
    '10.1.2.3',
    '192.168.0.9',
    '172.16.0.1',
    '172.31.9.9',
    '100.64.0.1',
    '169.254.1.1'
  ]) {
    assert.equal(await reach(`/ip4/${host}/tcp/4001`), 'warn', host)
  }
  for (const host of ['::1', 'fd00::1', 'fe80::1']) assert.equal(await reach(`/ip6/${host}/tcp/4001`), 'warn', host)
  for (const host of ['8.8.8.8', '172.32.0.1', '100.128.0.1'])
    assert.equal(await reach(`/ip4/${host}/tcp/4001`), 'ok', host)
  assert.equal(await reach('/ip6/2606:4700::1/tcp/4001'), 'ok')
  assert.equal(await reach('/dns4/node.example.org/tcp/4001'), 'ok')
  const relayed = '/ip4/8.8.8.8/tcp/1/p2p/x/p2p-circuit/p2p/y'
  assert.equal(await reach(relayed), 'warn')

  for (const told of [[], ['/ip4/127.0.0.1/tcp/4001'], [relayed]]) {
    const { state, found, advice } = await look(told, ['/ip4/9.9.9.9/tcp/4001'])
    assert.equal(state, 'warn')
    assert.match(found, /nobody has dialled \/ip4\/9\.9\.9\.9\/tcp\/4001 back/)
    assert.match(String(advice), /firewall/)
  }
  const claimed = {
    addresses: () => ['/ip4/8.8.8.8/tcp/4001/p2p/x'],
    unconfirmedAddresses: () => [],
    peers: async () => []
  }
  const taken = await checkReachability(claimed, { waitMs: 0, announced: ['/ip4/8.8.8.8/tcp/4001'] })
  assert.equal(taken.state, 'warn', 'a port forwarding may be closed')
  assert.match(taken.found, /announced, and not checked/)
  assert.equal((await look(['/ip4/8.8.8.8/tcp/4001'], ['/ip6/2606:4700::1/tcp/4001'])).state, 'ok')
})

test('an address that is dialled back while doctor looks is found', async () => {
  let looks = 0
  const node = {
    addresses: () => (looks < 2 ? [] : ['/ip4/9.9.9.9/tcp/4001']),
    unconfirmedAddresses: () => (looks++ < 2 ? ['/ip4/9.9.9.9/tcp/4001'] : []),
    peers: async () => []
  }
  assert.deepEqual(await checkReachability(node), {
    check: 'reachability',
    state: 'ok',
    found: '/ip4/9.9.9.9/tcp/4001'
  })
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { createNode, type DdmNode } from '../../src/index.ts'
import type { NetworkProfile } from '../../src/interface/index.ts'
import { createLogger } from '../../src/node/logger.ts'
import { createNetwork, type Network as PeerNetwork } from '../../src/node/network.ts'
import { encodeFrame, FRAME } from '../../src/protocols/sdpp/frame.ts'
import { SDPP_PROTOCOL, STATUS } from '../../src/protocols/sdpp/index.ts'
import { decodeMessage, encodePlain } from '../../src/protocols/sdpp/messages.ts'
import { type Network, type Server, serve, startNetwork } from './cli-process.ts'

/** One seller process, many buyers at once, a bot, and strangers who send anything but the protocol. */

const ROWS = 300
let network: Network
let seller: Server
let peerId: string
let listing: string

before(async () => {
  network = await startNetwork()
  await network.file('air.csv', `n\n${Array.from({ length: ROWS }, (_, i) => i).join('\n')}\n`)
  const config = await network.file(
    'products.json',
    JSON.stringify({
      products: [
        { title: 'Air quality', price: '0.0001/record', credit: '0.002', source: 'csv:air.csv' },
        { title: 'Open air', price: '0', source: 'csv:air.csv' },
        { title: 'Air telemetry', price: '0.0001/record', source: 'telemetry', period: 20 }
      ]
    })
  )
  seller = serve(['sell', '--config', config, ...network.as('seller'), '--set', 'inboundPerSecond=1000'])
  peerId = String((await seller.event('ready')).peerId)
  listing = String((await seller.event('listed')).listing)
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

async function buyerNode(name: string, settings: { directDeposits?: boolean } = {}): Promise<DdmNode> {
  const config = { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent' as const, ...settings }
  const node = await createNode({
    home: join(network.folder, name),
    network: network.profile,
    insecureDevKeys: true,
    config
  })
  await node.listings.synced()
  return node
}

test('several buyers at once, each with several sessions on one channel, get everything and pay what is due', async () => {
  const nodes = await Promise.all(['ann', 'bea', 'cem'].map((name) => buyerNode(name)))
  try {
    const outcomes = await Promise.all(
      nodes.flatMap((node) =>
        [0, 1].map(async () => {
          const purchase = node.buy(listing, { max: '0.05', k: 7 })
          const seen: number[] = []
          for await (const record of purchase) seen.push(record.json<{ n: number }>().n)
          assert.deepEqual(
            seen,
            Array.from({ length: ROWS }, (_, i) => i)
          )
          return purchase.done
        })
      )
    )
    for (const { due, paid, credited, records } of outcomes) {
      assert.equal(records, BigInt(ROWS))
      assert.equal(due, 100n * BigInt(ROWS))
      assert.equal(paid, due)
      assert.equal(credited, due)
    }
    assert.equal(new Set(outcomes.map(({ session }) => session)).size, 6)
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
})

test('what costs nothing is sold by the same protocol, without a channel', async () => {
  const node = await buyerNode('dan')
  try {
    const [free] = await node.listings.search('open air')
    assert.ok(free !== undefined)
    const purchase = node.buy(free, { records: 10 })
    let count = 0
    for await (const _ of purchase) count++
    assert.equal(count, 10)
    assert.equal((await purchase.done).paid, 0n)
    const file = join(network.folder, 'free.car')
    assert.equal((await node.receipts.export((await purchase.done).session, file)).payer, undefined)
  } finally {
    await node.stop()
  }
})

test('a buyer may deposit by itself; what is left in the channel pays the next purchase', async () => {
  const node = await buyerNode('fay', { directDeposits: true })
  try {
    const before = await node.wallet.balance()
    for (const records of [5, 7]) {
      const purchase = node.buy(listing, { records, max: '0.01' })
      let count = 0
      for await (const _ of purchase) count++
      assert.equal(count, records)
      assert.equal((await purchase.done).paid, 100n * BigInt(records))
    }
    const after = await node.wallet.balance()
    // The second purchase may cost 0.01 too: 0.0005 of the first deposit are consumed, so as much is added.
    assert.equal(before.token - after.token, 10_500n)
    assert.ok(after.native < before.native, 'it pays the gas of its deposits')
  } finally {
    await node.stop()
  }
})

test('the example bot buys within its budget', async () => {
  const bot = new URL('../../examples/buyer-bot.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [bot, network.profile, 'telemetry', '20'], {
    cwd: network.folder,
    env: { ...process.env, DDM_LISTEN: '/ip4/127.0.0.1/tcp/0' }
  })
  const { due, paid, last } = JSON.parse(stdout) as { due: string; paid: string; last: { cpuPercent: number } }
  assert.equal(due, '0.002')
  assert.equal(paid, due)
  assert.equal(typeof last.cpuPercent, 'number')
})

/** A stranger on the same network that speaks raw bytes. */
async function stranger(): Promise<PeerNetwork> {
  const profile = JSON.parse(await readFile(network.profile, 'utf8')) as NetworkProfile
  const home = join(network.folder, `stranger-${randomBytes(4).toString('hex')}`)
  const peer = await createNetwork({
    identity: await generateKeyPair('Ed25519'),
    paths: { peers: join(home, 'peers'), blocks: join(home, 'blocks') },
    role: 'light',
    logger: createLogger({ level: 'silent' }),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: profile.bootstrap
  })
  await peer.whenReady({ signal: AbortSignal.timeout(15_000) })
  return peer
}

/** The status that the seller answers with, if any, once the stream is over. */
function statusOf(stream: Stream): Promise<number | undefined> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    const finish = (): void => {
      const bytes = Buffer.concat(chunks)
      resolve(bytes.length < 5 ? undefined : statusIn(bytes))
    }
    stream.addEventListener('message', ({ data }) => chunks.push(data.subarray()))
    stream.addEventListener('remoteCloseWrite', finish)
    stream.addEventListener('close', finish)
  })
}

function statusIn(bytes: Buffer): number | undefined {
  for (let at = 0; at + 5 <= bytes.length; at += 4 + bytes.readUInt32BE(at)) {
    const length = bytes.readUInt32BE(at)
    const message = decodeMessage(bytes[at + 4] as number, bytes.subarray(at + 5, at + 4 + length))
    if (message.name === 'STATUS') return Number(message.content.code)
  }
  return undefined
}

test('garbage from strangers ends their own stream with a coded status, and nobody else notices', async () => {
  const peer = await stranger()
  const oversized = new Uint8Array([0x80, 0, 0, 0, FRAME.HELLO])
  const notCanonical = encodeFrame(FRAME.HELLO, Uint8Array.of(0xbf, 0xff))
  const cases: Array<[string, Uint8Array, number]> = [
    ['length zero', new Uint8Array(5), STATUS.malformed],
    ['a claim of 2 GiB', oversized, STATUS.tooLarge],
    ['an unknown kind', encodeFrame(0x7f, Uint8Array.of(1)), STATUS.unexpected],
    ['no CBOR', encodeFrame(FRAME.HELLO, randomBytes(100)), STATUS.malformed],
    ['not canonical', notCanonical, STATUS.malformed],
    ['a payment before anything', encodePlain('PAYMENT', { n: 1n, sessionPaid: 1n }), STATUS.unexpected],
    ['an unsigned order', encodeFrame(FRAME.ORDER, new Uint8Array(64)), STATUS.malformed],
    [
      'another version',
      encodePlain('HELLO', { versions: [9n], nonce: new Uint8Array(16), pay: [] }),
      STATUS.versionUnsupported
    ]
  ]
  try {
    for (const [what, bytes, expected] of cases) {
      const stream = await peer.openStream(peerId, SDPP_PROTOCOL)
      const status = statusOf(stream)
      stream.send(bytes)
      assert.equal(await status, expected, what)
    }
    const truncated = await peer.openStream(peerId, SDPP_PROTOCOL)
    truncated.send(encodePlain('HELLO', { versions: [2n], nonce: new Uint8Array(16), pay: [] }).subarray(0, 20))
    await truncated.close()
    const random = await Promise.all(Array.from({ length: 10 }, () => peer.openStream(peerId, SDPP_PROTOCOL)))
    for (const stream of random) stream.send(randomBytes(5_000))
  } finally {
    await peer.stop()
  }
  const node = await buyerNode('eve')
  try {
    const purchase = node.buy(listing, { records: 5, max: '0.01' })
    let count = 0
    for await (const _ of purchase) count++
    assert.equal(count, 5)
    await purchase.done
  } finally {
    await node.stop()
  }
})

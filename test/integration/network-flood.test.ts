import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { getNetConfig } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { ConnectionLimits, Network } from '../../src/node/network.ts'
import { peerFile } from '../support/peer-file.ts'
import type { FloodCall } from './flood-peer.ts'
import { startNetwork, until } from './network-support.ts'

/** The acceptance figure is for 60 s: DDM_FLOOD_SECONDS=60. */
const FLOOD_SECONDS = Number(process.env.DDM_FLOOD_SECONDS ?? 5)
const ECHO = '/ddm/test/echo/1'
const ATTACKER = ['127.0.0.2']
/** One address per honest buyer: on Linux all of 127.0.0.0/8 is this machine. */
const HONEST = Array.from({ length: 100 }, (_, i) => `127.0.1.${i + 1}`)

const LIMITS: ConnectionLimits = {
  maxConnections: 40,
  reservedConnections: 10,
  maxConnectionsPerIp: 8,
  inboundPerSecond: 1_000,
  limitLoopback: true
}

interface Flooder {
  child: ChildProcess
  run: (call: Omit<FloodCall, 'id' | 'address'>) => Promise<{ opened: number; open: number }>
}

/** A process of many peers that dial `network`; killed when the test ends. */
async function spawnFlooder(t: TestContext, network: Pick<Network, 'addresses'>): Promise<Flooder> {
  const child = fork(peerFile('./flood-peer.ts', import.meta.url), { stdio: 'inherit' })
  t.after(async () => {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  await once(child, 'message')
  child.setMaxListeners(0)
  let calls = 0
  const address = network.addresses().find((text) => /\/tcp\/\d+\/p2p\//.test(text)) ?? ''
  return {
    child,
    run: (call) =>
      new Promise((resolve, reject) => {
        const id = ++calls
        child.on('message', function listen(answer: { id: number; result: never; error?: string }) {
          if (answer.id !== id) return
          child.off('message', listen)
          if (answer.error === undefined) resolve(answer.result)
          else reject(new Error(answer.error))
        })
        child.send({ ...call, id, address })
      })
  }
}

function echo(stream: Stream): void {
  stream.addEventListener('message', ({ data }) => void stream.send(data))
  stream.addEventListener('remoteCloseWrite', () => void stream.close())
}

async function startSeller(t: TestContext, connections: ConnectionLimits): Promise<Network> {
  const network = await startNetwork(t, { listen: ['/ip4/0.0.0.0/tcp/0'], connections })
  await network.handle(ECHO, async (stream) => echo(stream))
  return network
}

/** A node with as much room and libp2p's own admission: whoever comes first. */
async function startDefault(t: TestContext): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/0.0.0.0/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    connectionManager: {
      maxConnections: LIMITS.maxConnections as number,
      inboundConnectionThreshold: LIMITS.inboundPerSecond as number
    }
  })
  t.after(() => node.stop())
  await node.handle(ECHO, (stream) => echo(stream))
  return node
}

interface Buyers {
  /** Their keys. */
  identities: string[]
  /** From now on `network` takes them for funded. */
  fund: (network: Network) => void
}

async function makeBuyers(count: number): Promise<Buyers> {
  const keys = await Promise.all(Array.from({ length: count }, () => generateKeyPair('Ed25519')))
  const peers = new Set(keys.map((key) => peerIdFromPrivateKey(key).toString()))
  return {
    identities: keys.map(({ raw }) => Buffer.from(raw).toString('hex')),
    fund: (network) => network.setFunded((peer) => peers.has(peer))
  }
}

/** Keys of buyers whom `network` takes for funded. */
async function fund(network: Network, count: number): Promise<string[]> {
  const buyers = await makeBuyers(count)
  buyers.fund(network)
  return buyers.identities
}

test('a flood of one address, which shuts everybody out of a libp2p node by default, keeps no funded buyer out', async (t) => {
  const flood = { method: 'occupy', from: ATTACKER, count: 80 } as const
  const { identities, fund } = await makeBuyers(20)
  const dial = { method: 'dial', from: HONEST, count: identities.length, identities, hold: false } as const

  const control = await startDefault(t)
  const addresses = (): string[] => control.getMultiaddrs().map(String)
  const [attacker, buyers] = await Promise.all([spawnFlooder(t, { addresses }), spawnFlooder(t, { addresses })])
  assert.equal((await buyers.run({ ...dial, count: 1 })).opened, 1, 'it serves')
  await attacker.run(flood)
  assert.equal((await buyers.run({ ...dial, count: 5 })).opened, 0, 'the flood is one')

  // The same flood, and it goes on: they come as strangers, are funded under it, and come again.
  const seller = await startSeller(t, LIMITS)
  const [again, honest] = await Promise.all([spawnFlooder(t, seller), spawnFlooder(t, seller)])
  let flooding = again.run(flood)
  assert.equal((await honest.run(dial)).opened, identities.length, 'strangers')
  await flooding
  fund(seller)
  flooding = again.run(flood)
  const { opened } = await honest.run({ ...dial, from: ATTACKER, hold: true })
  await flooding
  assert.equal(opened, identities.length, 'funded, and from the address of the flood')
  assert.equal((await honest.run({ method: 'count', from: [], count: 0 })).open, identities.length, 'and they stay')
})

test('one address gets its share of the connections and no more; strangers elsewhere and funded buyers get in', async (t) => {
  const seller = await startSeller(t, LIMITS)
  const [attacker, honest] = await Promise.all([spawnFlooder(t, seller), spawnFlooder(t, seller)])
  await attacker.run({ method: 'occupy', from: ATTACKER, count: 80 })
  await until('the refused to be gone', () => seller.libp2p.getConnections().length === 8)

  const strangers = await honest.run({ method: 'dial', from: HONEST, count: 22 })
  assert.equal(strangers.opened, 22)
  // What is not reserved is full now: 8 + 22.
  const late = await honest.run({ method: 'dial', from: ['127.0.2.1'], count: 1 })
  assert.equal(late.opened, 0, 'the reserved slots are not for strangers')

  const identities = await fund(seller, 10)
  const funded = await honest.run({ method: 'dial', from: ATTACKER, count: 10, identities })
  assert.equal(funded.opened, 10, 'funded buyers get in, even from the address of the flood')
  assert.equal(seller.libp2p.getConnections().length, 40)
})

test('when strangers hold all that is not reserved, every funded buyer gets in at their cost', async (t) => {
  // Loopback is not limited here: as a flood from as many addresses as it wants.
  const seller = await startSeller(t, { ...LIMITS, limitLoopback: false })
  const [attacker, honest] = await Promise.all([spawnFlooder(t, seller), spawnFlooder(t, seller)])
  const { opened } = await attacker.run({ method: 'occupy', from: ATTACKER, count: 60 })
  await until('the flood to hold what it can', () => seller.libp2p.getConnections().length === 30)
  assert.ok(opened >= 30)

  const identities = await fund(seller, 40)
  const flooding = attacker.run({ method: 'occupy', from: ATTACKER, count: 60 })
  const funded = await honest.run({ method: 'dial', from: HONEST, count: 40, identities })
  await flooding
  assert.equal(funded.opened, 40)
  assert.equal((await honest.run({ method: 'count', from: [], count: 0 })).open, 40, 'and none of them is pushed out')
})

for (const { name, from, limitLoopback } of [
  { name: 'of another address', from: HONEST, limitLoopback: true },
  { name: 'of the same address', from: ATTACKER, limitLoopback: false }
]) {
  test(`50 silent connections per second do not keep buyers ${name} out`, async (t) => {
    // The rate per address is libp2p's default.
    const seller = await startSeller(t, { limitLoopback })
    const [attacker, honest] = await Promise.all([spawnFlooder(t, seller), spawnFlooder(t, seller)])
    const flooding = attacker.run({ method: 'silent', from: ATTACKER, count: FLOOD_SECONDS, perSecond: 50 })
    const dials = FLOOD_SECONDS * 4
    const { opened } = await honest.run({ method: 'dial', from, count: dials, perSecond: 5, hold: false })
    const silent = await flooding
    assert.ok(silent.opened >= FLOOD_SECONDS * 25, `the flood was one: ${silent.opened}`)
    assert.ok(opened >= dials * 0.95, `${opened} of ${dials}`)
    t.diagnostic(`${opened} of ${dials} honest dials beside ${silent.opened} silent connections`)
  })
}

test('sockets that never become WebSockets are counted and bounded too', async (t) => {
  const listen = ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws']
  const seller = await startNetwork(t, { listen, connections: { limitLoopback: true } })
  const { port } = getNetConfig(multiaddr(seller.addresses().find((text) => text.includes('/ws/'))))
  assert.ok(port)
  let closed = 0
  const sockets = Array.from({ length: 200 }, () => {
    const socket = createConnection({ host: '127.0.0.1', port, localAddress: '127.0.0.2' })
    socket.on('close', () => closed++).on('error', () => {})
    return socket
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  await until('all but the newest to be dropped', () => closed === 200 - 16)
  assert.equal(seller.libp2p.services.admission.counts().pending, 16)

  const buyer = await startNetwork(t, { listen: [] })
  const address = seller.addresses().find((text) => text.includes('/ws/'))
  const connection = await buyer.libp2p.dial(multiaddr(address))
  assert.match(connection.remoteAddr.toString(), /\/ws\//)
  await until('the slot', () => seller.libp2p.services.admission.counts().open === 1)
  assert.equal(seller.libp2p.services.admission.counts().pending, 16, 'the handshake is over')
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function liveBytes(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

test('what is kept for peers that do not read is bounded', async (t) => {
  const seller = await startSeller(t, {})
  const { pubsub } = seller.libp2p.services
  pubsub.subscribe('/ddm/test')
  const deaf = await spawnFlooder(t, seller)
  const peers = 8
  await deaf.run({ method: 'subscribe', from: ATTACKER, count: peers })
  await until('the subscriptions', () => pubsub.getSubscribers('/ddm/test').length === peers)
  // Connected and subscribed, and from here on it reads nothing.
  deaf.child.kill('SIGSTOP')
  const before = liveBytes()
  let most = 0
  for (let sent = 0; sent < 256; sent++) {
    await pubsub.publish('/ddm/test', randomBytes(64 * 1024))
    if (sent % 16 === 15) most = Math.max(most, liveBytes() - before)
  }
  deaf.child.kill('SIGCONT')
  // Published in all: 8 x 16 MiB. The backlog, the window of yamux and what the system buffers, of each.
  assert.ok(most < peers * 7 * 1024 * 1024, `${most} bytes for ${peers} peers`)
  t.diagnostic(`${Math.round(most / 1024 / 1024)} MiB for ${peers} peers that do not read`)
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { MultiaddrConnection, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Admission, type AdmissionInit } from '../../../../src/node/network/connection-gater.ts'

const INIT: AdmissionInit = {
  maxConnections: 4,
  reserved: 1,
  perSource: 2,
  perRelay: 2,
  perPeer: 2,
  pending: 4,
  pendingPerSource: 2,
  idleMs: 60_000
}
const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** The part of a socket's connection that the gater knows. */
class Socket extends EventTarget {
  readonly remoteAddr
  readonly timeline = { open: Date.now() }
  aborted: Error | undefined

  constructor(host: string) {
    super()
    this.remoteAddr = multiaddr(`/ip4/${host}/tcp/4001`)
  }

  abort(error: Error): void {
    this.aborted = error
    this.dispatchEvent(new Event('close'))
  }
}

const asConnection = (socket: Socket): MultiaddrConnection => socket as unknown as MultiaddrConnection

async function newPeer(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

function startAdmission(t: TestContext, over: Partial<AdmissionInit> = {}) {
  const admission = new Admission({ ...INIT, ...over }, logger)
  admission.start()
  t.after(() => admission.stop())
  const { denyInboundConnection, denyInboundEncryptedConnection } = admission.gater
  const knock = async (host: string): Promise<Socket> => {
    const socket = new Socket(host)
    assert.equal(await denyInboundConnection?.(asConnection(socket)), false)
    return socket
  }
  const prove = async (socket: Socket, peer: PeerId): Promise<boolean> =>
    (await denyInboundEncryptedConnection?.(peer, asConnection(socket))) === false
  const enter = async (host: string, peer?: PeerId): Promise<{ socket: Socket; admitted: boolean }> => {
    const socket = await knock(host)
    return { socket, admitted: await prove(socket, peer ?? (await newPeer())) }
  }
  return { admission, knock, prove, enter }
}

test('a handshake of a crowded address ends the oldest there, which is not taken if it proves itself too late', async (t) => {
  const { admission, knock, prove } = startAdmission(t)
  const first = await knock('192.0.2.1')
  const other = await knock('192.0.2.2')
  const second = await knock('192.0.2.1')
  const third = await knock('192.0.2.1')
  assert.match(first.aborted?.message ?? '', /handshake/)
  assert.deepEqual([other.aborted, second.aborted, third.aborted], [undefined, undefined, undefined])
  assert.deepEqual(admission.counts(), { pending: 3, open: 0, funded: 0 })
  assert.equal(await prove(first, await newPeer()), false)
  assert.equal(await prove(second, await newPeer()), true)
  assert.deepEqual(admission.counts(), { pending: 2, open: 1, funded: 0 })
})

test('what is closed gives its place back, before and after the handshake', async (t) => {
  const { admission, knock, enter } = startAdmission(t)
  const silent = await knock('192.0.2.1')
  const { socket } = await enter('192.0.2.2')
  assert.deepEqual(admission.counts(), { pending: 1, open: 1, funded: 0 })
  silent.abort(new Error('gone'))
  socket.abort(new Error('gone'))
  assert.deepEqual(admission.counts(), { pending: 0, open: 0, funded: 0 })
})

test('an address has its share; what is reserved is for the funded, who then take the place of strangers', async (t) => {
  const { admission, enter } = startAdmission(t)
  const flood = [await enter('192.0.2.1'), await enter('192.0.2.1'), await enter('192.0.2.1')]
  assert.deepEqual(
    flood.map(({ admitted }) => admitted),
    [true, true, false]
  )
  assert.equal((await enter('192.0.2.2')).admitted, true)
  assert.equal((await enter('192.0.2.3')).admitted, false, 'the last slot is reserved')

  const buyers = await Promise.all(Array.from({ length: 5 }, newPeer))
  const funded = new Set(buyers.map(String))
  admission.setFunded((peer) => funded.has(peer))
  const entered = []
  for (const buyer of buyers) entered.push(await enter('192.0.2.1', buyer))
  assert.deepEqual(
    entered.map(({ admitted }) => admitted),
    [true, true, true, true, false]
  )
  assert.equal(flood.filter(({ socket }) => socket.aborted !== undefined).length, 2, 'the strangers were pushed out')
  assert.ok(
    entered.every(({ socket }) => socket.aborted === undefined),
    'no funded buyer was'
  )
  assert.deepEqual(admission.counts(), { pending: 0, open: 4, funded: 4 })
})

test('an idle connection makes room for a newcomer of the same address', async (t) => {
  const { enter } = startAdmission(t, { idleMs: 0 })
  const first = await enter('192.0.2.1')
  await enter('192.0.2.1')
  assert.equal((await enter('192.0.2.1')).admitted, true)
  assert.match(first.socket.aborted?.message ?? '', /needed for another peer/)
})

test('loopback is one address only where it is said to be', async (t) => {
  const free = startAdmission(t)
  const limited = startAdmission(t, { limitLoopback: true })
  const third = async ({ enter }: typeof free): Promise<boolean> => {
    await enter('127.0.0.1')
    await enter('127.0.0.1')
    return (await enter('127.0.0.1')).admitted
  }
  assert.deepEqual([await third(free), await third(limited)], [true, false])
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { createHome } from '../../src/node/home.ts'
import { tempDir } from '../support/temp-dir.ts'
import { ECHO } from './network-peer.ts'
import { LOOPBACK, type Peer, spawnPeer, startNetwork, until } from './network-support.ts'

/** TCP address of a node, without its peer ID. */
function tcpOf({ addresses }: { addresses: string[] }): string {
  const address = addresses.find((text) => /\/tcp\/\d+\/p2p\//.test(text))
  assert.ok(address)
  return address.replace(/\/p2p\/.*/, '')
}

async function echo(stream: Stream, text: string): Promise<string> {
  const answered = once(stream, 'message') as Promise<[{ data: { subarray: () => Uint8Array } }]>
  stream.send(new TextEncoder().encode(text))
  const [{ data }] = await answered
  return new TextDecoder().decode(data.subarray())
}

async function spawnMarket(t: TestContext): Promise<{ bootstrap: Peer; seller: Peer }> {
  const bootstrap = await spawnPeer(t, { role: 'bootstrap' })
  const seller = await spawnPeer(t, { bootstrap: bootstrap.addresses })
  await seller.call('ready')
  return { bootstrap, seller }
}

describe('network', { concurrency: 4 }, () => {
  test('a stream that meets a connection which the other side closes is opened over a new one', async (t) => {
    const seller = await startNetwork(t, { role: 'bootstrap' })
    await seller.handle(ECHO, (stream) => {
      stream.addEventListener('message', ({ data }) => void stream.send(data))
    })
    const buyer = await startNetwork(t, { bootstrap: seller.addresses() })
    await buyer.whenReady()
    for (let i = 0; i < 10; i++) {
      await buyer.dialPeer(seller.peerId)
      const closing = seller.libp2p.getConnections(buyer.peerId).map((connection) => connection.close())
      assert.equal(await echo(await buyer.openStream(seller.peerId, ECHO), 'again'), 'again')
      await Promise.all(closing)
    }
  })

  test('a buyer finds a seller, its blocks and its gossip through a bootstrap node, knowing only IDs', async (t) => {
    const { bootstrap, seller } = await spawnMarket(t)
    const buyer = await startNetwork(t, { role: 'light', bootstrap: bootstrap.addresses })
    await buyer.whenReady()

    await t.test('peer ID → addresses through the DHT, → connection over TLS', async () => {
      const found = await buyer.resolvePeer(seller.peerId, { refresh: true })
      assert.equal(found.source, 'dht')
      assert.ok(found.addresses.includes(tcpOf(seller)), found.addresses.join())
      const { connection } = await buyer.dialPeer(seller.peerId)
      assert.equal(connection.encryption, '/tls/1.0.0')
      assert.equal(connection.multiplexer, '/yamux/1.0.0')
      assert.equal((await buyer.resolvePeer(seller.peerId)).source, 'connection')
      assert.equal(await echo(await buyer.openStream(seller.peerId, ECHO), 'hello'), 'hello')
    })

    await t.test('a block by CID over bitswap, bounded', async () => {
      const cid = CID.parse(await seller.call<string>('put', 'a listing document'))
      assert.equal(await buyer.blocks.has(cid), false)
      assert.equal(new TextDecoder().decode(await buyer.blocks.get(cid, { maxBytes: 18 })), 'a listing document')
      assert.equal(await buyer.blocks.has(cid), true)

      const long = CID.parse(await seller.call<string>('put', 'x'.repeat(70_000)))
      await assert.rejects(buyer.blocks.get(long, { maxBytes: 65_536 }), {
        code: 'protocol',
        details: { bytes: 70_000, maxBytes: 65_536 }
      })
      assert.equal(await buyer.blocks.has(long), false)
    })

    await t.test('a block that nobody has ends with the signal', async () => {
      const missing = CID.createV1(0x55, await sha256.digest(new Uint8Array([1, 2, 3])))
      await assert.rejects(buyer.blocks.get(missing, { signal: AbortSignal.timeout(200) }), { code: 'notFound' })
      const stopped = new AbortController()
      setTimeout(() => stopped.abort(), 50)
      await assert.rejects(buyer.blocks.get(missing, { signal: stopped.signal }), { code: 'aborted' })
      await assert.rejects(buyer.blocks.put(missing, new Uint8Array([9])), { code: 'internal' })
      const identity = CID.parse('bafkqaddimvwgy3zao5xxe3debi')
      await assert.rejects(buyer.blocks.get(identity), { code: 'protocol', message: /sha2-256/ })
    })

    await t.test('gossip reaches a peer that only the bootstrap node connects', async () => {
      const topic = '/ddm/listings/1/test'
      const { pubsub } = buyer.libp2p.services
      await Promise.all([bootstrap.call('subscribe', topic), seller.call('subscribe', topic)])
      pubsub.subscribe(topic)
      await until('subscribers', () => pubsub.getSubscribers(topic).length > 0)
      await until('the announcement', async () => {
        // Published with another text each time: gossip forgets what it has seen, the mesh takes a heartbeat to form.
        await pubsub.publish(topic, new TextEncoder().encode(`announcement ${performance.now()}`))
        return (await seller.call<string[]>('received')).some((text) => text.startsWith('announcement'))
      })
    })

    await t.test('an unknown peer is notFound, what is no ID is usage', async () => {
      const nobody = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
      await assert.rejects(buyer.resolvePeer(nobody), { code: 'notFound', message: new RegExp(`${nobody.toString()}`) })
      await assert.rejects(buyer.dialPeer(nobody), { code: 'notFound' })
      await assert.rejects(buyer.resolvePeer('not an id'), { code: 'usage' })
      await assert.rejects(buyer.resolvePeer(buyer.peerId), { code: 'usage', message: /this node itself/ })
    })

    await t.test('a protocol that a peer does not speak is refused', async () => {
      await assert.rejects(buyer.openStream(seller.peerId, '/ddm/other/1'), {
        code: 'refused',
        message: /does not speak/
      })
    })

    await t.test('a peer that was killed becomes unreachable, and nothing else breaks', async () => {
      const stream = await buyer.openStream(seller.peerId, ECHO)
      const closed = once(stream, 'close')
      seller.child.kill('SIGKILL')
      await closed
      await until('the connection to end', () =>
        buyer.libp2p.getConnections().every(({ remotePeer }) => `${remotePeer.toString()}` !== seller.peerId)
      )
      await assert.rejects(
        buyer.dialPeer(seller.peerId, { signal: AbortSignal.timeout(5_000) }),
        (error: { code: string }) => ['unreachable', 'notFound'].includes(error.code)
      )
      assert.ok(buyer.libp2p.getConnections().length > 0)
    })
  })

  test('a node that nobody can dial is reached by its ID over a relay', async (t) => {
    const bootstrap = await spawnPeer(t, { role: 'bootstrap' })
    const hidden = await spawnPeer(t, { bootstrap: bootstrap.addresses, listen: ['/p2p-circuit'] })
    await hidden.call('ready')
    await until('a reservation', async () => (await hidden.call<string[]>('addresses')).length > 0)

    const buyer = await startNetwork(t, { role: 'light', bootstrap: bootstrap.addresses, listen: [] })
    await buyer.whenReady()
    await until('the DHT to know the relayed address', async () => {
      const found = await buyer.resolvePeer(hidden.peerId, { refresh: true }).catch(() => undefined)
      return found?.source === 'dht' && found.addresses.every((address) => address.includes('/p2p-circuit'))
    })
    const { connection } = await buyer.dialPeer(hidden.peerId)
    assert.match(connection.remoteAddr.toString(), /\/p2p-circuit/)
    assert.notEqual(connection.limits, undefined)
    assert.equal(connection.encryption, '/tls/1.0.0')
    assert.equal(await echo(await buyer.openStream(hidden.peerId, ECHO), 'over the relay'), 'over the relay')
  })

  test('without its bootstrap node a node says so, and joins when it appears', async (t) => {
    const identity = await generateKeyPair('Ed25519')
    const reserved = createServer().listen(0, '127.0.0.1')
    await once(reserved, 'listening')
    const { port } = reserved.address() as { port: number }
    reserved.close()
    const address = `/ip4/127.0.0.1/tcp/${port}`
    const entry = `${address}/p2p/${peerIdFromPrivateKey(identity).toString()}`

    const node = await startNetwork(t, { bootstrap: [entry] })
    await assert.rejects(node.whenReady({ signal: AbortSignal.timeout(200) }), {
      code: 'unreachable',
      message: new RegExp(entry)
    })
    await assert.rejects(node.whenReady({ signal: AbortSignal.abort() }), { code: 'aborted' })

    const bootstrap = await startNetwork(t, { role: 'bootstrap', identity, listen: [address], bootstrap: [entry] })
    await bootstrap.whenReady()
    await node.whenReady()
  })

  test('every node that starts joins, also when it connects the moment it is up', async (t) => {
    const bootstrap = await spawnPeer(t, { role: 'bootstrap' })
    for (let i = 0; i < 8; i++) {
      const node = await startNetwork(t, { role: i % 2 === 0 ? 'full' : 'light', bootstrap: bootstrap.addresses })
      await node.whenReady()
      await node.stop()
    }
  })

  test('an occupied port is portInUse naming the address, and nothing stays behind', async (t) => {
    const first = await startNetwork(t)
    const taken = tcpOf({ addresses: first.addresses() })
    const paths = await createHome(await tempDir(t))
    for (const listen of [[taken], [...LOOPBACK, taken], [`${taken}/ws`]]) {
      await assert.rejects(startNetwork(t, { listen, paths }), (error: { code: string; message: string }) => {
        assert.equal(error.code, 'portInUse')
        assert.ok(error.message.includes(taken), error.message)
        return true
      })
    }
    // The stores were closed: the same home starts.
    await startNetwork(t, { paths })
    await assert.rejects(startNetwork(t, { paths }), { code: 'config', message: /another process/ })
  })

  test('wrong addresses are named', async (t) => {
    await assert.rejects(startNetwork(t, { listen: ['127.0.0.1:80'] }), { code: 'config', message: /"127.0.0.1:80"/ })
    await assert.rejects(startNetwork(t, { bootstrap: ['/ip4/127.0.0.1/tcp/1'] }), {
      code: 'config',
      message: /\/p2p\//
    })
    await assert.rejects(startNetwork(t, { listen: ['/ip4/203.0.113.1/tcp/0'] }), {
      code: 'config',
      message: /cannot listen on \/ip4\/203\.0\.113\.1\/tcp\/0: this machine does not have/
    })
  })

  test('a peer that has only what the specification names is served', async (t) => {
    const node = await startNetwork(t)
    const other = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
    t.after(() => other.stop())
    const connection = await other.dial(multiaddr(node.addresses()[0]))
    assert.equal(connection.encryption, '/noise')
    const specification = await readFile(new URL('../../docs/specs/sdpp.md', import.meta.url), 'utf8')
    for (const protocol of [connection.encryption, connection.multiplexer]) {
      assert.ok(specification.includes(`\`${protocol}\``), `${protocol} is not named`)
    }
  })

  test('garbage and broken handlers end one stream or connection, never the process', async (t) => {
    const peer = await spawnPeer(t)
    const [, host = '', port = ''] = /\/ip4\/([^/]+)\/tcp\/(\d+)/.exec(tcpOf(peer)) ?? []
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(100_000, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const socket = connect(Number(port), host)
      socket.on('error', () => {})
      socket.end(bytes)
      socket.resume()
      // Not events.once: it takes a reset for the end of its wait.
      await new Promise((resolve) => socket.once('close', resolve))
    }

    const node = await startNetwork(t)
    await node.libp2p.dial(multiaddr(peer.addresses[0]))
    const broken = await node.openStream(peer.peerId, '/ddm/test/broken/1')
    // Its end may have come with the answer.
    if (broken.status === 'open' || broken.status === 'closing') await once(broken, 'close')

    // A bitswap message that claims 2 GiB, and one that is no message; a gossip RPC that claims 1 GiB.
    const claims: Array<[string, number[]]> = [
      ['/ipfs/bitswap/1.2.0', [0x80, 0x80, 0x80, 0x80, 0x08]],
      ['/ipfs/bitswap/1.2.0', [4, 255, 255, 255, 255]],
      ['/meshsub/1.1.0', [0x80, 0x80, 0x80, 0x80, 0x04, 1, 2, 3]],
      ['/ddm/kad/1.0.0', [3, 255, 255, 255]]
    ]
    for (const [protocol, bytes] of claims) {
      const stream = await node.openStream(peer.peerId, protocol)
      stream.send(new Uint8Array(bytes))
      await Promise.race([once(stream, 'close'), sleep(200)])
      stream.abort(new Error('reset by the test'))
    }
    assert.equal(await echo(await node.openStream(peer.peerId, ECHO), 'still here'), 'still here')
  })

  test('after stop() a process ends by itself', async (t) => {
    const { bootstrap, seller } = await spawnMarket(t)
    const ended = once(seller.child, 'exit')
    await seller.call('stop')
    assert.deepEqual(await ended, [0, null])
    await until('its connections to be gone', async () =>
      (await bootstrap.call<string[]>('connections')).every((line) => !line.startsWith(seller.peerId))
    )
  })
})

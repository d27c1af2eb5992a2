import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { startBootstrap } from '../../bootstrap/main.ts'
import { createLogger } from '../../src/node/logger.ts'
import { tempDir } from '../support/temp-dir.ts'
import { LOOPBACK, spawnPeer, startNetwork, until } from './network-support.ts'

const TOPIC = '/ddm/listings/1/test'
const logger = createLogger({ level: 'error' })

test('a bootstrap node joins others, keeps its identity and frees everything on stop', async (t) => {
  const home = await tempDir(t)
  const calls: string[] = []
  const init = {
    home,
    topics: [TOPIC],
    config: { listen: LOOPBACK, insecureDevKeys: true, inboundPerSecond: 1_000 },
    logger,
    services: [
      async () => {
        calls.push('started')
        return { stop: async () => void calls.push('stopped') }
      }
    ]
  }
  const node = await startBootstrap(init)
  t.after(() => node.stop())
  assert.ok(node.addresses().every((address) => address.endsWith(`/p2p/${node.peerId}`)))
  await assert.rejects(startBootstrap(init), { code: 'homeBusy' })

  const peer = await spawnPeer(t, { bootstrap: node.addresses(), topics: [TOPIC] })
  await peer.call('ready')
  await peer.call('subscribe', TOPIC)
  await until('the peer to subscribe', () => node.network.libp2p.services.pubsub.getSubscribers(TOPIC).length === 1)

  await node.stop()
  await node.stop()
  assert.deepEqual(calls, ['started', 'stopped'])
  const again = await startBootstrap(init)
  t.after(() => again.stop())
  assert.equal(again.peerId, node.peerId)
  assert.doesNotMatch(await readFile(`${home}/identity.key`, 'utf8'), /wallet/)
})

test('a bootstrap node that cannot start leaves its home free', async (t) => {
  const taken = (await startNetwork(t)).addresses()[0]?.replace(/\/p2p\/.*/, '') ?? ''
  const home = await tempDir(t)
  const config = { insecureDevKeys: true, listen: LOOPBACK }
  await assert.rejects(startBootstrap({ home, config: { ...config, listen: [taken] }, logger }), { code: 'portInUse' })
  const failing = async (): Promise<never> => {
    throw new Error('the service did not start')
  }
  await assert.rejects(startBootstrap({ home, config, logger, services: [failing] }), /did not start/)
  const node = await startBootstrap({ home, config, logger })
  await node.stop()
})

test('subscriptions to topics of other networks are ignored', async (t) => {
  const home = await tempDir(t)
  const config = { listen: LOOPBACK, insecureDevKeys: true, inboundPerSecond: 1_000 }
  const node = await startBootstrap({ home, topics: [TOPIC], config, logger })
  t.after(() => node.stop())
  const spammer = await startNetwork(t, { bootstrap: node.addresses() })
  await spammer.whenReady()
  for (let i = 0; i < 20; i++) spammer.libp2p.services.pubsub.subscribe(`/spam/${i}`)
  spammer.libp2p.services.pubsub.subscribe(TOPIC)
  const { pubsub } = node.network.libp2p.services
  await until('the subscription', () => pubsub.getSubscribers(TOPIC).length === 1)
  for (let i = 0; i < 20; i++) assert.equal(pubsub.getSubscribers(`/spam/${i}`).length, 0)
})

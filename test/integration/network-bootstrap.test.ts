import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { deployContracts, devAccounts, startLocalChain, writeProfile } from '../../src/node/index.ts'
import { createLogger } from '../../src/node/logger.ts'
import { tempDir } from '../support/temp-dir.ts'
import { LOOPBACK, startNetwork, until } from './network-support.ts'

interface Started {
  child: ChildProcess
  /** Addresses that it printed; empty when it ended without. */
  addresses: string[]
  stderr: () => string
}

/** `node bootstrap/main.ts`, as a service manager runs it. */
async function runMain(t: TestContext, env: Record<string, string>): Promise<Started> {
  const main = new URL('../../bootstrap/main.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH, DDM_INSECURE_DEV_KEYS: 'true', DDM_INBOUND_PER_SECOND: '1000', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.after(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const lines = createInterface({ input: child.stdout })
  const [first] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown]
  return { child, addresses: typeof first === 'string' ? [first] : [], stderr: () => errors }
}

test('the bootstrap process serves a network, is alone in its home, and comes back as the same peer', async (t) => {
  const chain = await startLocalChain()
  t.after(() => chain.close())
  const [owner] = await devAccounts(1)
  assert.ok(owner)
  const logger = createLogger({ level: 'error' })
  const profile = await deployContracts({
    rpcUrl: chain.rpcUrl,
    privateKey: owner.privateKey,
    name: 'test',
    dev: true,
    logger
  })
  const home = await tempDir(t)
  await writeProfile(join(home, 'network.json'), profile)

  const env = { DDM_HOME: home, DDM_LISTEN: LOOPBACK.join(',') }
  const first = await runMain(t, env)
  assert.equal(first.addresses.length, 1, first.stderr())
  const node = await startNetwork(t, { bootstrap: first.addresses })
  await node.whenReady()

  const second = await runMain(t, env)
  assert.equal(second.child.exitCode, 4, second.stderr())
  assert.match(second.stderr(), new RegExp(`process ${first.child.pid} .* uses the home ${home}`))

  // The port of the first, another home: named, and an exit code of its own.
  const [taken = ''] = first.addresses
  const elsewhere = await tempDir(t)
  await writeProfile(join(elsewhere, 'network.json'), profile)
  const third = await runMain(t, { DDM_HOME: elsewhere, DDM_LISTEN: taken.replace(/\/p2p\/.*/, '') })
  assert.equal(third.child.exitCode, 8, third.stderr())

  // Killed, it is back at once; ended in an orderly way, with exit code 0.
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const again = await runMain(t, { ...env, DDM_LISTEN: taken.replace(/\/p2p\/.*/, '') })
  assert.deepEqual(again.addresses, first.addresses, again.stderr())
  await until('the node to join again', () => node.libp2p.getConnections().some(({ status }) => status === 'open'))
  again.child.kill('SIGTERM')
  assert.deepEqual(await once(again.child, 'exit'), [0, null])
})

test('a home without a network profile is a config error', async (t) => {
  const { child, stderr } = await runMain(t, { DDM_HOME: await tempDir(t) })
  assert.equal(child.exitCode, 3, stderr())
})

test('subscriptions to topics of other networks are ignored', async (t) => {
  const topic = '/ddm/listings/1/test'
  const node = await startNetwork(t, { role: 'bootstrap', topics: [topic] })
  const { pubsub } = node.libp2p.services
  pubsub.subscribe(topic)
  const spammer = await startNetwork(t, { bootstrap: node.addresses() })
  await spammer.whenReady()
  for (let i = 0; i < 20; i++) spammer.libp2p.services.pubsub.subscribe(`/spam/${i}`)
  spammer.libp2p.services.pubsub.subscribe(topic)
  await until('the subscription', () => pubsub.getSubscribers(topic).length === 1)
  for (let i = 0; i < 20; i++) assert.equal(pubsub.getSubscribers(`/spam/${i}`).length, 0)
})

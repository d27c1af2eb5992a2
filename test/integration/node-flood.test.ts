import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { createNode, type DdmNode, type NodeInit, parseSource } from '../../src/index.ts'
import { peerFile } from '../support/peer-file.ts'
import { startNetwork } from './cli-process.ts'
import type { FloodCall } from './flood-peer.ts'

/** Connections of the seller: of these, reserved for peers with funded channels. */
const CONNECTIONS = 20
const RESERVED = 6
const STRANGERS = Array.from({ length: 60 }, (_, i) => `127.0.3.${i + 1}`)

test('a seller that was restarted, and is flooded, is reached by who has a channel with it and by no other', async (t) => {
  const network = await startNetwork()
  t.after(() => network.close())
  const start = async (name: string, config: NodeInit['config'] = {}): Promise<DdmNode> => {
    const node = await createNode({
      home: join(network.folder, name),
      network: network.profile,
      insecureDevKeys: true,
      config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent', ...config }
    })
    t.after(() => node.stop())
    return node
  }
  const startSeller = async (): Promise<[DdmNode, string]> => {
    const seller = await start('seller', {
      maxConnections: CONNECTIONS,
      reservedConnections: RESERVED,
      maxConnectionsPerIp: 4,
      inboundPerSecond: 1_000,
      limitLoopback: true
    })
    const source = await parseSource('telemetry', { onError: 'stop', periodMs: 20 })
    const { listing } = await seller.sell({ title: 'Besieged', price: '0.0001', source })
    return [seller, listing.id]
  }
  const buy = async (node: DdmNode, listing: string): Promise<bigint> => {
    await node.listings.synced()
    const purchase = node.buy(listing, { records: 3, max: '0.01', prepay: '0.0003', resumeFor: 30_000 })
    for await (const _ of purchase);
    return (await purchase.done).records
  }

  const [first, listing] = await startSeller()
  const customer = await start('customer')
  assert.equal(await buy(customer, listing), 3n)
  await Promise.all([first.stop(), customer.stop()])

  const [seller, again] = await startSeller()
  const address = seller.addresses().find((text) => /\/tcp\/\d+\/p2p\//.test(text)) ?? ''
  const flood = fork(peerFile('./flood-peer.ts', import.meta.url), { stdio: 'inherit' })
  t.after(() => flood.kill('SIGKILL'))
  await once(flood, 'message')
  const call: FloodCall = { id: 1, method: 'occupy', address, from: STRANGERS, count: 60 }
  flood.send(call)
  const [{ result }] = (await once(flood, 'message')) as [{ result: { open: number } }]
  // Two more connections of the seller are its own.
  assert.ok(result.open >= CONNECTIONS - RESERVED - 2, `${result.open} strangers are in`)

  const stranger = await start('stranger')
  await assert.rejects(buy(stranger, again), { code: 'unreachable' })
  assert.equal(await buy(await start('customer'), again), 3n)
})

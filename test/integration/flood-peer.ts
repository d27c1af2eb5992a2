/** Many peers in one process, each with a key and an address of loopback of its own: what `network-flood.test.ts` forks. */
import { createConnection, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { getNetConfig } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const ECHO = '/ddm/test/echo/1'
const TOPIC = '/ddm/test'

export interface FloodCall {
  id: number
  method: keyof typeof methods
  /** Where to. */
  address: string
  /** Addresses of loopback that the connections come from, in turn. */
  from: string[]
  /** Hex of Ed25519 keys; without, every peer gets a new one. */
  identities?: string[]
  count: number
  perSecond?: number
  /** Whether connections stay once they served. @default true */
  hold?: boolean
}

const held: Libp2p[] = []

function transport(from: string | undefined) {
  return {
    transports: [tcp({ dialOpts: { localAddress: from } as object })],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false }
  }
}

function peer(from: string | undefined, identity?: string): Promise<Libp2p> {
  const key = identity === undefined ? {} : { privateKey: privateKeyFromRaw(Buffer.from(identity, 'hex')) }
  return createLibp2p({ ...key, ...transport(from) })
}

async function echo(client: Libp2p, address: string): Promise<void> {
  const signal = AbortSignal.timeout(15_000)
  const stream = await client.dialProtocol(multiaddr(address), ECHO, { signal })
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('no echo')))
    stream.addEventListener('message', () => resolve())
    stream.addEventListener('close', ({ error }) => reject(error ?? new Error('closed')))
    stream.send(new Uint8Array([1]))
  })
  await stream.close()
}

const methods = {
  /** Takes as many connections as it gets, each with a peer ID of its own, and holds them. */
  async occupy({ address, from, count }: FloodCall) {
    let opened = 0
    for (let at = 0; at < count; at += 10) {
      await Promise.all(
        Array.from({ length: Math.min(10, count - at) }, async () => {
          const client = await peer(from[at % from.length])
          held.push(client)
          await client.dial(multiaddr(address), { signal: AbortSignal.timeout(5_000) }).then(
            () => opened++,
            () => {}
          )
        })
      )
    }
    return { opened, open: open() }
  },
  /** Sockets that never say anything, opened evenly for `count` seconds. */
  async silent({ address, from, count, perSecond = 50 }: FloodCall) {
    const { host, port } = getNetConfig(multiaddr(address))
    if (port === undefined) throw new Error(`no port in ${address}`)
    const sockets: Socket[] = []
    let connected = 0
    while (sockets.length < count * perSecond) {
      const socket = createConnection({ host, port, localAddress: from[sockets.length % from.length] as string })
      socket.on('connect', () => connected++)
      socket.on('error', () => {})
      sockets.push(socket)
      await sleep(1_000 / perSecond)
    }
    // A machine that stood still has them yet to come.
    await sleep(1_000)
    for (const socket of sockets) socket.destroy()
    return { opened: connected, open: 0 }
  },
  /** Dials one after another and is echoed, each with a peer ID of its own. */
  async dial({ address, from, count, identities, perSecond = 20, hold = true }: FloodCall) {
    let opened = 0
    for (let i = 0; i < count; i++) {
      const client = await peer(from[i % from.length], identities?.[i])
      held.push(client)
      await echo(client, address).then(
        () => opened++,
        (error: Error) => process.env.FLOOD_DEBUG !== undefined && process.stderr.write(`${from}: ${error.message}\n`)
      )
      if (!hold) await client.stop()
      await sleep(1_000 / perSecond)
    }
    return { opened, open: open() }
  },
  /** Subscribes, as any node does. */
  async subscribe({ address, from, count }: FloodCall) {
    let opened = 0
    for (let i = 0; i < count; i++) {
      const client = await createLibp2p({
        ...transport(from[i % from.length]),
        services: { identify: identify(), pubsub: gossipsub() }
      })
      held.push(client)
      client.services.pubsub.subscribe(TOPIC)
      await client.dial(multiaddr(address))
      opened++
    }
    return { opened, open: open() }
  },
  async count() {
    return { opened: 0, open: open() }
  }
}

function open(): number {
  return held.filter((client) => client.getConnections().some(({ status }) => status === 'open')).length
}

process.on('message', (call: FloodCall) => {
  methods[call.method](call).then(
    (result) => process.send?.({ id: call.id, result }),
    (error: Error) => process.send?.({ id: call.id, error: error.stack })
  )
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

/** A node in a process of its own, driven by messages: what `spawnPeer` starts. */
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { DdmError } from '../../src/interface/index.ts'
import { createHome } from '../../src/node/home.ts'
import { createLogger } from '../../src/node/logger.ts'
import { createNetwork, type Network, type NetworkInit } from '../../src/node/network.ts'

export interface PeerInit extends Pick<NetworkInit, 'role' | 'listen' | 'bootstrap' | 'topics'> {
  home: string
  /** Hex of the 64 bytes of an Ed25519 key. */
  identity: string
}

export interface PeerCall {
  id: number
  method: keyof ReturnType<typeof methods>
  args: string[]
}

export const ECHO = '/ddm/test/echo/1'

async function start({ home, identity, ...init }: PeerInit): Promise<Network> {
  const network = await createNetwork({
    ...init,
    identity: privateKeyFromRaw(Buffer.from(identity, 'hex')),
    paths: await createHome(home),
    logger: createLogger({ level: 'error' }),
    connections: { inboundPerSecond: 1_000 }
  })
  await network.handle(ECHO, async (stream) => {
    stream.addEventListener('message', ({ data }) => void stream.send(data))
    stream.addEventListener('remoteCloseWrite', () => void stream.close())
  })
  await network.handle('/ddm/test/broken/1', async () => {
    throw new Error('this handler is broken')
  })
  return network
}

function methods(network: Network) {
  const received: string[] = []
  network.libp2p.services.pubsub.addEventListener('message', ({ detail }) => {
    received.push(new TextDecoder().decode(detail.data))
  })
  return {
    ready: async () => network.whenReady(),
    addresses: async () => network.addresses(),
    /** Stores a block and announces it in the DHT. */
    async put(text: string) {
      const bytes = new TextEncoder().encode(text)
      const cid = CID.createV1(0x55, await sha256.digest(bytes))
      await network.blocks.put(cid, bytes)
      await network.libp2p.contentRouting.provide(cid)
      return cid.toString()
    },
    subscribe: async (topic: string) => network.libp2p.services.pubsub.subscribe(topic),
    received: async () => received,
    connections: async () =>
      network.libp2p.getConnections().map(({ remotePeer, encryption }) => `${remotePeer.toString()} ${encryption}`),
    stop: async () => network.stop()
  }
}

function failure(error: unknown): { code: string; message: string } {
  return { code: error instanceof DdmError ? error.code : 'internal', message: (error as Error).message }
}

async function serve({ id, method, args }: PeerCall, known: ReturnType<typeof methods>): Promise<void> {
  try {
    process.send?.({ id, result: await known[method](args[0] ?? '') })
  } catch (error) {
    process.send?.({ id, error: failure(error) })
  }
  // After `stop` nothing but the channel to the parent is left: without it the process must end by itself.
  if (method === 'stop') process.disconnect()
}

async function run(init: PeerInit): Promise<void> {
  try {
    const network = await start(init)
    const known = methods(network)
    process.on('message', (call: PeerCall) => void serve(call, known))
    process.send?.({ peerId: network.peerId.toString(), addresses: network.addresses() })
  } catch (error) {
    process.send?.({ error: failure(error) })
    process.disconnect()
  }
}

process.once('message', (init: PeerInit) => void run(init))

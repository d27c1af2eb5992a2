import { setTimeout as sleep } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { answer } from './child.ts'

/** The reference: the same bytes at the same times to as many streams of libp2p alone. */
const PROTOCOL = '/ddm/bench/fanout/1'

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [tls()],
  streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 2 * 1024 * 1024 } })],
  connectionManager: { maxConnections: 1000, inboundConnectionThreshold: 1000, maxIncomingPendingConnections: 1000 },
  connectionMonitor: { pingInterval: 15_000, pingTimeout: { minTimeout: 30_000 } }
})
const streams: Stream[] = []
await node.handle(PROTOCOL, (stream) => {
  streams.push(stream)
})

answer(
  {
    addresses: async () => node.getMultiaddrs().map(String),
    /** One record a second; resolves with the CPU of all threads, µs. */
    feed: async ({ records, recordBytes }: { records: number; recordBytes: number }) => {
      const before = process.cpuUsage()
      const start = performance.now()
      for (let i = 0; i < records; i++) {
        await sleep(Math.max(0, start + i * 1000 - performance.now()))
        // Made for each stream, as every session's frame is.
        for (const stream of streams) stream.send(new Uint8Array(4 + recordBytes))
      }
      await sleep(1_000)
      const { user, system } = process.cpuUsage(before)
      return { cpu: user + system, streams: streams.length, rss: process.resourceUsage().maxRSS * 1024 }
    }
  },
  async () => node.stop()
)

import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { answer } from './child.ts'

/** The reference: the same transport as a node's, blocks of 256 records, no payments, hashing or storage. */
const PROTOCOL = '/ddm/bench/raw/1'
const BLOCK = 256

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [tls()],
  streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 2 * 1024 * 1024 } })],
  connectionGater: { denyDialMultiaddr: () => false }
})

function drained(stream: Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = (): void => {
      stream.removeEventListener('close', onClose)
      resolve()
    }
    const onClose = (): void => {
      stream.removeEventListener('drain', onDrain)
      reject(new Error('closed'))
    }
    stream.addEventListener('drain', onDrain, { once: true })
    stream.addEventListener('close', onClose, { once: true })
  })
}

/** Cuts the stream into records and hands each on as a view, as any receiver must. */
function recordCounter(onRecord: (record: Uint8Array) => void): (chunk: Uint8Array) => number {
  let rest: Uint8Array = new Uint8Array(0)
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    let records = 0
    while (bytes.length - at >= 4) {
      const length =
        ((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)
      if (bytes.length - at - 4 < length) break
      onRecord(bytes.subarray(at + 4, at + 4 + length))
      at += 4 + length
      records++
    }
    rest = bytes.subarray(at)
    return records
  }
}

let wanted = { records: 0, recordBytes: 0 }

await node.handle(PROTOCOL, (stream) => {
  const send = async (): Promise<void> => {
    const { records, recordBytes } = wanted
    const payload = new Uint8Array(recordBytes).fill(7)
    for (let sent = 0; sent < records; sent += BLOCK) {
      const count = Math.min(BLOCK, records - sent)
      const frame = new Uint8Array(count * (4 + recordBytes))
      const view = new DataView(frame.buffer)
      for (let i = 0; i < count; i++) {
        view.setUint32(i * (4 + recordBytes), recordBytes)
        frame.set(payload, i * (4 + recordBytes) + 4)
      }
      if (!stream.send(frame)) await drained(stream)
    }
    await stream.close()
  }
  send().catch((error: Error) => stream.abort(error))
})

answer(
  {
    addresses: async () => node.getMultiaddrs().map(String),
    prepare: async (message: { records: number; recordBytes: number }) => {
      wanted = message
    },
    receive: async ({ address, records, recordBytes }: { address: string; records: number; recordBytes: number }) => {
      const stream = await node.dialProtocol(multiaddr(address), PROTOCOL)
      let got = 0
      let started = 0
      await new Promise<void>((resolve, reject) => {
        let seen = 0
        const count = recordCounter((record) => {
          seen += record.length
        })
        stream.addEventListener('message', ({ data }) => {
          started ||= performance.now()
          for (const chunk of data instanceof Uint8Array ? [data] : data) got += count(chunk)
          if (got < records) return
          if (seen === records * recordBytes) resolve()
          else reject(new Error(`${seen} bytes in ${got} records`))
        })
        stream.addEventListener('close', (event) =>
          reject(event.error ?? new Error(`closed after ${got} of ${records}`))
        )
      })
      const seconds = (performance.now() - started) / 1000
      await stream.close()
      return { recordsPerSecond: records / seconds }
    }
  },
  async () => node.stop()
)

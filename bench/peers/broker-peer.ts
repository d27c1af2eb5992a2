import { answer } from '../child.ts'

/** One side of a broker: publishes numbered records, or counts them as they come. */
interface At {
  server: 'mqtt' | 'nats'
  port: number
  qos: 0 | 1
  topic: string
}

const RECORD_BYTES = 200
const LIMIT_MS = 120_000

interface Connection {
  publish: (topic: string, bytes: Uint8Array) => Promise<void> | undefined
  flush: () => Promise<void>
  subscribe: (topic: string, onRecord: (bytes: Uint8Array) => void) => Promise<void>
  close: () => Promise<void>
}

let connection: Promise<Connection> | undefined
let onRecord: (bytes: Uint8Array) => void = () => {}
let subscribed = false

async function connectMqtt({ port, qos }: At): Promise<Connection> {
  const { default: mqtt } = await import('mqtt')
  const client = await mqtt.connectAsync({ port, host: '127.0.0.1', protocolVersion: 5 })
  let waiting = 0
  let wake: (() => void) | undefined
  let failed: Error | undefined
  return {
    // As many in flight as keep the socket busy; `publish` calls back when the message has left, or is acknowledged.
    publish: (topic, bytes) => {
      waiting += 1
      client.publish(topic, Buffer.from(bytes), { qos }, (error) => {
        waiting -= 1
        if (error) failed = error
        wake?.()
      })
      if (failed !== undefined) throw failed
      if (waiting < 1_000) return undefined
      return new Promise((resolve) => {
        wake = () => {
          if (waiting < 500) resolve()
        }
      })
    },
    flush: () =>
      new Promise((resolve, reject) => {
        wake = () => {
          if (failed !== undefined) reject(failed)
          else if (waiting === 0) resolve()
        }
        wake()
      }),
    subscribe: async (topic, listener) => {
      client.on('message', (_, payload) => listener(payload))
      await client.subscribeAsync(topic, { qos })
    },
    close: () => client.endAsync()
  }
}

async function connectNats({ port }: At): Promise<Connection> {
  const { connect } = await import('@nats-io/transport-node')
  const client = await connect({ port })
  let sent = 0
  return {
    publish: (topic, bytes) => {
      client.publish(topic, bytes)
      sent += 1
      return sent % 1_000 === 0 ? client.flush() : undefined
    },
    flush: () => client.flush(),
    subscribe: async (topic, listener) => {
      client.subscribe(topic, { callback: (_, message) => listener(message.data) })
      await client.flush()
    },
    close: () => client.close()
  }
}

function connected(at: At): Promise<Connection> {
  connection ??= at.server === 'mqtt' ? connectMqtt(at) : connectNats(at)
  return connection
}

answer(
  {
    subscribe: async (at: At) => {
      if (subscribed) return
      subscribed = true
      await (await connected(at)).subscribe(at.topic, (bytes) => onRecord(bytes))
    },
    /** Records per second from the first one to the last; every one in order, or it fails. */
    receive: ({ records }: { records: number }) =>
      new Promise<number>((resolve, reject) => {
        let next = 0
        let startedAt = 0
        // Nothing may be lost; what is would be waited for in vain.
        const limit = setTimeout(() => reject(new Error(`record ${next} of ${records} did not come`)), LIMIT_MS)
        onRecord = (bytes) => {
          if (bytes.byteLength !== RECORD_BYTES || Buffer.from(bytes).readUInt32BE() !== next) {
            reject(new Error(`record ${next} is not the one that was sent`))
          }
          if (next === 0) startedAt = performance.now()
          next += 1
          if (next < records) return
          clearTimeout(limit)
          resolve((records - 1) / ((performance.now() - startedAt) / 1000))
        }
      }),
    publish: async ({ records, ...at }: At & { records: number }) => {
      const { publish, flush } = await connected(at)
      for (let number = 0; number < records; number++) {
        const bytes = Buffer.alloc(RECORD_BYTES, 0x61)
        bytes.writeUInt32BE(number)
        const room = publish(at.topic, bytes)
        if (room !== undefined) await room
      }
      await flush()
    }
  },
  async () => {
    await (await connection)?.close()
  }
)

import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { natsSink } from '../../src/data/sinks/nats.ts'
import { natsSource } from '../../src/data/sources/nats.ts'
import { startNatsServer } from '../../test/support/nats-server.ts'
import { type Connector, readAll, recordText, writeAll } from './case.ts'

/** Publications on their way at once, as many as the sink has. */
const WINDOW = 512

export const natsCases: Connector = async function* (closers, records) {
  const server = await startNatsServer(closers)
  if (server === undefined) return
  const at = `nats://127.0.0.1:${server.port}`
  const connection = await connect({ servers: `127.0.0.1:${server.port}` })
  closers.after(() => connection.close())
  const manager = await jetstreamManager(connection)
  const js = manager.jetstream()
  const publish = async (subject: string): Promise<void> => {
    for (let first = 0; first < records; first += WINDOW) {
      const count = Math.min(WINDOW, records - first)
      await Promise.all(Array.from({ length: count }, (_, i) => js.publish(subject, recordText(first + i))))
    }
  }
  yield {
    name: 'nats sink',
    prepare: async (round) => void (await manager.streams.add({ name: `O${round}`, subjects: [`out.${round}`] })),
    ours: async (round) => writeAll(await natsSink(`${at}/O${round}?subject=out.${round}`), records),
    bare: (round) => publish(`out.${round}`)
  }
  await manager.streams.add({ name: 'I', subjects: ['in'] })
  await publish('in')
  yield {
    name: 'nats source',
    prepare: async () => {},
    ours: () => readAll(natsSource(`${at}/I`), records),
    bare: async () => {
      const messages = await (await js.consumers.get('I')).consume({ max_messages: 1_000 })
      let count = 0
      for await (const _ of messages) if (++count === records) break
    }
  }
}

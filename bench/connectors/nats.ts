import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { natsSink } from '../../src/data/sinks/nats.ts'
import { natsSource } from '../../src/data/sources/nats.ts'
import { startNatsServer } from '../../test/support/nats-server.ts'
import { type Connector, readAll, sendAll, writeAll } from './case.ts'

export const natsCases: Connector = async function* (closers, records) {
  const server = await startNatsServer(closers)
  if (server === undefined) return
  const at = `nats://127.0.0.1:${server.port}`
  const connection = await connect({ servers: `127.0.0.1:${server.port}` })
  closers.after(() => connection.close())
  const manager = await jetstreamManager(connection)
  const js = manager.jetstream()
  const publish = (subject: string): Promise<void> => sendAll(records, (text) => js.publish(subject, text))
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

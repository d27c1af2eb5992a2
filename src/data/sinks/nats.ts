import { createHash } from 'node:crypto'
import type { JetStreamClient } from '@nats-io/jetstream'
import { type DataSink, DdmError } from '../../interface/index.ts'
import { requiredOption } from '../brokers/address.ts'
import {
  checkSubject,
  type NatsAddress,
  type NatsOpened,
  natsFailure,
  openNats,
  parseNatsAddress
} from '../brokers/nats.ts'
import { isLost, persistently } from '../brokers/reconnect.ts'
import { Outbox } from './outbox.ts'

/** Records on their way to the server at once. */
const WINDOW = 512

const PUBLISH_TIMEOUT_MS = 10_000

interface Message {
  offset: bigint
  bytes: Uint8Array
}

/**
 * Publishes records to a JetStream stream, `nats://user:password@host:4222/STREAM?subject=bought.wind`. `flush` resolves
 * when the server has stored every record. Their message IDs come from their offsets, so the server drops what comes twice
 * within its window for duplicates; `id=TEXT` keeps two listings on one subject apart.
 *
 * @example
 * ```ts
 * const sink = await natsSink('nats://broker.example/BOUGHT?subject=bought.wind')
 * ```
 *
 * @throws DdmError `usage`; `unreachable` when the server does not answer, `config` when it does not let us in or the
 * stream does not take the subject, `notFound` when there is no such stream
 */
export async function natsSink(spec: string): Promise<DataSink> {
  const to = parseNatsAddress(spec, ['subject', 'id'])
  const { address } = to
  const subject = checkSubject(address, requiredOption(address, 'subject', 'the subject that records go to'), {
    wildcards: false
  })
  const prefix = address.get('id') ?? createHash('sha256').update(`${to.stream} ${subject}`).digest('hex').slice(0, 16)
  const stop = new AbortController()
  let opened: NatsOpened | undefined
  let client: JetStreamClient | undefined

  const outbox = new Outbox<Message>({
    send: async ({ offset, bytes }) => {
      // Its error may come when the next connection is open.
      const connection = opened?.connection
      const options = { msgID: `${prefix}:${offset}`, timeout: PUBLISH_TIMEOUT_MS, expect: { streamName: to.stream } }
      try {
        await client?.publish(subject, bytes, options)
      } catch (error) {
        const failure = natsFailure(to, error)
        // No answer in time: on a new connection everything that has none is sent again.
        if (isLost(failure)) void connection?.close()
        throw failure
      }
    }
  })
  const open = async (): Promise<NatsOpened> => {
    const next = await openNats(to, { signal: stop.signal })
    await checkTaken(to, next, subject)
    return next
  }
  const use = (next: NatsOpened): void => {
    opened = next
    // Closed while it was opened.
    if (stop.signal.aborted) return void next.connection.close()
    client = next.manager.jetstream()
    outbox.open(WINDOW)
    void next.connection.closed().then(() => {
      if (stop.signal.aborted) return
      outbox.interrupt()
      persistently(open, stop.signal).then(use, (error: Error) => outbox.fail(error))
    })
  }
  use(await open())

  return {
    name: address.name,
    write: (records, options) =>
      outbox.add(
        records.map((item) => ({ item, bytes: item.bytes.byteLength })),
        options
      ),
    flush: (options) => outbox.empty(options),
    mark: async (options) => {
      await outbox.empty(options)
      return JSON.stringify({ to: address.name })
    },
    close: async (options) => {
      if (stop.signal.aborted) return
      try {
        await outbox.empty(options)
      } finally {
        stop.abort()
        outbox.fail(new DdmError('internal', `${address.name} is closed`))
        await opened?.connection.close()
      }
    }
  }
}

/** A subject that no stream takes would only be found out when something was paid. */
async function checkTaken(
  to: NatsAddress,
  { manager, connection, stream, ask }: NatsOpened,
  subject: string
): Promise<void> {
  try {
    const names = manager.streams.names(subject)
    if ((await ask(names.next())).includes(to.stream)) return
  } catch (error) {
    await connection.close()
    throw natsFailure(to, error)
  }
  await connection.close()
  const takes = stream.config.subjects?.join(', ') ?? 'none'
  throw new DdmError(
    'config',
    `${to.address.name}: stream "${to.stream}" does not take "${subject}"; it takes ${takes}`
  )
}

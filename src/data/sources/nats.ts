import type { Consumer, ConsumerConfig, ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import {
  checkSubject,
  type NatsAddress,
  type NatsOpened,
  natsFailure,
  openNats,
  parseNatsAddress
} from '../brokers/nats.ts'
import { PageSize } from '../brokers/page-size.ts'
import { isLost, linger, reconnecting } from '../brokers/reconnect.ts'
import { type ProblemOptions, problems } from './problems.ts'

/** How long one question stays open when there is nothing new. */
const FETCH_MS = 30_000

/** How long a consumer of ours that nobody asks any more lives. */
const ABANDONED_MS = 60_000

const NANOSECONDS_PER_MS = 1_000_000

/** When what was not acknowledged comes again. */
const ACKNOWLEDGE_WITHIN_MS = 60_000

/** More than the log lets wait: it acknowledges block by block. */
const MAX_UNACKNOWLEDGED = 10_000

/**
 * The messages of a JetStream stream, `nats://user:password@host:4222/STREAM?subject=sensors.>`, in order. The position is
 * the number of the message in the stream, so that a later run goes on exactly after the last record that it has.
 *
 * With `durable=NAME` the server keeps the position, and gets its acknowledgement when a record is durable: for streams
 * that delete what was acknowledged. After a lost connection records may then come twice, and in another order.
 *
 * @example
 * ```ts
 * const source = natsSource('nats://broker.example/SENSORS?subject=sensors.wind.*')
 * ```
 *
 * @throws DdmError `usage` at once; when read, `unreachable` when the server does not answer at the start, `config` when
 * it does not let us in, `notFound` when it has no such stream
 */
export function natsSource(spec: string, options: ProblemOptions = {}): DataSource {
  const to = parseNatsAddress(spec, ['subject', 'durable'])
  const { address } = to
  const given = address.get('subject')
  const subject = given === undefined ? undefined : checkSubject(address, given, { wildcards: true })
  const durable = address.get('durable')
  if (durable !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(durable)) {
    throw new DdmError('usage', `${address.name}: durable "${durable}" is no name: letters, digits, _ and -`)
  }
  const problem = problems(options)
  const filter = subject === undefined ? {} : { filter_subject: subject }
  const unacknowledged = durable === undefined ? undefined : new Unacknowledged()
  return {
    name: address.name,
    finite: false,
    records: ({ signal, from } = {}) => {
      let last = from === undefined ? 0 : sequence(to, from)
      const consumer = (opened: NatsOpened): Promise<Consumer> =>
        durable === undefined ? following(to, opened, last, filter) : kept(to, opened, durable, filter)
      const read = async function* (opened: () => void): AsyncGenerator<SourceRecord> {
        const settled = (): boolean => unacknowledged?.settled ?? true
        for await (const message of receive(to, consumer, { opened, settled }, { ...(signal && { signal }) })) {
          if (unacknowledged?.isKnown(message) === true) continue
          last = message.seq
          const { data } = message
          if (data.byteLength <= MAX_RECORD_BYTES) yield { bytes: data, position: String(message.seq) }
          else {
            unacknowledged?.drop(message)
            const text = `${address.name}: message ${message.seq} has ${data.byteLength} bytes; a record has at most ${MAX_RECORD_BYTES}`
            problem(new DdmError('badRecord', text, { details: { bytes: data.byteLength, limit: MAX_RECORD_BYTES } }))
          }
        }
      }
      return reconnecting(read, signal, options)
    },
    ...(unacknowledged === undefined ? {} : { durable: (position: string) => unacknowledged.durable(Number(position)) })
  }
}

function sequence({ address }: NatsAddress, position: string): number {
  if (/^[0-9]{1,16}$/.test(position)) return Number(position)
  throw new DdmError('usage', `${address.name}: "${position}" is not a position of this source`)
}

type Filter = Partial<Pick<ConsumerConfig, 'filter_subject'>>

/** A consumer of our own that begins after a message, and that the server forgets when we are gone. */
async function following(
  { address, stream }: NatsAddress,
  { manager, ask, stream: { state } }: NatsOpened,
  last: number,
  filter: Filter
): Promise<Consumer> {
  if (state.last_seq < last) {
    const text = `${address.name}: stream "${stream}" ends at ${state.last_seq}, and ${last} was read before: it was made anew; sell it under another key`
    throw new DdmError('config', text, { details: { have: state.last_seq, need: last } })
  }
  const { AckPolicy, DeliverPolicy } = await import('@nats-io/jetstream')
  const added = manager.consumers.add(stream, {
    ...filter,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: last + 1,
    inactive_threshold: ABANDONED_MS * NANOSECONDS_PER_MS,
    mem_storage: true
  })
  return ask(added.then(({ name }) => manager.jetstream().consumers.get(stream, name)))
}

/** A consumer that the server keeps by its name. */
async function kept(
  { stream }: NatsAddress,
  { manager, ask }: NatsOpened,
  durable: string,
  filter: Filter
): Promise<Consumer> {
  const { AckPolicy } = await import('@nats-io/jetstream')
  const added = manager.consumers.add(stream, {
    ...filter,
    durable_name: durable,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ACKNOWLEDGE_WITHIN_MS * NANOSECONDS_PER_MS,
    max_ack_pending: MAX_UNACKNOWLEDGED
  })
  return ask(added.then(() => manager.jetstream().consumers.get(stream, durable)))
}

/** The messages of one connection. */
async function* receive(
  to: NatsAddress,
  open: (opened: NatsOpened) => Promise<Consumer>,
  { opened: isOpen, settled }: { opened: () => void; settled: () => boolean },
  options: AbortOptions
): AsyncGenerator<JsMsg> {
  const { signal } = options
  const opened = await openNats(to, options)
  const { connection } = opened
  let messages: ConsumerMessages | undefined
  const stop = (): void => void messages?.close()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const consumer = await open(opened)
    isOpen()
    const page = new PageSize()
    while (!connection.isClosed()) {
      messages = await consumer.fetch({ max_messages: page.items, expires: FETCH_MS })
      throwIfAborted(options)
      for await (const message of messages) {
        page.add(message.data.byteLength)
        yield message
      }
      throwIfAborted(options)
      page.turn()
    }
    throw await opened.lost()
  } catch (error) {
    if (signal?.aborted === true) throw abortedBy(signal)
    const failure = natsFailure(to, error)
    throw isLost(failure) && connection.isClosed() ? await opened.lost() : failure
  } finally {
    signal?.removeEventListener('abort', stop)
    // Messages that nobody reads any more keep their timers until they are closed.
    stop()
    await linger(() => connection.isClosed() || settled())
    await opened.end()
  }
}

/** Messages of a kept consumer, in the order in which they were handed on. */
class Unacknowledged {
  readonly #messages = new Map<number, JsMsg>()
  /** Durable, but the connection was lost before the server knew. */
  readonly #owed = new Set<number>()

  /** True when it is on its way into the log, or there; it is kept otherwise. */
  isKnown(message: JsMsg): boolean {
    const { seq } = message
    if (this.#owed.delete(seq)) {
      message.ack()
      return true
    }
    const known = this.#messages.has(seq)
    this.#messages.set(seq, message)
    return known
  }

  /** A message that becomes no record must not come again. */
  drop(message: JsMsg): void {
    this.#messages.delete(message.seq)
    message.ack()
  }

  get settled(): boolean {
    return this.#messages.size === 0
  }

  durable(position: number): void {
    for (const [seq, message] of this.#messages) {
      this.#messages.delete(seq)
      try {
        message.ack()
      } catch {
        this.#owed.add(seq)
      }
      if (seq === position) return
    }
  }
}

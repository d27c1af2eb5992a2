import { startMosquitto } from '../../test/support/mosquitto.ts'
import { startNatsServer } from '../../test/support/nats-server.ts'
import { startPeer } from '../child.ts'
import type { Contender } from '../peers.ts'

const CONTENDERS = [
  { name: 'mosquitto QoS 0', server: 'mqtt', qos: 0 },
  { name: 'mosquitto QoS 1', server: 'mqtt', qos: 1 },
  { name: 'NATS', server: 'nats', qos: 0 }
] as const

/** Servers that are not installed are left out, and said so. */
export async function brokerRounds(
  records: number,
  closers: Array<() => unknown>,
  say: (text: string) => void
): Promise<Contender[]> {
  const hooks = { after: (close: () => unknown) => closers.push(close), skip: say } as unknown as Parameters<
    typeof startMosquitto
  >[0]
  const started = async <T>(start: () => Promise<T>): Promise<T | undefined> =>
    start().catch((error: unknown) => {
      say(`${(error as Error).message}; the others go on`)
      return undefined
    })
  const servers = {
    mqtt: await started(() => startMosquitto(hooks)),
    nats: await started(() => startNatsServer(hooks))
  }
  return CONTENDERS.flatMap(({ name, server, qos }): Contender[] => {
    const port = servers[server]?.port
    if (port === undefined) return []
    const [publisher, subscriber] = ['publish', 'subscribe'].map(() => startPeer('./peers/broker-peer.ts'))
    if (publisher === undefined || subscriber === undefined) return []
    closers.push(
      () => publisher.stop(),
      () => subscriber.stop()
    )
    const at = { server, port, qos, topic: `bench${qos}` }
    return [
      {
        name,
        paid: 'no',
        // A broker that acknowledges each message is an order of magnitude slower: fewer of them say as much.
        records: qos === 0 ? records : Math.ceil(records / 10),
        round: async (wanted) => {
          await subscriber.ask({ type: 'subscribe', ...at })
          const received = subscriber.ask<number>({ type: 'receive', records: wanted })
          const [perSecond] = await Promise.all([received, publisher.ask({ type: 'publish', ...at, records: wanted })])
          return perSecond
        }
      }
    ]
  })
}

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import mqtt from 'mqtt'
import { postgresSink } from '../../src/data/sinks/postgres.ts'
import { mqttSource } from '../../src/data/sources/mqtt.ts'
import { createNode, type DdmNode } from '../../src/index.ts'
import { pour } from '../../src/node/index.ts'
import { recordsOf } from '../support/connectors.ts'
import { httpServer } from '../support/http-feed.ts'
import { keepSession, startMosquitto } from '../support/mosquitto.ts'
import { type RunningPostgres, startPostgres } from '../support/postgres.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { ddm, errorOf, type Network, refused, serve, startNetwork } from './cli-process.ts'

/** From one company's broker to another's database, paid per record. */

const FIRST = 150
const ALL = 400
let network: Network

before(async () => {
  network = await startNetwork()
})

after(() => network?.close())

async function node(name: string): Promise<DdmNode> {
  const config = { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent' as const }
  const home = join(network.folder, name)
  const made = await createNode({ home, network: network.profile, insecureDevKeys: true, config })
  await made.listings.synced()
  return made
}

test('readings of an MQTT topic are sold as they come, and every one is once in the PostgreSQL table of the buyer', async (t) => {
  const broker = await startMosquitto(t)
  const database = await startPostgres(t)
  if (broker === undefined || database === undefined) return
  const seller = await node('seller')
  let buyer = await node('buyer')
  try {
    await keepSession(broker.port, 'harbour', 'harbour/+', 5)
    const publisher = await mqtt.connectAsync({ port: broker.port, host: '127.0.0.1' })
    t.after(() => publisher.endAsync(true))
    const source = mqttSource(`mqtt://127.0.0.1:${broker.port}/harbour/+?client=harbour`)
    const sale = await seller.sell({ title: 'Harbour readings', price: '0.0001', source })
    const buy = async (at: bigint, records: number): Promise<void> => {
      await buyer.listings.synced()
      const sink = await postgresSink(`${database.url}?table=readings`)
      const mark = await sink.mark?.()
      const purchase = buyer.buy(sale.listing, { records, from: at, max: '1', ...(mark === undefined ? {} : { mark }) })
      await pour(purchase, sink)
      const { due, paid } = await purchase.done
      assert.deepEqual([due, paid], [100n * BigInt(records), 100n * BigInt(records)])
      await sink.close()
    }
    const bought = buy(0n, FIRST)
    for (const text of recordsOf(0, ALL)) await publisher.publishAsync('harbour/wind', text, { qos: 1 })
    await bought
    // Another day: some of it is bought again, and is there once.
    await buyer.stop()
    buyer = await node('buyer')
    await buy(BigInt(FIRST - 10), ALL - FIRST + 10)
    const rows = await database.query('SELECT record FROM readings ORDER BY "offset"')
    assert.deepEqual(
      rows.map(([record]) => JSON.stringify(record)),
      recordsOf(0, ALL)
    )
  } finally {
    await buyer.stop()
    await seller.stop()
  }
})

test('the same by the command line: ddm sell --source mqtt://…, ddm buy --to postgres://…, killed in between and resumed', async (t) => {
  const broker = await startMosquitto(t)
  const database = await startPostgres(t)
  if (broker === undefined || database === undefined) return
  await keepSession(broker.port, 'quay', 'quay/+', 5)
  const publisher = await mqtt.connectAsync({ port: broker.port, host: '127.0.0.1' })
  t.after(() => publisher.endAsync(true))
  const selling = serve([
    'sell',
    '--name',
    'Quay readings',
    '--price',
    '0.0001/record',
    '--source',
    `mqtt://127.0.0.1:${broker.port}/quay/+?client=quay`,
    ...network.as('mqtt-seller')
  ])
  const listed = await selling.event('listed')
  try {
    const to = `${database.url}?table=quay`
    const flags = [...network.as('postgres-buyer'), '--json']
    const rows = async (): Promise<string[]> => {
      // The table is the sink's to make.
      const all = await database.query('SELECT record FROM quay ORDER BY "offset"').catch(() => [])
      return all.map(([record]) => JSON.stringify(record))
    }
    for (const text of recordsOf(0, ALL / 2)) await publisher.publishAsync('quay/wind', text, { qos: 1 })
    // Most of it is there, and paid for, when the buyer's machine fails.
    const wish = ['buy', String(listed.listing), '--from', '0', '-n', String(ALL), '--max', '1', '--to', to]
    await ddm([...wish, ...flags], {
      onStart: (child) => {
        // One question after the other: the server takes few connections, and the buyer needs one.
        const look = async (): Promise<void> => {
          while ((await rows()).length < ALL / 4 && child.exitCode === null) await delay(20)
          child.kill('SIGKILL')
        }
        void look()
      }
    })
    const list = await ddm(['sessions', 'list', ...flags])
    const { session } = JSON.parse(list.stdout.trim()) as { session: string }
    const unnamed = await ddm(['sessions', 'resume', session, ...flags])
    assert.match(errorOf(unnamed).message, /name it again with --to/)
    for (const text of recordsOf(ALL / 2, ALL)) await publisher.publishAsync('quay/wind', text, { qos: 1 })
    const resumed = await ddm(['sessions', 'resume', session, '--to', to, ...flags])
    assert.equal(resumed.code, 0, resumed.stderr)
    assert.deepEqual(await rows(), recordsOf(0, ALL))
    const { due, paid } = JSON.parse(resumed.stderr.trimEnd().split('\n').at(-1) ?? '') as Record<string, string>
    assert.deepEqual([due, paid], ['0.04', '0.04'])
    assert.doesNotMatch(list.stdout + resumed.stderr, /secret|password/)
  } finally {
    assert.equal((await selling.stop()).code, 0)
  }
})

/** Ends a command that goes on for ever after it was asked to end: its exit code is null then. */
const FOR_EVER_MS = 60_000

interface Outage {
  begin: (database: RunningPostgres, proxy: TcpProxy) => Promise<void> | void
  end: (database: RunningPostgres, proxy: TcpProxy) => Promise<void> | void
}

const OUTAGES: Record<string, Outage> = {
  'is down': { begin: (database) => database.kill('SIGQUIT'), end: (database) => database.start() },
  hangs: { begin: (_database, proxy) => proxy.freeze(), end: (_database, proxy) => proxy.thaw() }
}

for (const [what, { begin, end }] of Object.entries(OUTAGES)) {
  test(`Ctrl-C on ddm buy --to a server that ${what}: one signal ends it, due is paid, and nothing is lost`, async (t) => {
    const database = await startPostgres(t)
    if (database === undefined) return
    const proxy = await tcpProxy(t, database.port)
    const name = what.replace(' ', '-')
    const product = ['--name', `Live ${name}`, '--price', '0.0001/record', '--source', 'telemetry', '--period', '20ms']
    const selling = serve(['sell', ...product, ...network.as(`seller-${name}`)])
    try {
      const { listing } = await selling.event('listed')
      const url = new URL(database.url)
      url.port = String(proxy.port)
      const flags = ['--to', `${url}?table=live`, '--json', ...network.as(`buyer-${name}`)]
      const rows = async (): Promise<number[]> => {
        const all = await database.query('SELECT "offset" FROM live ORDER BY "offset"').catch(() => [])
        return all.map(([offset]) => Number(offset))
      }
      const interrupted = await ddm(['buy', String(listing), ...flags], {
        onStart: (child) =>
          void (async () => {
            while ((await rows()).length < 20) await delay(20, undefined, { signal: t.signal })
            await begin(database, proxy)
            // Records come meanwhile that nobody takes.
            await delay(1_000)
            child.kill('SIGINT')
            const timer = setTimeout(() => child.kill('SIGKILL'), FOR_EVER_MS)
            child.once('exit', () => clearTimeout(timer))
          })().catch(() => child.kill('SIGKILL'))
      })
      refused(interrupted, 'aborted', /took no more records.*ddm sessions resume bafyrei[a-z0-9]+ --to/)
      await end(database, proxy)
      const before = await rows()
      const { session = '' } = errorOf(interrupted).details
      const shown = await ddm(['sessions', 'show', session, '--json', ...flags.slice(2)])
      const { due, paid, records: stored } = JSON.parse(shown.stdout) as { due: string; paid: string; records: number }
      assert.ok(Number(due) > 0 && Number(paid) >= Number(due), `due ${due}, paid ${paid}`)
      const first = before[0] ?? Number.NaN
      assert.ok(stored <= before.length, `${stored} count as stored, ${before.length} are there`)

      const resumed = await ddm(['sessions', 'resume', session, ...flags])
      assert.equal(resumed.code, 0, resumed.stderr)
      const { records } = JSON.parse(resumed.stderr.trim().split('\n').at(-1) ?? '') as { records: number }
      assert.ok(records > before.length, 'some came while nobody took them')
      assert.deepEqual(
        await rows(),
        Array.from({ length: records }, (_, i) => first + i)
      )
    } finally {
      assert.equal((await selling.stop()).code, 0)
    }
  })
}

interface Receiver {
  to: string
  proxy: TcpProxy
  /** What has come, each once. */
  texts: Set<string>
}

const RECEIVERS: Record<string, (t: TestContext) => Promise<Receiver | undefined>> = {
  webhook: async (t) => {
    const texts = new Set<string>()
    const server = await httpServer(t, (request, response, body) => {
      const records = request.method === 'POST' ? (JSON.parse(body) as unknown[]) : []
      for (const record of records) texts.add(JSON.stringify(record))
      response.writeHead(204).end()
    })
    const proxy = await tcpProxy(t, server.port)
    return { to: `http://127.0.0.1:${proxy.port}/live`, proxy, texts }
  },
  broker: async (t) => {
    const broker = await startMosquitto(t)
    if (broker === undefined) return undefined
    const texts = new Set<string>()
    const subscriber = await mqtt.connectAsync({ port: broker.port, host: '127.0.0.1' })
    t.after(() => subscriber.endAsync(true))
    subscriber.on('message', (_topic, payload) => void texts.add(payload.toString()))
    await subscriber.subscribeAsync('live', { qos: 1 })
    const proxy = await tcpProxy(t, broker.port)
    return { to: `mqtt://127.0.0.1:${proxy.port}/live`, proxy, texts }
  }
}

for (const [what, start] of Object.entries(RECEIVERS)) {
  test(`Ctrl-C on ddm buy --to a ${what} that hangs: what it did not take comes again with the session`, async (t) => {
    const receiver = await start(t)
    if (receiver === undefined) return
    const { to, proxy, texts } = receiver
    const product = ['--name', `Live ${what}`, '--price', '0.0001/record', '--source', 'telemetry', '--period', '20ms']
    const selling = serve(['sell', ...product, ...network.as(`seller-${what}`)])
    try {
      const { listing } = await selling.event('listed')
      const flags = ['--to', to, '--json', ...network.as(`buyer-${what}`)]
      const interrupted = await ddm(['buy', String(listing), ...flags], {
        onStart: (child) =>
          void (async () => {
            while (texts.size < 20) await delay(20, undefined, { signal: t.signal })
            proxy.freeze()
            await delay(1_000)
            child.kill('SIGINT')
            const timer = setTimeout(() => child.kill('SIGKILL'), FOR_EVER_MS)
            child.once('exit', () => clearTimeout(timer))
          })().catch(() => child.kill('SIGKILL'))
      })
      refused(interrupted, 'aborted', /took no more records.*ddm sessions resume bafyrei[a-z0-9]+ --to/)
      proxy.thaw()
      const { session = '' } = errorOf(interrupted).details
      const resumed = await ddm(['sessions', 'resume', session, ...flags])
      assert.equal(resumed.code, 0, resumed.stderr)
      const { records } = JSON.parse(resumed.stderr.trim().split('\n').at(-1) ?? '') as { records: number }
      while (texts.size < records) await delay(20, undefined, { signal: t.signal })
      assert.equal(texts.size, records)
    } finally {
      assert.equal((await selling.stop()).code, 0)
    }
  })
}

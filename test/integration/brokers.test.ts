import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import mqtt from 'mqtt'
import { postgresSink } from '../../src/data/sinks/postgres.ts'
import { mqttSource } from '../../src/data/sources/mqtt.ts'
import { createNode, type DdmNode } from '../../src/index.ts'
import { pour } from '../../src/node/index.ts'
import { recordsOf } from '../support/connectors.ts'
import { keepSession, startMosquitto } from '../support/mosquitto.ts'
import { startPostgres } from '../support/postgres.ts'
import { ddm, errorOf, type Network, serve, startNetwork } from './cli-process.ts'

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
        const timer = setInterval(() => {
          void rows().then((found) => {
            if (found.length >= ALL / 4) child.kill('SIGKILL')
          })
        }, 20)
        child.once('exit', () => clearInterval(timer))
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

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
import { type Network, startNetwork } from './cli-process.ts'

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

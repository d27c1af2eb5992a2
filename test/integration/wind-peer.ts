import { setTimeout as delay } from 'node:timers/promises'
import { createNode, type DataSource } from '../../src/index.ts'

/**
 * A seller of wind that all of its kind measure alike, one record for each 50 ms of the clock. The third argument is the
 * title, then the price; `bad` as the fifth makes every tenth record break the schema, without a check of the seller's own.
 */
const [home = '', network = '', title = '', price = '', kind = 'good'] = process.argv.slice(2)
const PERIOD_MS = 50

const wind: DataSource = {
  name: 'wind',
  finite: false,
  async *records({ signal } = {}) {
    let next = Math.floor(Date.now() / PERIOD_MS)
    for (;;) {
      while (next <= Date.now() / PERIOD_MS) {
        const n = kind === 'bad' && next % 10 === 0 ? 'broken' : next
        const record = { time: new Date(next * PERIOD_MS).toISOString(), n, speed: next % 20 }
        yield { bytes: Buffer.from(JSON.stringify(record)) }
        next++
      }
      await delay(PERIOD_MS / 2, undefined, signal === undefined ? {} : { signal })
    }
  }
}

const jsonSchema = {
  type: 'object',
  properties: { time: { type: 'string', format: 'date-time' }, n: { type: 'integer' }, speed: { type: 'number' } },
  required: ['time', 'n', 'speed']
}

const config = { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'error' as const }
const node = await createNode({ home, network, insecureDevKeys: true, config })
const { listing } = await node.sell({
  title,
  price,
  source: wind,
  credit: '0.01',
  checkSchema: kind !== 'bad',
  document: { schema: { encoding: 'json', jsonSchema }, cadence: { mode: 'periodic', periodMs: PERIOD_MS } }
})
process.stdout.write(`${listing.id}\n`)
process.once('SIGTERM', () => void node.stop())

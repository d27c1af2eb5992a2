import type { TestContext } from 'node:test'
import { MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { PASSWORD, startPostgres } from '../../support/postgres.ts'
import { freePort } from '../../support/server.ts'
import { sharedServer } from '../../support/shared-server.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { dataSinkCompliance } from './data-sink.ts'
import { dataSourceCompliance } from './data-source.ts'

/** Against the real PostgreSQL. */

const server = sharedServer((t) => startPostgres(t))
let worlds = 0

async function startTable(t: TestContext, columns?: string) {
  const running = await server(t)
  if (running === undefined) return undefined
  const { url, port, query } = running
  const table = `t${++worlds}`
  if (columns !== undefined) await query(`CREATE TABLE ${table} (${columns})`)
  const proxy = await tcpProxy(t, port)
  return { proxy, query, table, url: `${url.replace(`:${port}/`, `:${proxy.port}/`)}?table=${table}` }
}

async function refused(t: TestContext) {
  const running = await server(t)
  if (running === undefined) return []
  const { url, port } = running
  const closed = await freePort()
  const of = '?table=t&cursor=n'
  return [
    {
      spec: `postgres://ann:secret@127.0.0.1:${closed}/market${of}`,
      code: 'unreachable' as const,
      message: new RegExp(`127\\.0\\.0\\.1:${closed}.*nothing listens there`)
    },
    {
      spec: `${url.replace(PASSWORD, 'secret')}${of}`,
      code: 'config' as const,
      message: /does not let us in as user "ann"/
    },
    { spec: `${url.replace('/market', '/none')}${of}`, code: 'notFound' as const, message: /no database "none"/ },
    { spec: `postgres://ann:secret@127.0.0.1:${port}/market`, code: 'usage' as const }
  ]
}

dataSourceCompliance('PostgreSQL', {
  able: ['cut', 'oversized', 'flood'],
  resumes: true,
  start: async (t) => {
    const made = await startTable(t, 'n int PRIMARY KEY, more text')
    if (made === undefined) return undefined
    const { proxy, query, table, url } = made
    return {
      spec: `${url}&cursor=n&poll=20ms`,
      send: async (from, to) =>
        void (await query(`INSERT INTO ${table} SELECT i FROM generate_series($1::int, $2::int) AS i`, [from, to - 1])),
      sent: (text) => JSON.stringify({ n: (JSON.parse(text) as { n: number }).n }),
      cut: proxy.cut,
      oversized: async () =>
        void (await query(`INSERT INTO ${table} VALUES (-1, repeat('x', $1))`, [MAX_RECORD_BYTES])),
      flood: async () => {
        await query(`INSERT INTO ${table} SELECT i, repeat('x', 500000) FROM generate_series(1, 120) AS i`)
        return proxy.relayed
      }
    }
  },
  refused
})

dataSinkCompliance('PostgreSQL', {
  able: ['hold', 'cut'],
  start: async (t) => {
    const made = await startTable(t)
    if (made === undefined) return undefined
    const { proxy, query, table, url } = made
    return {
      spec: url,
      arrived: async () =>
        (await query(`SELECT record FROM ${table} ORDER BY "offset"`)).map(([record]) => JSON.stringify(record)),
      hold: proxy.freeze,
      release: proxy.thaw,
      cut: proxy.cut
    }
  },
  // A sink has no cursor.
  refused: async (t) => (await refused(t)).map((one) => ({ ...one, spec: one.spec.replace('&cursor=n', '') }))
})

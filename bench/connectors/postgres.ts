import pg from 'pg'
import { postgresSink } from '../../src/data/sinks/postgres.ts'
import { postgresSource } from '../../src/data/sources/postgres.ts'
import { startPostgres } from '../../test/support/postgres.ts'
import { type Connector, readAll, recordText, writeAll } from './case.ts'

const PAGE = 1_000
const BATCH = 256

export const postgresCases: Connector = async function* (closers, records) {
  const server = await startPostgres(closers)
  if (server === undefined) return
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  closers.after(() => client.end())
  yield {
    name: 'postgres sink',
    prepare: async (round) =>
      void (await client.query(
        `CREATE TABLE out${round} ("offset" bigint PRIMARY KEY, record jsonb NOT NULL, received_at timestamptz NOT NULL DEFAULT now())`
      )),
    ours: async (round) => writeAll(await postgresSink(`${server.url}?table=out${round}`), records),
    bare: async (round) => {
      const insert = `INSERT INTO out${round} ("offset", record) SELECT * FROM unnest($1::bigint[], $2::jsonb[])`
      for (let first = 0; first < records; first += BATCH) {
        const numbers = Array.from({ length: Math.min(BATCH, records - first) }, (_, i) => first + i)
        await client.query(insert, [numbers, numbers.map(recordText)])
      }
    }
  }
  await client.query('CREATE TABLE readings (id int PRIMARY KEY, at timestamptz DEFAULT now(), wind float8, note text)')
  await client.query(
    `INSERT INTO readings (id, wind, note) SELECT i, i / 10.0, repeat('x', 120) FROM generate_series(1, $1::int) AS i`,
    [records]
  )
  yield {
    name: 'postgres source',
    prepare: async () => {},
    ours: () => readAll(postgresSource(`${server.url}?table=readings&cursor=id`), records),
    bare: async () => {
      let last = 0
      for (let count = 0; count < records; ) {
        const { rows } = await client.query<{ id: number }>(
          'SELECT * FROM readings WHERE id > $1 ORDER BY id LIMIT $2',
          [last, PAGE]
        )
        for (const row of rows) Buffer.from(JSON.stringify(row))
        count += rows.length
        last = rows.at(-1)?.id ?? last
      }
    }
  }
}

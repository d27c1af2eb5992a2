import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { postgresSink } from '../../../src/data/sinks/postgres.ts'
import { postgresSource } from '../../../src/data/sources/postgres.ts'
import type { DataSink } from '../../../src/interface/index.ts'
import { collect, recordsOf } from '../../support/connectors.ts'
import { lyingServer, sendForEver } from '../../support/lying-server.ts'
import { PASSWORD, startPostgres } from '../../support/postgres.ts'
import { freePort } from '../../support/server.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'

/** Against the real PostgreSQL. */

const write = (sink: DataSink, from: number, to: number): Promise<void> =>
  sink.write(recordsOf(from, to).map((text, i) => ({ offset: BigInt(from + i), bytes: Buffer.from(text) })))

const numbers = (texts: string[]): number[] => texts.map((text) => (JSON.parse(text) as { n: number }).n)
const upTo = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

test('rows are read in the order of their cursor; a later run goes on after its position', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query('CREATE TABLE "odd ""name""; --" ("the id" int PRIMARY KEY, n int)')
  await server.query('INSERT INTO "odd ""name""; --" SELECT i, i FROM generate_series(2999, 0, -1) AS i')
  const spec = `${server.url}?table=${encodeURIComponent('odd "name"; --')}&cursor=the+id&poll=20ms`.replace('+', '%20')
  const source = postgresSource(spec)
  assert.equal(source.name, `postgres://127.0.0.1:${server.port}/market?table=odd "name"; --&cursor=the id`)
  const { texts, position } = await collect(source, { until: (all) => all.length >= 2_500 })
  assert.deepEqual(numbers(texts), upTo(0, 2_500))
  assert.equal(texts[0], '{"the id":0,"n":0}')
  assert.equal(position, '2499')
  const reading = collect(postgresSource(spec), { until: (all) => all.length >= 600, from: position })
  await server.query('INSERT INTO "odd ""name""; --" SELECT i, i FROM generate_series(3000, 3199) AS i')
  assert.deepEqual(numbers((await reading).texts), upTo(2_500, 3_100))
})

test('values keep what JavaScript would change', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query(`CREATE TABLE v (at timestamptz PRIMARY KEY, small int8, large int8, exact numeric, long numeric, half float8,
    nan float8, yes bool, no_zone timestamp, day date, nested jsonb, raw json, word text, bytes bytea, nothing int, list int[])`)
  await server.query(`SET timezone = 'Asia/Tokyo'`)
  await server.query(`INSERT INTO v VALUES ('2026-01-31 12:00:00.123456+01', 42, 9007199254740993, 1.50, 12345678901234567.89, 0.1,
    'NaN', true, '2026-01-31 12:00:00', '2026-01-31', '{"a": 12345678901234567890}', '[1.0]', 'a "b"', '\\x00ff', NULL, '{1,2}')`)
  const { texts, position } = await collect(postgresSource(`${server.url}?table=public.v&cursor=at`), {
    until: () => true
  })
  assert.equal(position, '2026-01-31 11:00:00.123456+00')
  assert.equal(
    texts[0],
    '{"at":"2026-01-31T11:00:00.123456Z","small":42,"large":"9007199254740993","exact":1.50,"long":"12345678901234567.89",' +
      '"half":0.1,"nan":"NaN","yes":true,"no_zone":"2026-01-31T12:00:00","day":"2026-01-31","nested":{"a": 12345678901234567890},' +
      '"raw":[1.0],"word":"a \\"b\\"","bytes":"\\\\x00ff","nothing":null,"list":"{1,2}"}'
  )
})

test('a row whose transaction is late is not passed over', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query('CREATE TABLE r (id int PRIMARY KEY, n int)')
  const reading = collect(postgresSource(`${server.url}?table=r&cursor=id&poll=10ms`), {
    until: (all) => all.length >= 4
  })
  await server.query('INSERT INTO r VALUES (1, 1)')
  const late = new pg.Client({ connectionString: server.url })
  await late.connect()
  await late.query('BEGIN')
  await late.query('INSERT INTO r VALUES (2, 2)')
  await server.query('INSERT INTO r VALUES (3, 3), (4, 4)')
  // Many polls.
  await new Promise((resolve) => setTimeout(resolve, 200))
  await late.query('COMMIT')
  await late.end()
  assert.deepEqual(numbers((await reading).texts), [1, 2, 3, 4])
})

test('a notification wakes the source long before it polls', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query('CREATE TABLE r (id int PRIMARY KEY, n int)')
  const reading = collect(postgresSource(`${server.url}?table=r&cursor=id&poll=60m&notify=New%20rows`), {
    until: (all) => all.length >= 3
  })
  for (let n = 1; n <= 3; n++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    await server.query('INSERT INTO r VALUES ($1, $1)', [n])
    await server.query('NOTIFY "New rows"')
  }
  assert.deepEqual(numbers((await reading).texts), [1, 2, 3])
})

test('crashed servers and cut connections lose nothing, repeat nothing and change no order', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  const proxy = await tcpProxy(t, server.port)
  await server.query('CREATE TABLE r (id int PRIMARY KEY, n int)')
  const insert = (from: number, to: number): Promise<unknown> =>
    server.query('INSERT INTO r SELECT i, i FROM generate_series($1::int, $2::int) AS i', [from, to - 1])
  const spec = `${server.url.replace(String(server.port), String(proxy.port))}?table=r&cursor=id&poll=10ms`
  let cuts = 0
  const begun = Promise.withResolvers<void>()
  const reading = collect(postgresSource(spec), {
    until: (all) => {
      begun.resolve()
      if (all.length % 150 === 0) {
        cuts += 1
        proxy.cut()
      }
      return all.length >= 1_000
    }
  })
  await insert(0, 500)
  // The first connection must succeed.
  await begun.promise
  await server.kill('SIGQUIT')
  await server.start()
  await insert(500, 1_000)
  assert.deepEqual(numbers((await reading).texts), upTo(0, 1_000))
  assert.equal(cuts, 6)
})

test('a slow reader holds the server back instead of filling memory', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query('CREATE TABLE r (id int PRIMARY KEY, filler text)')
  await server.query(`INSERT INTO r SELECT i, repeat('x', 500000) FROM generate_series(1, 120) AS i`)
  const proxy = await tcpProxy(t, server.port)
  const stop = new AbortController()
  const spec = `${server.url.replace(String(server.port), String(proxy.port))}?table=r&cursor=id`
  const reader = postgresSource(spec).records({ signal: stop.signal })[Symbol.asyncIterator]()
  await reader.next()
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.ok(proxy.relayed() < 12_000_000, `${proxy.relayed()} bytes of 60,000,000 were taken unread`)
  for (let n = 1; n < 120; n++) assert.equal((await reader.next()).value?.position, String(n + 1))
  const waiting = reader.next()
  stop.abort()
  await assert.rejects(waiting, { code: 'aborted' })
})

test('the sink makes its table and writes each record once, over crashes and cuts', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  const proxy = await tcpProxy(t, server.port)
  const sink = await postgresSink(`${server.url.replace(String(server.port), String(proxy.port))}?table=bought`)
  const stored = async (): Promise<string> => String((await server.query('SELECT count(*) FROM bought'))[0]?.[0])
  for (let n = 0; n < 5; n++) {
    const writing = write(sink, n * 100, n * 100 + 100)
    proxy.cut()
    await writing
  }
  assert.equal(await stored(), '500')
  await server.kill('SIGQUIT')
  const writing = write(sink, 500, 600)
  await server.start()
  await writing
  // As after a cut: what is paid and was not committed comes again.
  await write(sink, 550, 3_000)
  await sink.flush()
  assert.deepEqual(JSON.parse((await sink.mark?.()) ?? ''), { to: sink.name, next: '3000' })
  await sink.close()
  await sink.close()
  assert.equal(await stored(), '3000')
  assert.deepEqual(await server.query('SELECT record FROM bought WHERE "offset" = 7'), [[{ n: 7 }]])
  const again = await postgresSink(`${server.url}?table=bought`)
  await write(again, 0, 10)
  const other = again.write([{ offset: 3n, bytes: Buffer.from('{"n":4}') }])
  await assert.rejects(other, {
    code: 'config',
    message: /holds another record at offset 3; give each product its own/
  })
  await assert.rejects(again.close(), { code: 'config' })
})

test('a server that hangs is left: a reader that leaves, a sink that is stopped', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query('CREATE TABLE r (id int PRIMARY KEY, n int)')
  await server.query('INSERT INTO r VALUES (1, 1)')
  const through = async () => {
    const proxy = await tcpProxy(t, server.port)
    return { proxy, url: server.url.replace(String(server.port), String(proxy.port)) }
  }
  const read = await through()
  await collect(postgresSource(`${read.url}?table=r&cursor=id`), {
    until: () => {
      read.proxy.freeze()
      return true
    }
  })

  const record = { offset: 0n, bytes: Buffer.from('1') }
  const stopped = await through()
  const sink = await postgresSink(`${stopped.url}?table=bought`)
  stopped.proxy.freeze()
  const stop = new AbortController()
  const writing = sink.write([record], { signal: stop.signal })
  const flushing = sink.flush({ signal: stop.signal })
  stop.abort()
  for (const work of [writing, flushing, sink.close()]) await assert.rejects(work, { code: 'aborted' })

  const closed = await through()
  const other = await postgresSink(`${closed.url}?table=bought`)
  closed.proxy.freeze()
  const unstopped = other.write([record])
  const closing = other.close({ signal: AbortSignal.abort() })
  for (const work of [unstopped, closing]) await assert.rejects(work, { code: 'aborted' })
})

test('a reader that stops before there is a connection opens none, and leaves one that is being opened', async (t) => {
  let asked = 0
  const stop = [new AbortController(), new AbortController()] as const
  const proxy = await tcpProxy(t, 1, () => {
    asked += 1
    stop[1].abort()
    return Buffer.alloc(0)
  })
  const next = ({ signal }: AbortController): Promise<unknown> =>
    postgresSource(`postgres://ann@127.0.0.1:${proxy.port}/market?table=r&cursor=id`)
      .records({ signal })
      [Symbol.asyncIterator]()
      .next()
  const waiting = next(stop[0])
  stop[0].abort()
  await assert.rejects(waiting, { code: 'aborted' })
  assert.equal(asked, 0)
  await assert.rejects(next(stop[1]), { code: 'aborted' })
  assert.equal(asked, 1)
})

test('any bytes of a stranger are stored, also those that jsonb does not take', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  const sink = await postgresSink(`${server.url}?table=bought`)
  const texts = [
    '{"a":"\\u0000"}',
    '"\\ud800"',
    '1e999999',
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    'plain',
    '{"b":1}',
    '\0'
  ]
  await sink.write(texts.map((text, i) => ({ offset: BigInt(i), bytes: Buffer.from(text) })))
  await sink.write([{ offset: 7n, bytes: Buffer.from([0xff, 0x00]) }])
  await sink.close()
  const rows = (await server.query('SELECT record FROM bought ORDER BY "offset"')).map(([record]) => record)
  const base64 = (text: string) => ({ base64: Buffer.from(text).toString('base64') })
  const deep = rows[3]
  assert.deepEqual(rows.toSpliced(3, 1), [
    ...texts.slice(0, 3).map(base64),
    'plain',
    { b: 1 },
    base64('\0'),
    { base64: '/wA=' }
  ])
  assert.ok(deep !== undefined)
})

test('a server that is down, a wrong password, and what is not there are said clearly and without the password', async (t) => {
  const port = await freePort()
  const check = (code: string, message: RegExp) => (error: Error & { code: string }) => {
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /geheim|falsch/)
    return true
  }
  const reads = (spec: string, code: string, message: RegExp): Promise<void> =>
    assert.rejects(async () => collect(postgresSource(spec), { until: () => true }), check(code, message))
  const writes = (spec: string, code: string, message: RegExp): Promise<void> =>
    assert.rejects(() => postgresSink(spec), check(code, message))
  const down = `postgres://ann:geheim@127.0.0.1:${port}/market?table=r`
  await reads(`${down}&cursor=id`, 'unreachable', /does not answer: nothing listens there/)
  await writes(down, 'unreachable', /does not answer: nothing listens there/)
  await reads(down, 'usage', /add \?cursor=/)
  await writes('postgres://ann:geheim@host/market', 'usage', /add \?table=/)
  await writes('postgres://ann:geheim@host?table=r', 'usage', /add the name of the database/)
  await writes(`postgres://ann:geheim@host/market?table=${'x'.repeat(64)}`, 'usage', /is no name/)
  await reads(`${down}&cursor=id&poll=often`, 'usage', /poll "often" is no time/)
  await writes(`${down}&sslmode=maybe`, 'usage', /sslmode "maybe" is not one of/)

  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query('CREATE TABLE r (id int PRIMARY KEY, maybe int UNIQUE, twice int NOT NULL, shape point NOT NULL)')
  await server.query('CREATE TABLE word (w varchar(9) PRIMARY KEY)')
  await server.query(`INSERT INTO word VALUES ('a')`)
  const wrong = server.url.replace(PASSWORD, 'falsch')
  await reads(`${wrong}?table=r&cursor=id`, 'config', /does not let us in as user "ann": wrong user name or password/)
  await writes(`${wrong}?table=r`, 'config', /does not let us in as user "ann"/)
  await writes(`${server.url.replace(`:${PASSWORD}`, '')}?table=r`, 'config', /asks for a password, and there is none/)
  await reads(`${server.url}x?table=r&cursor=id`, 'notFound', /there is no database "marketx"/)
  await writes(`${server.url}x?table=r`, 'notFound', /there is no database "marketx"/)
  await reads(`${server.url}?table=nobody&cursor=id`, 'notFound', /there is no table "nobody"/)
  await reads(`${server.url}?table=r&cursor=nothing`, 'notFound', /table "r" has no column "nothing"/)
  await reads(`${server.url}?table=r&cursor=shape`, 'config', /has the type point, which has no order/)
  await reads(`${server.url}?table=r&cursor=maybe`, 'config', /may be null/)
  await reads(`${server.url}?table=r&cursor=twice`, 'config', /is not unique/)
  await writes(
    `${server.url}?table=r`,
    'config',
    /does not take records, for which it needs "offset" bigint PRIMARY KEY/
  )
  await writes(`${server.url}?table=no.such`, 'notFound', /there is no table "no\.such"/)
  const { texts } = await collect(postgresSource(`${server.url}?table=word&cursor=w`), { until: () => true })
  assert.deepEqual(texts, ['{"w":"a"}'])
})

/** As PostgreSQL frames its messages: a letter, and the length of what follows. */
function message(letter: string, body: Buffer, length = body.byteLength + 4): Buffer {
  const head = Buffer.alloc(5)
  head.write(letter, 'latin1')
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, body])
}

test('a row of 200 MB is not asked for: it is left out or ends the source, by its cursor, and large rows come few at a time', async (t) => {
  const server = await startPostgres(t)
  if (server === undefined) return
  await server.query('CREATE TABLE r (id int PRIMARY KEY, filler text)')
  await server.query(`INSERT INTO r SELECT i, 'x' FROM generate_series(1, 200) AS i`)
  await server.query(`INSERT INTO r VALUES (201, repeat('x', 200000000))`)
  await server.query(`INSERT INTO r SELECT i, repeat('"', 500000) FROM generate_series(202, 299) AS i`)
  const proxy = await tcpProxy(t, server.port)
  const spec = `${server.url.replace(String(server.port), String(proxy.port))}?table=r&cursor=id`
  await assert.rejects(collect(postgresSource(spec), { until: () => false }), {
    code: 'badRecord',
    message: /the row with id 201 has 2000000[0-9]+ bytes; a record has at most 1048512/
  })
  const reader = postgresSource(spec, { onError: 'skip' }).records()[Symbol.asyncIterator]()
  const ids: number[] = []
  // Small rows made the page long: the first of the large ones must not come by the hundred.
  while (ids.at(-1) !== 202) ids.push(Number((await reader.next()).value?.position))
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.ok(proxy.relayed() < 16_000_000, `${proxy.relayed()} bytes were taken`)
  while (ids.length < 298) ids.push(Number((await reader.next()).value?.position))
  assert.deepEqual(ids, [...upTo(1, 201), ...upTo(202, 300)])
  await reader.return?.()
})

for (const [what, lie, said] of [
  ['a row whose length is 2 GB', message('D', Buffer.alloc(0), 0x7fff_ffff), /a message of more than 4194304 bytes/],
  [
    'a row whose length is less than nothing',
    message('D', Buffer.alloc(0), 0xffff_ffff),
    /a message of more than 4194304 bytes/
  ],
  [
    'rows without end',
    message('D', Buffer.concat([Buffer.from([0, 1, 0, 0, 1, 0]), Buffer.alloc(256, 0x20)])),
    /an answer of more than 16777216 bytes/
  ]
] as const) {
  test(`a server that sends ${what} is left before it has sent it`, async (t) => {
    const open = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))])
    const lying = await lyingServer(t, (socket) => {
      socket.once('data', () => {
        socket.write(open)
        socket.once('data', () => {
          socket.write(lie)
          sendForEver(socket, what === 'rows without end' ? lie : undefined)
        })
      })
    })
    const spec = `postgres://ann@127.0.0.1:${lying.port}/market?table=r`
    const refused = { code: 'config', message: said }
    await assert.rejects(collect(postgresSource(`${spec}&cursor=id`), { until: () => true }), refused)
    await assert.rejects(postgresSink(spec), refused)
    assert.ok(lying.sent() < 2 * 32 * 1024 * 1024, `${lying.sent()} bytes were taken`)
  })
}

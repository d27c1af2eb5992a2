import assert from 'node:assert/strict'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { fileSink, parseSink, parseSource, resumeFileSink, type SinkOptions } from '../../../src/data/index.ts'
import type { DataRecord } from '../../../src/interface/index.ts'
import { collect } from '../../support/connectors.ts'
import { httpServer } from '../../support/http-feed.ts'
import { tempDir } from '../../support/temp-dir.ts'

const recordsFrom = (texts: Array<string | Uint8Array>, first = 0): DataRecord[] =>
  texts.map((text, index) => ({ offset: BigInt(first + index), bytes: Buffer.from(text) }))

async function fileOf(t: TestContext, ending: string): Promise<string> {
  return join(await tempDir(t), `out.${ending}`)
}

async function written(file: string, texts: Array<string | Uint8Array>, options?: SinkOptions): Promise<string> {
  const sink = await parseSink(file, options)
  await sink.write(recordsFrom(texts))
  await sink.close()
  return readFile(file, 'utf8')
}

const readBack = async (spec: string): Promise<string[]> =>
  (await collect(await parseSource(spec), { until: () => false })).texts

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false
  )

test('csv: columns by the first record, or as the listing has them; what needs quotes has them', async (t) => {
  assert.equal(
    await written(await fileOf(t, 'csv'), [
      '{"a":"x, y","b,":1.50,"c":{"d":[1]},"e":null,"f":""}',
      '{"e":true,"a":"two\\nlines \\"quoted\\"","b,":12345678901234567890}'
    ]),
    'a,"b,",c,e,f\n"x, y",1.5,"{""d"":[1]}",,""\n"two\nlines ""quoted""",12345678901234567890,,true,\n'
  )
  assert.equal(await written(await fileOf(t, 'csv'), ['{"b":1}'], { columns: ['a', 'b'] }), 'a,b\n,1\n')
  assert.equal(
    await written(await fileOf(t, 'csv'), ['1', 'text', '""', Buffer.from([0xff])]),
    'value\n1\ntext\n""\n/w==\n'
  )
})

test('csv: a field without a column ends the sink, and nothing of its batch is written', async (t) => {
  const file = await fileOf(t, 'csv')
  const sink = await parseSink(file)
  await sink.write(recordsFrom(['{"a":1}']))
  await assert.rejects(sink.write(recordsFrom(['{"a":2}', '{"a":3,"b":4}'], 1)), {
    code: 'badRecord',
    message: /^record 2 has the field "b"/
  })
  await sink.close().catch(() => {})
  assert.equal(await readFile(file, 'utf8'), 'a\n1\n')
})

test('csv: a file that is added to keeps its columns', async (t) => {
  const file = await fileOf(t, 'csv')
  await writeFile(file, 'b,a\n1,2')
  const sink = await fileSink(file, { append: true })
  await sink.write(recordsFrom(['{"a":4,"b":3}']))
  await sink.close()
  assert.equal(await readFile(file, 'utf8'), 'b,a\n1,2\n3,4\n')
})

test('csv: whatever flat records are written are read back', async (t) => {
  const folder = await tempDir(t)
  let number = 0
  const cell = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constant(null), fc.boolean())
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ a: cell, b: cell }), { minLength: 1 }), async (rows) => {
      const file = join(folder, `${number++}.csv`)
      await written(
        file,
        rows.map((row) => JSON.stringify(row))
      )
      const back = (await readBack(`csv:${file}`)).map((text) => Object.values(JSON.parse(text) as object).map(asCell))
      assert.deepEqual(
        back,
        rows.map(({ a, b }) => [asCell(a), asCell(b)])
      )
    })
  )
})

/** A cell has no type: text that looks like a number becomes one, an empty text nothing. */
function asCell(value: unknown): string {
  const text = typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value)
  return /^-?[0-9]/.test(text) && !Number.isNaN(Number(text)) ? String(Number(text)) : text
}

test('parquet: columns are all fields, with the type that their values have in common', async (t) => {
  const file = await fileOf(t, 'parquet')
  await written(file, [
    '{"whole":1,"part":1,"word":"a","flag":true,"mixed":1,"none":null,"large":1,"id":123456789012345678}',
    '{"whole":-2,"part":1.5,"word":"","flag":null,"mixed":"x","nested":{"a":[1,null]},"large":12345678901234567890}',
    '7'
  ])
  assert.deepEqual(
    (await readBack(`parquet:${file}`)).map((text) => JSON.parse(text) as unknown),
    [
      {
        whole: 1,
        part: 1,
        word: 'a',
        flag: true,
        mixed: 1,
        none: null,
        large: 1,
        id: '123456789012345678',
        nested: null,
        value: null
      },
      {
        whole: -2,
        part: 1.5,
        word: '',
        flag: null,
        mixed: 'x',
        none: null,
        large: Number('12345678901234567890'),
        id: null,
        nested: { a: [1, null] },
        value: null
      },
      {
        whole: null,
        part: null,
        word: null,
        flag: null,
        mixed: null,
        none: null,
        large: null,
        id: null,
        nested: null,
        value: 7
      }
    ]
  )
})

test('parquet: the file is there when the sink is closed; before that its records are beside it', async (t) => {
  const file = await fileOf(t, 'parquet')
  const sink = await parseSink(file)
  await sink.write(recordsFrom(['{"n":0}']))
  const mark = (await sink.mark?.()) ?? ''
  assert.deepEqual([await isThere(file), await readFile(`${file}.jsonl`, 'utf8')], [false, '{"n":0}\n'])
  await sink.close()
  assert.deepEqual([await isThere(file), await isThere(`${file}.jsonl`)], [true, false])
  await writeFile(file, 'broken')
  await assert.rejects(resumeFileSink(mark), { code: 'badRecord' })
  const short = await parseSink(file, { force: true })
  await short.close()
  assert.equal(await isThere(`${file}.jsonl`), false)
  await writeFile(`${file}.jsonl`, '')
  await assert.rejects(resumeFileSink(mark), { code: 'usage', message: /has 0 records, it had 1/ })
  await assert.rejects(parseSink(file, { append: true }), { code: 'usage', message: /cannot be added to/ })
  await assert.rejects(parseSink(file, { headers: { 'X-Key': 'a' } }), {
    code: 'usage',
    message: /only .* carry headers/
  })
  for (const bad of ['', '{}', '{"file":1}', '{"file":"x","records":-1.5}']) {
    await assert.rejects(resumeFileSink(bad), { code: 'usage' })
  }
})

test('parquet: many records go into several row groups', async (t) => {
  const file = await fileOf(t, 'parquet')
  const sink = await parseSink(file)
  const word = 'x'.repeat(1_000)
  for (let n = 0; n < 20; n++) {
    await sink.write(recordsFrom(Array.from({ length: 1_000 }, (_, i) => JSON.stringify({ n: n * 1_000 + i, word }))))
  }
  await sink.close()
  const { asyncBufferFromFile, parquetMetadataAsync } = await import('hyparquet')
  const { row_groups: groups } = await parquetMetadataAsync(await asyncBufferFromFile(file))
  assert.equal(groups.length, 2)
  const texts = await readBack(`parquet:${file}`)
  assert.deepEqual([texts.length, JSON.parse(texts[19_999] ?? '{}')], [20_000, { n: 19_999, word }])
})

test('webhook: batches are JSON arrays with a key of their offsets, the same when they are sent again', async (t) => {
  let failures = 2
  const server = await httpServer(t, (request, response) => {
    if (request.method === 'OPTIONS' || failures-- <= 0) response.end()
    else response.writeHead(503, { 'retry-after': failures === 1 ? '1' : '0' }).end()
  })
  const at = performance.now()
  const sink = await parseSink(`http://ann:secret@127.0.0.1:${server.port}/hooks/secret?token=secret`, {
    headers: { 'X-Key': 'k' },
    product: '0xabc'
  })
  assert.equal(sink.name, `http://127.0.0.1:${server.port}/…`)
  await sink.write(recordsFrom(['{"a":1}', 'text', Buffer.from([0xff])], 5))
  await sink.write(
    recordsFrom(
      Array.from({ length: 2_500 }, () => '1'),
      8
    )
  )
  await sink.close()
  assert.ok(performance.now() - at >= 1_000)
  const posts = server.requests.filter(({ method }) => method === 'POST')
  assert.deepEqual(
    posts.map(({ headers }) => headers['idempotency-key']),
    ['"0xabc:5-7"', '"0xabc:5-7"', '"0xabc:5-7"', '"0xabc:8-1007"', '"0xabc:1008-2007"', '"0xabc:2008-2507"']
  )
  assert.deepEqual(JSON.parse(posts[0]?.body ?? ''), [{ a: 1 }, 'text', { base64: '/w==' }])
  assert.equal(posts[0]?.headers.authorization, `Basic ${Buffer.from('ann:secret').toString('base64')}`)
  assert.equal(posts[0]?.headers['x-key'], 'k')
})

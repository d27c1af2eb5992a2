import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DataSource, DdmError, SourceRecord } from '../../../src/interface/index.ts'
import { sellOptions } from '../../../src/node/product.ts'
import { productPipeline } from '../../../src/node/product-pipeline.ts'
import { shareSources } from '../../../src/node/shared-sources.ts'
import { timeField } from '../../../src/node/time-field.ts'

const source = (finite: boolean): DataSource => ({
  name: 'test',
  finite,
  async *records() {}
})

const json = (jsonSchema?: object) => ({
  schema: {
    encoding: 'json' as const,
    ...(jsonSchema === undefined ? {} : { jsonSchema: jsonSchema as Record<string, unknown> })
  }
})

type Pipeline = Parameters<typeof productPipeline>

async function through(document: Pipeline[0], options: Pipeline[1], texts: string[], head = 0n): Promise<string[]> {
  const pipeline = await productPipeline(document, options)
  const input = async function* (): AsyncGenerator<SourceRecord> {
    for (const text of texts) yield { bytes: Buffer.from(text) }
  }
  try {
    const out: string[] = []
    const records = pipeline
      .transforms(head)
      .reduce<AsyncIterable<SourceRecord>>((before, change) => change(before), input())
    for await (const { bytes } of records) out.push(Buffer.from(bytes).toString())
    return [...out, `dropped ${pipeline.dropped}`]
  } finally {
    await pipeline.close()
  }
}

const row = (second: number, wind: unknown): string =>
  JSON.stringify({ time: `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`, wind, id: second })

const SCHEMA = {
  type: 'object',
  properties: { time: { type: 'string', format: 'date-time' }, wind: { type: 'number' } },
  required: ['time', 'wind'],
  additionalProperties: false
}

test('what is sold is thinned, selected and judged, in this order; a finite product goes on where its log ends', async () => {
  const rows = [row(1, 1), row(2, 'x'), row(10, 2), row(11, 'y'), row(20, 'z'), row(30, 3)]
  const options = {
    source: source(true),
    interval: 10_000,
    select: ['time', 'wind'],
    onInvalid: 'drop' as const
  }
  const kept = [
    '{"time":"2026-01-01T00:00:01Z","wind":1}',
    '{"time":"2026-01-01T00:00:10Z","wind":2}',
    '{"time":"2026-01-01T00:00:30Z","wind":3}'
  ]
  assert.deepEqual(await through(json(SCHEMA), options, rows), [...kept, 'dropped 1'])
  assert.deepEqual(await through(json(SCHEMA), options, rows, 2n), [kept[2], 'dropped 1'])
  await assert.rejects(through(json(SCHEMA), { ...options, onInvalid: 'stop' }, rows), {
    code: 'badRecord',
    message: /record 3 breaks the schema of the listing: \/wind must be number/
  })
  assert.deepEqual(await through(json(SCHEMA), { source: source(false), checkSchema: false }, ['{}']), [
    '{}',
    'dropped 0'
  ])
})

/** Each level asks the one below twice: 2³⁰ schemas for one value. */
function bomb(): object {
  const levels = Array.from({ length: 30 }, (_, n) => [
    `d${n}`,
    { allOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] }
  ])
  return { $ref: '#/$defs/d0', $defs: { ...Object.fromEntries(levels), d30: { type: 'number' } } }
}

test('a seller is told of a schema that nobody could check before anything is published', async () => {
  const deep = (levels: number): object => (levels === 0 ? {} : { items: deep(levels - 1) })
  const cases: Array<[schema: object, said: RegExp]> = [
    [bomb(), /applies more than 2000 schemas/],
    [{ $ref: 'https://example.org/schema' }, /only pointers into the schema/],
    [{ $ref: 'file:///etc/passwd' }, /only pointers into the schema/],
    [deep(40), /nests deeper than 32 levels/],
    [{ description: 'x'.repeat(70_000) }, /has 70\d+ bytes \(limit 65536\)/],
    [{ properties: { a: { pattern: '^(a+)+$(?=b)' } } }, /lookaround/],
    [{ properties: { a: { pattern: 'a{1000000}' } } }, /more than 1000 steps/],
    [{ type: 'nothing' }, /type/]
  ]
  for (const [schema, said] of cases) {
    await assert.rejects(productPipeline(json(schema), { source: source(false) }), (error: DdmError) => {
      assert.equal(error.code, 'usage', error.message)
      assert.match(error.message, said)
      return true
    })
  }
})

test('a catastrophic pattern judges a long record at once', async () => {
  const schema = { type: 'string', pattern: '^(a+)+$' }
  const texts = [JSON.stringify(`${'a'.repeat(50_000)}b`), JSON.stringify('aaa')]
  const kept = await through(json(schema), { source: source(false), onInvalid: 'drop' }, texts)
  assert.deepEqual(kept, ['"aaa"', 'dropped 1'])
})

test('options that cannot work are refused', async () => {
  const cases: Array<[options: Record<string, unknown>, said: RegExp]> = [
    [{ every: 0 }, /every 0/],
    [{ interval: 0 }, /interval 0/],
    [{ interval: 1.5 }, /interval 1\.5/],
    [{ select: [] }, /select: name 1 to/],
    [{ select: ['a..b'] }, /"a\.\.b" is no field/],
    [{ time: '' }, /is no field/],
    [{ onInvalid: 'ignore' }, /onInvalid "ignore" is neither stop nor drop/]
  ]
  for (const [options, message] of cases) {
    const wrong = { source: source(false), ...options } as Pipeline[1]
    await assert.rejects(productPipeline(json(), wrong), { code: 'usage', message })
  }
  await assert.rejects(productPipeline(json(), { source: source(true), interval: 1_000 }), {
    code: 'usage',
    message: /test is read at once.*name its field with time/
  })
  const text = { schema: { encoding: 'text' as const } }
  await assert.rejects(productPipeline(text, { source: source(false), select: ['a'] }), {
    code: 'usage',
    message: /text/
  })
})

test('the time of a record is the first date-time of its schema', () => {
  assert.equal(timeField(json(SCHEMA)), 'time')
  assert.equal(timeField(json({ properties: { a: { properties: { at: { format: 'date-time' } } } } })), 'a.at')
  assert.equal(timeField(json({ properties: { 'a.b': { format: 'date-time' }, c: { format: 'date' } } })), undefined)
  assert.equal(timeField(json({ format: 'date-time' })), undefined)
  assert.equal(timeField(json({ properties: 7 })), undefined)
  assert.equal(timeField(json()), undefined)
})

const missing = (key: string): string => `no ${key}`

test('a product in words says the same; wrong words are named', async () => {
  const base = { title: 'Air', price: '0.1/record', source: 'telemetry' }
  const { select, every, interval, time, onInvalid, checkSchema } = await sellOptions(
    { ...base, select: ['a'], every: 2, interval: '1m', time: 'a', onInvalid: 'drop', check: false },
    { missing }
  )
  assert.deepEqual([select, every, interval, time, onInvalid, checkSchema], [['a'], 2, 60_000, 'a', 'drop', false])
  const wrong: Array<[product: object, said: RegExp]> = [
    [{ interval: '1 minute' }, /interval "1 minute" is not a time span/],
    [{ interval: '0s' }, /interval "0s" is not a time span/],
    [{ interval: 0 }, /interval 0 is not/],
    [{ interval: {} }, /interval \{\} is not/],
    [{ onInvalid: 'skip' }, /--on-invalid "skip" is neither stop nor drop/]
  ]
  for (const [product, message] of wrong) {
    await assert.rejects(sellOptions({ ...base, ...product }, { missing }), { code: 'usage', message })
  }
})

test('products that name the same live source share it; files are read by each for itself', async () => {
  const described = [
    { title: 'a', price: '0', source: 'telemetry' },
    { title: 'b', price: '0', source: 'telemetry', every: 10 },
    { title: 'c', price: '0', source: 'telemetry', period: 7 },
    { title: 'd', price: '0', source: 'csv:x.csv' },
    { title: 'e', price: '0', source: 'csv:x.csv' }
  ]
  const before = await Promise.all(described.map((product) => sellOptions(product, { missing })))
  const after = shareSources(described, before)
  const changed = after.map(({ source }, index) => source !== before[index]?.source)
  assert.deepEqual(changed, [true, true, false, false, false])
  assert.equal(after[1]?.every, 10)
})

test('a JSON Schema and a period are added to what the document says of them', async () => {
  const jsonSchema = { type: 'object' }
  const said = { schema: { encoding: 'json' as const, maxRecordBytes: 100 } }
  const described = { title: 'Air', price: '0', source: 'telemetry', schema: jsonSchema, cadence: '1s', document: said }
  const { document } = await sellOptions(described, { missing: (key) => key })
  assert.deepEqual(document?.schema, { encoding: 'json', jsonSchema, maxRecordBytes: 100 })
  assert.deepEqual(document?.cadence, { mode: 'periodic', periodMs: 1_000 })
})

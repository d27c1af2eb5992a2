import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  createRecordValidator,
  everyNth,
  InvalidRecords,
  judgedBy,
  limitBytes,
  oncePer,
  parsePath,
  type RecordTransform,
  selectFields,
  timeOfRecord
} from '../../../src/data/index.ts'
import { isLeftOut } from '../../../src/data/transforms/each.ts'
import { DdmError, type SourceRecord } from '../../../src/interface/index.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function* recordsOf(texts: Iterable<string>): AsyncGenerator<SourceRecord> {
  let position = 0
  for (const text of texts) yield { bytes: bytes(text), position: String(position++) }
}

async function through(texts: Iterable<string>, ...transforms: RecordTransform[]): Promise<string[]> {
  const out: string[] = []
  const records = transforms.reduce<AsyncIterable<SourceRecord>>((input, change) => change(input), recordsOf(texts))
  for await (const one of records) if (!isLeftOut(one)) out.push(Buffer.from(one.bytes).toString())
  return out
}

const strict = new InvalidRecords().refuse

function dropping(): { invalid: InvalidRecords; said: string[] } {
  const said: string[] = []
  return { invalid: new InvalidRecords({ onInvalid: 'drop', onDrop: (_, { message }) => said.push(message) }), said }
}

test('select keeps fields in the order named, nested as they were, and numbers as they were written', async () => {
  const record = '{"time":"t","wind":{"speed":1.50,"from":"N"},"id":12345678901234567890,"tiny":1e-400,"x":null}'
  assert.deepEqual(await through([record], selectFields(['id', 'wind.speed', 'time', 'x', 'tiny'], strict)), [
    '{"id":12345678901234567890,"wind":{"speed":1.50},"time":"t","x":null,"tiny":1e-400}'
  ])
  assert.deepEqual(await through(['{"__proto__":{"a":1},"a":2}'], selectFields(['__proto__.a'], strict)), [
    '{"__proto__":{"a":1}}'
  ])
})

test('select gives of any object what picking by hand gives', async () => {
  const names = ['a', 'b', 'c']
  const value = fc.jsonValue({ maxDepth: 2 })
  await fc.assert(
    fc.asyncProperty(
      fc.record({ a: value, b: value, c: value }),
      fc.subarray(names, { minLength: 1 }),
      async (o, pick) => {
        const [text = ''] = await through([JSON.stringify(o)], selectFields(pick, strict))
        const expected = Object.fromEntries(pick.map((name) => [name, o[name as keyof typeof o]]))
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(expected)))
      }
    ),
    { numRuns: 200 }
  )
})

test('a record without the fields, or that is no object, stops the source or is counted', async () => {
  const wrong = ['1', '[1]', 'null', '{', '{"a":1}', '{"a":{"b":1}}', String.fromCharCode(0xd800)]
  for (const text of wrong.slice(0, -2)) {
    await assert.rejects(through([text], selectFields(['a.b'], strict)), (error: DdmError) => {
      assert.equal(error.code, 'badRecord')
      assert.match(error.message, /record 1 (is no JSON object|has no field "a\.b")/)
      return true
    })
  }
  const { invalid, said } = dropping()
  assert.deepEqual(await through(wrong, selectFields(['a.b'], invalid.refuse)), ['{"a":{"b":1}}'])
  assert.equal(invalid.dropped, wrong.length - 1)
  assert.equal(said.length, wrong.length - 1)
})

test('paths that are none are refused before anything is read', () => {
  for (const path of ['', '.', 'a.', '.a', 'a..b', ' a', 'x'.repeat(201)]) {
    assert.throws(() => parsePath(path), { code: 'usage', message: /is no field/ }, path)
  }
  assert.throws(() => selectFields([], strict), { code: 'usage' })
  assert.throws(() => selectFields([7 as unknown as string], strict), { code: 'usage' })
  assert.throws(() => selectFields('time' as unknown as string[], strict), { code: 'usage' })
  assert.throws(() => selectFields(new Array<string>(257).fill('a'), strict), { code: 'usage' })
})

test('every: the first of each so many', async () => {
  const ten = Array.from({ length: 10 }, (_, n) => String(n))
  assert.deepEqual(await through(ten, everyNth(4)), ['0', '4', '8'])
  assert.deepEqual(await through(ten, everyNth(1)), ten)
  for (const count of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '2' as unknown as number]) {
    assert.throws(() => everyNth(count), { code: 'usage', message: /every/ }, String(count))
  }
})

test('interval: the first of each minute of the clock, by the time of the record', async () => {
  const times = ['10:00:30', '10:00:59', '10:01:00', '09:59:00', '10:01:59', '10:05:00']
  const records = times.map((clock) => `{"at":{"t":"2026-01-01T${clock}Z"}}`)
  const kept = await through(records, oncePer(60_000, strict, { time: 'at.t' }))
  assert.deepEqual(kept, [records[0], records[2], records[5]])
  for (const wrong of ['{"at":{}}', '{"at":{"t":"yesterday"}}', '{"at":{"t":true}}', 'x']) {
    await assert.rejects(through([wrong], oncePer(60_000, strict, { time: 'at.t' })), {
      code: 'badRecord',
      message: /record 1 has no time in "at\.t"/
    })
  }
  for (const span of [0, -5, 0.5, Number.NaN]) assert.throws(() => oncePer(span, strict), { code: 'usage' })
})

test('interval: without a time, as they come; any bytes are a record then', async () => {
  const clock = [0, 999, 1_000, 2_500, 2_600]
  const now = (): number => clock.shift() as number
  assert.deepEqual(await through(['a', 'b', 'c', 'd', 'e'], oncePer(1_000, strict, { now })), ['a', 'c', 'd'])
})

test('the time of a record: RFC 3339, without a zone UTC, or Unix ms; nothing that has to be guessed', () => {
  const at = (value: unknown): number | undefined => timeOfRecord(bytes(JSON.stringify({ t: value })), ['t'])
  assert.equal(at('2026-01-01T00:00:00Z'), 1_767_225_600_000)
  assert.equal(at('2026-01-01T00:00:00'), 1_767_225_600_000)
  assert.equal(at('2026-01-01 01:00+01:00'), 1_767_225_600_000)
  assert.equal(at('2026-01-01'), 1_767_225_600_000)
  assert.equal(at(1_767_225_600_000), 1_767_225_600_000)
  for (const value of ['Jan 1 2026', '2026-13-01', '', null, [], '1767225600']) assert.equal(at(value), undefined)
})

test('records over the limit of the listing stop the source, or are counted', async () => {
  await assert.rejects(through(['ab', 'abc'], limitBytes(2, strict)), {
    code: 'badRecord',
    message: /record 2 has 3 bytes/
  })
  const { invalid } = dropping()
  assert.deepEqual(await through(['ab', 'abc', 'a'], limitBytes(2, invalid.refuse)), ['ab', 'a'])
  assert.equal(invalid.dropped, 1)
})

test('records that break the schema: what was before the first comes out; dropped, all that keep it do', async () => {
  const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }
  const validator = await createRecordValidator({ encoding: 'json', schema })
  try {
    const texts = Array.from({ length: 3_000 }, (_, n) => (n % 7 === 6 ? '{"n":"x"}' : `{"n":${n}}`))
    const { invalid, said } = dropping()
    const kept = await through(texts, judgedBy(validator, invalid.refuse))
    assert.deepEqual(
      kept,
      texts.filter((_, n) => n % 7 !== 6)
    )
    assert.equal(invalid.dropped, 428)
    assert.match(said[0] ?? '', /record 7 breaks the schema of the listing: \/n must be integer/)
    const before: string[] = []
    const read = async (): Promise<void> => {
      for await (const one of judgedBy(validator, strict)(recordsOf(texts))) before.push(String(one.position))
    }
    await assert.rejects(read(), { code: 'badRecord', message: /record 7 / })
    assert.deepEqual(before, ['0', '1', '2', '3', '4', '5'])
  } finally {
    await validator.close()
  }
})

test('a slow source is judged record by record; its error comes after what it gave', async () => {
  const validator = await createRecordValidator({ encoding: 'json', schema: true })
  try {
    let asked = 0
    const slow = async function* (): AsyncGenerator<SourceRecord> {
      for (; asked < 3; asked++) yield { bytes: bytes(String(asked)) }
      throw new DdmError('badRecord', 'line 4')
    }
    const seen: string[] = []
    const read = async (): Promise<void> => {
      for await (const one of judgedBy(validator, strict)(slow())) seen.push(Buffer.from(one.bytes).toString())
    }
    await assert.rejects(read(), { message: 'line 4' })
    assert.deepEqual(seen, ['0', '1', '2'])
  } finally {
    await validator.close()
  }
})

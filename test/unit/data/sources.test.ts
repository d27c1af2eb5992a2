import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import {
  csv,
  type JsonLinesOptions,
  jsonLines,
  jsonLinesFile,
  parseSource,
  sourceReach,
  TELEMETRY_SCHEMA,
  telemetry
} from '../../../src/data/index.ts'
import type { AbortOptions, DataSource, DdmError } from '../../../src/interface/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

async function textsOf(source: DataSource, options?: AbortOptions): Promise<string[]> {
  const texts: string[] = []
  for await (const { bytes } of source.records(options)) texts.push(Buffer.from(bytes).toString())
  return texts
}

async function fileOf(t: TestContext, text: string | Buffer, name = 'data.csv'): Promise<string> {
  const path = join(await tempDir(t), name)
  await writeFile(path, text)
  return path
}

const linesOf = (chunks: Array<Buffer | string>, options?: JsonLinesOptions): Promise<string[]> =>
  textsOf(jsonLines('stdin', () => Readable.from(chunks, { objectMode: true }), options))

test('csv: the header names the keys; numbers become numbers, empty cells null', async (t) => {
  const path = await fileOf(
    t,
    '\uFEFFdate,"wind, m/s",note,__proto__\r\n2010-01-01,3.80,"two\r\nlines, ""quoted""",007\r\n\r\n2010-01-02,-1e3,,12345678901234567890\r\n'
  )
  const texts = await textsOf(csv(path))
  assert.deepEqual(texts, [
    '{"date":"2010-01-01","wind, m/s":3.8,"note":"two\\r\\nlines, \\"quoted\\"","__proto__":"007"}',
    '{"date":"2010-01-02","wind, m/s":-1000,"note":null,"__proto__":"12345678901234567890"}'
  ])
})

for (const [why, text, line] of [
  ['too few cells', 'a,b\n1,2\n3\n4,5\n', 3],
  ['too many cells', 'a,b\r\n1,2\r\n\r\n3,4,5\r\n4,5\r\n', 4],
  ['text after a quote', 'a,b\n1,2\n"3"x,4\n4,5\n', 3],
  ['a quote inside a cell', 'a,b\n1,2\n3,x"y"\n4,5\n', 3],
  ['a quote never closed', 'a,b\n1,2\n3,"y\n4,5\n6,7\n', 3],
  ['a row over the record limit', `a,b\n1,2\n3,${'x'.repeat(1 << 20)}\n4,5\n`, 3]
] as const) {
  test(`csv: ${why} is named with its line`, async (t) => {
    const path = await fileOf(t, text)
    const seen: string[] = []
    const reading = (async () => {
      for await (const { bytes } of csv(path).records()) seen.push(Buffer.from(bytes).toString())
    })()
    await assert.rejects(reading, (error: DdmError) => {
      assert.equal(error.code, 'badRecord')
      assert.ok(error.message.startsWith(`${path}:${line}: `), error.message)
      return true
    })
    assert.ok(seen.length <= 1 && seen.every((one) => one === '{"a":1,"b":2}'))
  })
}

test('csv: bad rows are skipped and counted', async (t) => {
  const path = await fileOf(t, 'a,b\n1,2\n3\n"3"x,4\n4,5,6\n7,8\n')
  const skipped: Array<[number, string]> = []
  const texts = await textsOf(
    csv(path, { onError: 'skip', onSkip: (count, error) => skipped.push([count, error.message.split(': ')[0] ?? '']) })
  )
  assert.deepEqual(texts, ['{"a":1,"b":2}', '{"a":7,"b":8}'])
  assert.deepEqual(
    skipped.map(([count]) => count),
    [1, 2, 3]
  )
  assert.deepEqual(skipped.map(([, place]) => place).sort(), [`${path}:3`, `${path}:4`, `${path}:5`])
})

test('csv: however the bytes are cut, good rows around bad ones all come out', async (t) => {
  const bad = ['"x"y,1', 'x"y,1', '1,2,3', '1']
  // A file is cut at 64 KiB, here near row 6,665: each run moves the rows there by one byte.
  const isBad = (n: number): boolean => n > 6_640 && n < 6_690 && n % 5 === 0
  for (let shift = 0; shift < 10; shift++) {
    const numbers = Array.from({ length: 7_000 }, (_, n) => n)
    const rows = numbers.map((n) => (isBad(n) ? bad[(n / 5) % 4] : `"a${n}",2`))
    const path = await fileOf(t, ['a,b', `${'x'.repeat(shift + 1)},2`, ...rows].join('\n'))
    const lines: number[] = []
    const onSkip = (_: number, error: DdmError): void => {
      lines.push(Number(error.details.line))
    }
    const texts = await textsOf(csv(path, { onError: 'skip', onSkip }))
    assert.deepEqual(
      texts.slice(1),
      numbers.filter((n) => !isBad(n)).map((n) => `{"a":"a${n}","b":2}`)
    )
    assert.deepEqual(
      lines,
      numbers.filter(isBad).map((n) => n + 3)
    )
  }
})

test('csv: a row that is bad at the very end of a piece of the file is skipped alone', async (t) => {
  for (let cut = 65_530; cut < 65_540; cut++) {
    const start = 'a,b\n'
    const end = ',2\n1,x"\n'
    const path = await fileOf(t, `${start}${'x'.repeat(cut - start.length - end.length)}${end}3,4\n5,6\n`)
    const texts = await textsOf(csv(path, { onError: 'skip' }))
    assert.deepEqual(texts.slice(1), ['{"a":3,"b":4}', '{"a":5,"b":6}'])
  }
})

test('csv: a quote that never closes cannot be skipped, for all that follows would be lost', async (t) => {
  const path = await fileOf(t, 'a,b\n1,2\n3,"y\n4,5\n')
  await assert.rejects(textsOf(csv(path, { onError: 'skip' })), { code: 'badRecord', message: /:3: .*never closed/ })
})

test('csv: bad headers are refused, also when bad rows are skipped', async (t) => {
  for (const [text, why] of [
    ['a,a\n1,2\n', /:1: the header names the column "a" twice/],
    ['a,\n1,2\n', /:1: the header has a column without a name/],
    ['a,"b"c\n1,2\n', /:1: /],
    ['', /:1: the file is empty/]
  ] as const) {
    for (const onError of ['stop', 'skip'] as const) {
      await assert.rejects(textsOf(csv(await fileOf(t, text), { onError })), { code: 'badRecord', message: why })
    }
  }
})

test('files that are not there, or are folders, are named', async (t) => {
  const dir = await tempDir(t)
  await mkdir(join(dir, 'folder'))
  for (const source of [csv, jsonLinesFile]) {
    await assert.rejects(textsOf(source(join(dir, 'none'))), {
      code: 'notFound',
      message: /none: there is no such file/
    })
    await assert.rejects(textsOf(source(join(dir, 'folder'))), { code: 'usage', message: /folder is a folder/ })
  }
})

test('sources stop when they are told to', async (t) => {
  const path = await fileOf(t, `a\n${'1\n'.repeat(100_000)}`)
  for (const source of [csv(path), jsonLines('stdin', () => new Readable({ read() {} })), telemetry()]) {
    await assert.rejects(textsOf(source, { signal: AbortSignal.abort() }), { code: 'aborted' })
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 15)
    await assert.rejects(textsOf(source, { signal: controller.signal }), { code: 'aborted' })
  }
})

test('json lines: however the bytes are cut, the records are the lines', async () => {
  const line = fc.json({ maxDepth: 2 }).map((text) => text.replaceAll('\n', ' '))
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.nat({ max: 9 })),
      fc.constantFrom('\n', '\r\n'),
      async (list, cuts, end) => {
        const all = Buffer.from(list.map((one) => one + end).join(end === '\n' ? '\n' : ''))
        const chunks: Buffer[] = []
        let rest = all
        for (const cut of cuts) {
          if (cut > 0 && rest.length > cut) chunks.push(rest.subarray(0, cut))
          if (cut > 0 && rest.length > cut) rest = rest.subarray(cut)
        }
        assert.deepEqual(await linesOf([...chunks, rest].filter(({ length }) => length > 0)), list)
      }
    )
  )
})

test('json lines: the last line needs no end; blank lines and a byte order mark are no records', async () => {
  assert.deepEqual(await linesOf(['\uFEFF{"a":1}\n', '\n  \n"x"\n', '', '5']), ['{"a":1}', '"x"', '5'])
  assert.deepEqual(await linesOf([]), [])
})

test('json lines: a bad line is named with its number', async () => {
  const bad: Array<[string | Buffer, RegExp]> = [
    ['{"a":}', /^stdin:3: the line is not JSON/],
    [Buffer.from([0x22, 0xff, 0x22]), /^stdin:3: the line is not UTF-8/],
    [`"${'x'.repeat(30)}"`, /^stdin:3: the line is longer than the 20 bytes/]
  ]
  for (const [line, message] of bad) {
    const chunks = ['{"a":1}\n\n', line, '\n{"a":2}\n']
    await assert.rejects(linesOf(chunks, { maxBytes: 20 }), { code: 'badRecord', message })
    const skipped: number[] = []
    const options: JsonLinesOptions = { maxBytes: 20, onError: 'skip', onSkip: (count) => skipped.push(count) }
    assert.deepEqual(await linesOf(chunks, options), ['{"a":1}', '{"a":2}'])
    assert.deepEqual(skipped, [1])
  }
})

test('json lines: a line at the limit is a record, with either line end, and one byte more is not', async () => {
  const skipped: string[] = []
  const texts = await linesOf(['"345678"\n"345678"\r\n"3456789"\n"3456789"\r\n"345678"'], {
    maxBytes: 8,
    onError: 'skip',
    onSkip: (_, error) => skipped.push(error.message.slice(0, 8))
  })
  assert.deepEqual(texts, ['"345678"', '"345678"', '"345678"'])
  assert.deepEqual(skipped, ['stdin:3:', 'stdin:4:'])
})

test('json lines: an endless line is refused without being kept', async () => {
  const chunk = Buffer.alloc(1 << 20, 'x')
  const endless = function* (): Iterable<Buffer> {
    for (let n = 0; n < 600; n++) yield chunk.subarray()
    yield Buffer.from('\n{"a":1}\n')
  }
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const watched = jsonLines('stdin', () => Readable.from(endless(), { objectMode: true, highWaterMark: 1 }), {
    onError: 'skip',
    onSkip: () => {
      most = process.memoryUsage().arrayBuffers - before
    }
  })
  assert.deepEqual(await textsOf(watched), ['{"a":1}'])
  assert.ok(most < 64 << 20, `${most} bytes`)
})

test('telemetry: records on time that satisfy their schema', async () => {
  const valid = new Ajv2020({ validateFormats: false }).compile(TELEMETRY_SCHEMA)
  const started = performance.now()
  let count = 0
  for await (const { bytes } of telemetry({ periodMs: 20 }).records()) {
    const record = JSON.parse(Buffer.from(bytes).toString())
    assert.ok(valid(record), JSON.stringify(valid.errors))
    assert.ok(record.memoryUsed > 0 && record.memoryUsed < record.memoryTotal)
    count += 1
    if (count === 10) break
  }
  assert.ok(performance.now() - started >= 190)
})

test('the command line names sources', async (t) => {
  const path = await fileOf(t, 'a\n1\n')
  assert.deepEqual(await textsOf(await parseSource(`csv:${path}`)), ['{"a":1}'])
  const lines = await fileOf(t, '{"a":1}\nbad\n', 'data:1.jsonl')
  assert.deepEqual(await textsOf(await parseSource(`jsonl:${lines}`, { onError: 'skip' })), ['{"a":1}'])
  assert.equal((await parseSource('telemetry')).finite, false)
  assert.equal((await parseSource('stdin')).finite, true)
  for (const [spec, message] of [
    ['kafka:topic', /there is no source "kafka"; use telemetry, stdin, csv:FILE, /],
    ['', /there is no source ""/],
    ['constructor:x', /there is no source "constructor"/],
    ['csv', /names nothing to read; write csv:FILE/],
    ['jsonl:', /names nothing to read; write jsonl:FILE/],
    ['stdin:x', /stdin takes nothing after a colon/]
  ] as const) {
    await assert.rejects(parseSource(spec), { code: 'usage', message })
  }
  await assert.rejects(parseSource('telemetry', { periodMs: 0 }), { code: 'usage' })
})

test('what belongs to the process, and what is a file, can be told apart before it is opened', () => {
  const reaches = ['stdin', 'csv:a.csv', 'telemetry', 'mqtt://host/a', 'none'].map(sourceReach)
  assert.deepEqual(reaches, ['process', 'file', 'other', 'other', 'other'])
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { promises } from 'node:fs'
import { appendFile, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type ColumnMetaData, type FileMetaData, parquetMetadata, type RowGroup } from 'hyparquet'
import { ByteWriter, parquetWrite } from 'hyparquet-writer'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'
import { parseSource } from '../../../src/data/index.ts'
import { exec } from '../../../src/data/sources/exec.ts'
import { parquet } from '../../../src/data/sources/parquet.ts'
import { tail } from '../../../src/data/sources/tail.ts'
import type { DataSource, DdmError } from '../../../src/interface/index.ts'
import { collect, recordsOf } from '../../support/connectors.ts'
import { tempDir } from '../../support/temp-dir.ts'

const linesOf = (from: number, to: number): string =>
  recordsOf(from, to)
    .map((line) => `${line}\n`)
    .join('')

const take = (source: DataSource, count: number, from?: string) =>
  collect(source, { until: (all) => all.length >= count, ...(from === undefined ? {} : { from }) })

async function logFile(t: TestContext): Promise<string> {
  const file = join(await tempDir(t), 'air.log')
  await writeFile(file, linesOf(0, 10))
  return file
}

test('tail: a restart finds the line in the renamed file, then reads the files since and the new one', async (t) => {
  const file = await logFile(t)
  const { position } = await take(tail(file), 5)
  await appendFile(file, linesOf(10, 15))
  await rename(file, `${file}.3`)
  await delay(10)
  await writeFile(`${file}.2`, linesOf(15, 20))
  await writeFile(`${file}.2.gz`, 'compressed')
  await writeFile(join(file, '..', 'other.log'), 'another')
  await delay(10)
  await writeFile(file, linesOf(20, 30))
  const { texts } = await take(tail(file), 25, position)
  assert.deepEqual(texts, recordsOf(5, 30))
})

test('tail: several renames between two looks lose nothing', async (t) => {
  const file = await logFile(t)
  const reading = take(tail(file), 40)
  await delay(100)
  for (let n = 1; n < 4; n++) {
    await rename(file, `${file}.${n}`)
    await delay(10)
    await writeFile(file, linesOf(n * 10, n * 10 + 10))
  }
  assert.deepEqual((await reading).texts, recordsOf(0, 40))
})

/** Has something happen before, or after, the `count`th time that a file, or folder, of this name is opened or looked at. */
function meanwhile(
  t: TestContext,
  {
    method,
    name,
    count,
    after = false
  }: { method: 'open' | 'stat' | 'readdir'; name: string; count: number; after?: boolean },
  happens: () => Promise<void>
): { happened: () => boolean } {
  const original = promises[method] as (path: string, ...rest: unknown[]) => Promise<unknown>
  let seen = 0
  const mocked = t.mock.method(promises, method, (async (path: string, ...rest: unknown[]) => {
    const isNow = path === name && ++seen === count
    if (isNow && !after) await happens()
    const result = await original(path, ...rest)
    if (isNow && after) await happens()
    return result
  }) as never)
  syncBuiltinESMExports()
  t.after(() => {
    mocked.mock.restore()
    syncBuiltinESMExports()
  })
  return { happened: () => seen >= count }
}

/** As logrotate does it. */
async function rotate(file: string, lines: string, keep = 9): Promise<void> {
  await rm(`${file}.${keep}`, { force: true })
  for (let n = keep - 1; n > 0; n--) await rename(`${file}.${n}`, `${file}.${n + 1}`).catch(() => {})
  await rename(file, `${file}.1`)
  await delay(10)
  await writeFile(file, lines)
}

for (const [when, at] of Object.entries({
  'after its folder is listed': { method: 'readdir', after: true },
  'before its position is looked for': { method: 'open', name: '.1' },
  'before what was renamed is opened': { method: 'open', name: '.1', count: 2 },
  'before it is opened': { method: 'open', name: '' }
} as const)) {
  test(`tail: a file that is renamed ${when} loses nothing`, async (t) => {
    const file = await logFile(t)
    const { position } = await take(tail(file), 5)
    await rotate(file, linesOf(10, 20))
    const name = 'name' in at ? file + at.name : join(file, '..')
    const { happened } = meanwhile(t, { count: 1, ...at, name }, () => rotate(file, linesOf(20, 30)))
    const { texts } = await take(tail(file), 25, position)
    assert.deepEqual(texts, recordsOf(5, 30))
    assert.ok(happened())
  })
}

test('tail: a file that is renamed before it is opened, and not made anew yet, is read on', async (t) => {
  const file = await logFile(t)
  const { position } = await take(tail(file), 5)
  const { happened } = meanwhile(t, { method: 'open', name: file, count: 2 }, () => rename(file, `${file}.1`))
  assert.deepEqual((await take(tail(file), 5, position)).texts, recordsOf(5, 10))
  assert.ok(happened())
})

test('tail: a file that is deleted while it is read does not take the ones after it along', async (t) => {
  const file = await logFile(t)
  const texts: string[] = []
  for await (const { bytes } of tail(file).records()) {
    texts.push(Buffer.from(bytes).toString())
    // Its reader is slow: two renames, of which one is kept.
    if (texts.length === 5) for (const n of [10, 20]) await rotate(file, linesOf(n, n + 10), 1)
    if (texts.length === 30) break
  }
  assert.deepEqual(texts, recordsOf(0, 30))
})

test('tail: a file that is cut to nothing, or replaced under the same inode, is read from its start', async (t) => {
  const file = await logFile(t)
  const reading = take(tail(file), 15)
  await delay(100)
  await truncate(file, 0)
  await delay(300)
  // Less than there was: it is seen to be cut whenever it is looked at.
  await appendFile(file, linesOf(10, 15))
  const { texts, position } = await reading
  assert.deepEqual(texts, recordsOf(0, 15))
  const problems: DdmError[] = []
  await writeFile(file, `"another file that is longer than the one before"\n${linesOf(0, 100)}`)
  const after = await take(tail(file, { onProblem: (error) => problems.push(error) }), 1, position)
  assert.match(after.texts[0] ?? '', /another file/)
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['notFound']
  )
})

test('tail: a line is a record when it has its end; the last one of a renamed file needs none', async (t) => {
  const file = await logFile(t)
  await appendFile(file, '{"n":')
  const reading = take(tail(file), 13)
  await delay(300)
  await appendFile(file, '10}\n{"n":11}')
  await delay(300)
  await rename(file, `${file}.1`)
  await writeFile(file, linesOf(12, 13))
  assert.deepEqual((await reading).texts, recordsOf(0, 13))
  await rm(file)
  await rm(`${file}.1`)
  await assert.rejects(take(tail(file), 1, 'nonsense'), { code: 'usage' })
})

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('exec: what the command started ends with it, also what does not want to', async (t) => {
  const file = join(await tempDir(t), 'pids')
  const source = exec(
    `trap '' TERM; sh -c 'trap "" TERM; echo $$ >> ${file}; sleep 60' & echo $$ >> ${file}; echo 1; wait; sleep 60`
  )
  const stop = new AbortController()
  const reading = (async () => {
    for await (const _record of source.records({ signal: stop.signal })) {
      while ((await readFile(file, 'utf8').catch(() => '')).trim().split('\n').length < 2) await delay(10)
      stop.abort()
    }
  })()
  await assert.rejects(reading, { code: 'aborted' })
  const pids = (await readFile(file, 'utf8')).trim().split('\n').map(Number)
  assert.equal(pids.length, 2)
  const until = Date.now() + 5_000
  while (pids.some(isAlive) && Date.now() < until) await delay(20)
  assert.deepEqual(pids.filter(isAlive), [])
})

test('exec: a command that fails after a record is started again; one that ends well ends the source', async (t) => {
  const file = join(await tempDir(t), 'runs')
  const problems: string[] = []
  const said: string[] = []
  const command = `echo x >> ${file}; n=$(wc -l < ${file}); echo "{\\"n\\":$n}"; echo "\u001b[2Jrun $n" >&2; test $n -ge 3`
  const source = exec(command, { onProblem: ({ message }) => problems.push(message), onLog: (line) => said.push(line) })
  const texts: string[] = []
  for await (const { bytes } of source.records()) texts.push(Buffer.from(bytes).toString())
  assert.deepEqual(texts, ['{"n":1}', '{"n":2}', '{"n":3}'])
  assert.deepEqual(said, ['run 1', 'run 2', 'run 3'])
  assert.equal(problems.length, 2)
  assert.match(problems[0] ?? '', /ended with 1: run 1/)
  assert.equal(source.name, 'exec:echo')
})

test('exec: what gave records once is started again also after a run that gave none', async (t) => {
  const file = join(await tempDir(t), 'runs')
  const skipped: number[] = []
  const command = `echo x >> ${file}; n=$(wc -l < ${file}); test $n -eq 2 || echo "{\\"n\\":$n}"; echo torn; test $n -ge 3`
  const source = exec(command, { onError: 'skip', onSkip: (count) => skipped.push(count) })
  const texts: string[] = []
  for await (const { bytes } of source.records()) texts.push(Buffer.from(bytes).toString())
  assert.deepEqual(texts, ['{"n":1}', '{"n":3}'])
  assert.deepEqual(skipped, [1, 2, 3])
})

test('a line of 1 GB on standard input is refused in a process of little memory', async () => {
  const script = `
    import { parseSource } from ${JSON.stringify(new URL('../../../src/data/index.ts', import.meta.url).href)}
    const skipped = []
    const source = await parseSource('stdin', { onError: 'skip', onSkip: (_n, { message }) => skipped.push(message) })
    for await (const { bytes } of source.records()) console.log(Buffer.from(bytes).toString())
    console.log(JSON.stringify({ skipped, peak: process.resourceUsage().maxRSS * 1024 }))
  `
  const child = spawn(process.execPath, ['--input-type=module', '--max-old-space-size=64', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const chunk = Buffer.alloc(1 << 20, 'x')
  child.stdin.write('{"n":0}\n"')
  for (let n = 0; n < 1024; n++) if (!child.stdin.write(chunk)) await once(child.stdin, 'drain')
  child.stdin.end('"\n{"n":1}\n')
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  const [first, second, last = '{}'] = output.trim().split('\n')
  assert.deepEqual([first, second], ['{"n":0}', '{"n":1}'])
  const { skipped, peak } = JSON.parse(last) as { skipped: string[]; peak: number }
  assert.match(skipped[0] ?? '', /^stdin:2: the line is longer than/)
  assert.ok(peak < 400 * 1024 * 1024, `${peak} bytes`)
})

async function parquetFile(
  t: TestContext,
  options: Omit<Parameters<typeof parquetWrite>[0], 'writer'>
): Promise<string> {
  const file = join(await tempDir(t), 'data.parquet')
  const writer = new ByteWriter()
  await parquetWrite({ writer, ...options })
  await writeFile(file, Buffer.from(writer.getBuffer()))
  return file
}

test('parquet: rows as JSON, in order, over row groups, with what JSON has no type for', async (t) => {
  const file = await parquetFile(t, {
    columnData: [
      { name: 'n', data: Array.from({ length: 1_000 }, (_, n) => BigInt(n)), type: 'INT64' },
      { name: 'large', data: Array.from({ length: 1_000 }, () => 9_007_199_254_740_993n), type: 'INT64' },
      { name: 'at', data: Array.from({ length: 1_000 }, (_, n) => new Date(n)), type: 'TIMESTAMP' },
      { name: 'word', data: Array.from({ length: 1_000 }, (_, n) => (n % 2 === 0 ? 'a "b"' : null)), type: 'STRING' },
      { name: 'nested', data: Array.from({ length: 1_000 }, () => ({ a: [1] })), type: 'JSON' }
    ],
    rowGroupSize: 300
  })
  const source = await parseSource(`parquet:${file}`)
  assert.equal(source.finite, true)
  const { texts } = await collect(source, { until: () => false })
  assert.equal(texts.length, 1_000)
  assert.equal(
    texts[999],
    '{"n":999,"large":"9007199254740993","at":"1970-01-01T00:00:00.999Z","word":null,"nested":{"a":[1]}}'
  )
  assert.equal(await source.fingerprint?.(), await parquet(file).fingerprint?.())
})

test('parquet: what is compressed is read, what is broken is named', async (t) => {
  const columnData = [{ name: 'word', data: Array.from({ length: 2_000 }, () => 'again and again') }]
  for (const [codec, compress] of [
    ['GZIP', gzipSync],
    ['ZSTD', zstdCompressSync]
  ] as const) {
    const compressors = { [codec]: (input: Uint8Array) => new Uint8Array(compress(input)) }
    const file = await parquetFile(t, { columnData, codec, compressors })
    const { texts } = await collect(parquet(file), { until: () => false })
    assert.deepEqual([texts.length, texts[1_999]], [2_000, '{"word":"again and again"}'])
  }
  const file = await parquetFile(t, { columnData })
  const good = await readFile(file)
  for (const bytes of [Buffer.alloc(0), Buffer.from('no Parquet'), good.subarray(0, -3), good.subarray(100)]) {
    await writeFile(file, bytes)
    await assert.rejects(collect(parquet(file), { until: () => false }), {
      code: 'badRecord',
      message: /is no Parquet/
    })
  }
  for (let at = 0; at < good.byteLength; at += 3) {
    const bytes = Buffer.from(good)
    bytes[at] = (bytes[at] ?? 0) ^ 0xff
    await writeFile(file, bytes)
    await collect(parquet(file), { until: () => false }).catch((error: DdmError) =>
      assert.equal(error.code, 'badRecord')
    )
  }
  await assert.rejects(collect(parquet(join(file, '..', 'none')), { until: () => false }), { code: 'notFound' })
})

/** A file of 1,000 numbers whose footer, or first page, says what is not so. */
async function lyingFile(
  t: TestContext,
  lie: { footer?: (metadata: FileMetaData) => void; pageBytes?: number }
): Promise<string> {
  const file = await parquetFile(t, {
    columnData: [{ name: 'n', data: Array.from({ length: 1_000 }, (_, n) => n % 7), type: 'INT32' }]
  })
  const honest = await readFile(file)
  const metadata = parquetMetadata(honest.buffer.slice(honest.byteOffset, honest.byteOffset + honest.byteLength))
  const footer = honest.byteLength - 8 - honest.readUInt32LE(honest.byteLength - 8)
  let pages = honest.subarray(0, footer)
  if (lie.pageBytes !== undefined) {
    // PAR1, the page's type, and then its size: a field in variable length.
    assert.equal(pages[6], 0x15)
    let end = 7
    while (((pages[end] ?? 0) & 0x80) !== 0) end += 1
    const size: number[] = []
    for (let rest = lie.pageBytes * 2; rest > 0; rest = Math.floor(rest / 128)) {
      size.push((rest % 128) | (rest >= 128 ? 0x80 : 0))
    }
    const longer = size.length - (end + 1 - 7)
    pages = Buffer.concat([pages.subarray(0, 7), Buffer.from(size), pages.subarray(end + 1)])
    const [column] = metadata.row_groups[0]?.columns ?? []
    if (column?.meta_data !== undefined) {
      column.meta_data.total_compressed_size += BigInt(longer)
      if (column.meta_data.dictionary_page_offset !== undefined) column.meta_data.data_page_offset += BigInt(longer)
    }
  }
  lie.footer?.(metadata)
  const writer = new ByteWriter()
  writeMetadata(writer, metadata)
  await writeFile(file, Buffer.concat([pages, Buffer.from(writer.getBuffer()), Buffer.from('PAR1')]))
  return file
}

test('parquet: a footer or a page that lies about sizes is named, and takes no memory', async (t) => {
  const honest = await lyingFile(t, {})
  assert.equal((await collect(parquet(honest), { until: () => false })).texts.length, 1_000)
  const before = process.memoryUsage().rss
  const group = (lies: Partial<RowGroup>) => ({
    footer: ({ row_groups: [one] }: FileMetaData) => void Object.assign(one as RowGroup, lies)
  })
  const column = (lies: Partial<ColumnMetaData>) => ({
    footer: ({ row_groups: [one] }: FileMetaData) => void Object.assign(one?.columns[0]?.meta_data ?? {}, lies)
  })
  for (const [lie, message] of [
    [group({ num_rows: 10n ** 9n }), /1000000000 rows; write the file with/],
    [group({ num_rows: 9_000_000n }), /9000000 rows, of which a column has 1000/],
    [group({ total_byte_size: 2n ** 40n }), /1099511627776 bytes; write/],
    [group({ columns: [] }), /1000 rows without a column/],
    [column({ total_uncompressed_size: 2n ** 40n }), /1099511627776 bytes; write/],
    [column({ total_compressed_size: 2n ** 40n }), /the footer puts a column at/],
    [column({ data_page_offset: -5n }), /the footer puts a column at/],
    [{ pageBytes: 2 ** 30 }, /a page states 1073741824 bytes/]
  ] as const) {
    const reading = collect(parquet(await lyingFile(t, lie)), { until: () => false })
    await assert.rejects(reading, { code: 'badRecord', message })
  }
  const taken = process.memoryUsage().rss - before
  assert.ok(taken < 256 * 1024 * 1024, `${taken} bytes were taken`)
})

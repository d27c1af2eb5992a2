import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { fileSink, jsonLinesSink } from '../../../src/data/index.ts'
import { toJsonLine } from '../../../src/data/sinks/json-line.ts'
import type { DataRecord, DdmError } from '../../../src/interface/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const records = (...texts: string[]): DataRecord[] =>
  texts.map((text, index) => ({ offset: BigInt(index), bytes: Buffer.from(text) }))

test('any record becomes exactly one line of JSON', () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value, null, 2))),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)))
  )
  fc.assert(
    fc.property(bytes, (record) => {
      const line = Buffer.from(toJsonLine(record)).toString()
      assert.equal(line.indexOf('\n'), line.length - 1)
      assert.equal(line.includes('\r'), false)
      JSON.parse(line)
    })
  )
})

test('JSON goes out as it is, other text as a string, other bytes in base64', () => {
  const lineOf = (bytes: Uint8Array): string => Buffer.from(toJsonLine(bytes)).toString()
  assert.equal(lineOf(Buffer.from('{"a": 1.50}')), '{"a": 1.50}\n')
  assert.equal(lineOf(Buffer.from('{\r\n  "a": 12345678901234567890\n}')), '{    "a": 12345678901234567890 }\n')
  assert.equal(lineOf(Buffer.from('two\nlines')), '"two\\nlines"\n')
  assert.equal(lineOf(Buffer.from([0xff, 0x00])), '{"base64":"/wA="}\n')
})

test('the stream sink writes no faster than its reader takes', async () => {
  const stream = new PassThrough({ highWaterMark: 64 })
  const sink = jsonLinesSink(stream)
  await sink.write(records('{"a":1}'))
  let handedOn = false
  const write = sink.write(records(`"${'x'.repeat(100)}"`, '2')).then(() => {
    handedOn = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(handedOn, false)
  const chunks: Buffer[] = []
  stream.on('data', (chunk) => chunks.push(chunk))
  await write
  await sink.flush()
  await sink.close()
  await sink.close()
  assert.equal(Buffer.concat(chunks).toString(), `{"a":1}\n"${'x'.repeat(100)}"\n2\n`)
  assert.equal(stream.writableEnded, false)
  await assert.rejects(sink.write(records('3')), /stdout is closed/)
})

test('a reader that goes away ends the sink as aborted', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.once("data", () => process.exit(0))'], {
    stdio: ['pipe', 'ignore', 'inherit']
  })
  const sink = jsonLinesSink(child.stdin)
  const line = records(...Array.from({ length: 1_000 }, () => `"${'x'.repeat(100)}"`))
  const writing = (async () => {
    while (true) await sink.write(line)
  })()
  await assert.rejects(writing, { code: 'aborted', message: 'nobody reads stdout any more' })
  await assert.rejects(sink.flush(), { code: 'aborted' })
  if (child.exitCode === null) await once(child, 'exit')
})

test('a wait for a reader can be aborted', async () => {
  const sink = jsonLinesSink(new PassThrough({ highWaterMark: 1 }))
  await assert.rejects(sink.write(records('1', '2'), { signal: AbortSignal.timeout(10) }), { code: 'aborted' })
})

test('the file sink writes in order and makes it durable', async (t) => {
  const path = join(await tempDir(t), 'out.jsonl')
  const sink = await fileSink(path)
  await Promise.all([sink.write(records('1', '2')), sink.write(records('3')), sink.flush(), sink.write(records('4'))])
  assert.equal(sink.name, path)
  await sink.close()
  await sink.close()
  assert.equal(await readFile(path, 'utf8'), '1\n2\n3\n4\n')
  await assert.rejects(sink.write(records('5')), /is closed/)
})

test('a file that exists is kept unless the user says otherwise', async (t) => {
  const path = join(await tempDir(t), 'out.jsonl')
  await writeFile(path, '1\n{"torn":')
  await assert.rejects(
    fileSink(path),
    (error: DdmError) => error.code === 'usage' && error.message.includes(`${path} exists`)
  )
  const appending = await fileSink(path, { append: true })
  await appending.write(records('2'))
  await appending.close()
  assert.equal(await readFile(path, 'utf8'), '1\n{"torn":\n2\n')
  const replacing = await fileSink(path, { force: true })
  await replacing.close()
  assert.equal(await readFile(path, 'utf8'), '')
  await assert.rejects(fileSink(join(path, 'below')), { code: 'config' })
})

import { appendFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ByteWriter, parquetWrite } from 'hyparquet-writer'
import { MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { recordsOf } from '../../support/connectors.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { dataSourceCompliance, type SourceWorld } from './data-source.ts'

const linesOf = (from: number, to: number): string =>
  recordsOf(from, to)
    .map((line) => `${line}\n`)
    .join('')

const oversizedLine = `"${'x'.repeat(MAX_RECORD_BYTES)}"\n`

async function startCsv(t: TestContext): Promise<SourceWorld> {
  const file = join(await tempDir(t), 'air.csv')
  await writeFile(file, 'n\n')
  const numbers = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, i) => `${from + i}\n`).join('')
  return {
    spec: `csv:${file}`,
    send: (from, to) => appendFile(file, numbers(from, to)),
    oversized: () => appendFile(file, oversizedLine),
    malformed: () => appendFile(file, '1,2\n')
  }
}

dataSourceCompliance('csv', {
  able: ['oversized', 'malformed'],
  start: startCsv,
  refused: async (t) => [{ spec: `csv:${join(await tempDir(t), 'none')}`, code: 'notFound', message: /no such file/ }]
})

async function startJsonLines(t: TestContext): Promise<SourceWorld> {
  const file = join(await tempDir(t), 'air.jsonl')
  await writeFile(file, '')
  return {
    spec: `jsonl:${file}`,
    send: (from, to) => appendFile(file, linesOf(from, to)),
    oversized: () => appendFile(file, oversizedLine),
    malformed: () => appendFile(file, '{"n":\n')
  }
}

dataSourceCompliance('json lines', {
  able: ['oversized', 'malformed'],
  start: startJsonLines,
  refused: async (t) => [{ spec: `jsonl:${join(await tempDir(t), 'none')}`, code: 'notFound', message: /no such file/ }]
})

/** Each row has a text beside its number, and a file is written as a whole. */
async function startParquet(t: TestContext): Promise<SourceWorld> {
  const file = join(await tempDir(t), 'air.parquet')
  const rows: Array<{ n: number; more: string }> = []
  const add = async (more: Array<{ n: number; more: string }>): Promise<void> => {
    rows.push(...more)
    const writer = new ByteWriter()
    await parquetWrite({
      writer,
      columnData: [
        { name: 'n', data: rows.map(({ n }) => n), type: 'INT32' },
        { name: 'more', data: rows.map(({ more: text }) => text), type: 'STRING' }
      ],
      rowGroupSize: 100
    })
    await writeFile(file, Buffer.from(writer.getBuffer()))
  }
  return {
    spec: `parquet:${file}`,
    send: (from, to) => add(Array.from({ length: to - from }, (_, i) => ({ n: from + i, more: '' }))),
    sent: (text) => JSON.stringify({ n: (JSON.parse(text) as { n: number }).n }),
    oversized: () => add([{ n: -1, more: 'x'.repeat(MAX_RECORD_BYTES) }])
  }
}

dataSourceCompliance('parquet', {
  able: ['oversized'],
  start: startParquet,
  refused: async (t) => {
    const other = join(await tempDir(t), 'other.parquet')
    await writeFile(other, 'no Parquet')
    return [
      { spec: `parquet:${join(other, '..', 'none')}`, code: 'notFound', message: /no such file/ },
      { spec: `parquet:${other}`, code: 'badRecord', message: /is no Parquet/ }
    ]
  }
})

async function startTail(t: TestContext): Promise<SourceWorld> {
  const file = join(await tempDir(t), 'air.log')
  await writeFile(file, '')
  return {
    spec: `tail:${file}`,
    send: (from, to) => appendFile(file, linesOf(from, to)),
    oversized: () => appendFile(file, oversizedLine),
    malformed: () => appendFile(file, '{"n":\n')
  }
}

dataSourceCompliance('tail', {
  able: ['oversized', 'malformed'],
  start: startTail,
  resumes: true,
  refused: async (t) => [
    { spec: `tail:${join(await tempDir(t), 'none')}`, code: 'notFound', message: /there is no such file/ }
  ]
})

dataSourceCompliance('tail, renamed all the time', {
  able: [],
  resumes: true,
  start: async (t) => {
    const file = join(await tempDir(t), 'air.log')
    await writeFile(file, '')
    let renamed = 0
    return {
      spec: `tail:${file}`,
      send: async (from, to) => {
        const middle = Math.floor((from + to) / 2)
        await appendFile(file, linesOf(from, middle))
        await rename(file, `${file}.${renamed++}`)
        await appendFile(file, linesOf(middle, to))
        // Files of one moment have no order.
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
})

async function startExec(t: TestContext): Promise<SourceWorld> {
  const file = join(await tempDir(t), 'air.log')
  await writeFile(file, '')
  return {
    spec: `exec:tail -n +1 -f ${file}`,
    send: (from, to) => appendFile(file, linesOf(from, to)),
    oversized: () => appendFile(file, oversizedLine),
    malformed: () => appendFile(file, '{"n":\n')
  }
}

dataSourceCompliance('exec', {
  able: ['oversized', 'malformed'],
  start: startExec,
  refused: async () => [
    { spec: 'exec:no-such-command-anywhere --password secret', code: 'config', message: /no-such-command-anywhere/ },
    { spec: 'exec:echo broken >&2; exit 3', code: 'config', message: /ended with 3: broken/ }
  ]
})

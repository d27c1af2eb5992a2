import { access, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { SchemaElement } from 'hyparquet'
import { type DataSink, type DataSource, DdmError } from '../../interface/index.ts'
import { throwIfAborted } from '../abort.ts'
import { jsonLinesFile } from '../sources/json-lines.ts'
import { parquet } from '../sources/parquet.ts'
import { isRawJSON } from '../transforms/fields.ts'
import { toRow } from './csv-lines.ts'
import { linesSink } from './lines-file.ts'

/** Of JSON: a row group is in memory as a whole. */
const GROUP_BYTES = 16 * 1024 * 1024

const GROUP_ROWS = 100_000

/**
 * Writes records to a Parquet file, which is there when the sink is closed. Until then they are JSON lines in
 * `FILE.jsonl` beside it: a cut leaves those, and no Parquet file that cannot be read. Columns are all fields of all
 * records; a field whose values differ in type becomes JSON.
 *
 * @throws DdmError `usage` when the file exists and `force` is not given: it cannot be appended to
 */
export async function parquetSink(
  path: string,
  { append, force }: { append: boolean; force: boolean }
): Promise<DataSink> {
  if ((append || !force) && (await isThere(path))) {
    if (append) throw new DdmError('usage', `${path}: a Parquet file cannot be added to; give another name`)
    throw new DdmError('usage', `${path} exists; give another name, or say that it may be replaced`)
  }
  return sinkOf(path, await linesSink(linesOf(path), { force }), 0)
}

/** Goes on after so many records, from the lines of a run that was cut or the file of one that was closed. */
export async function resumeParquetSink(path: string, records: number): Promise<DataSink> {
  const lines = linesOf(path)
  const before = (await isThere(lines)) ? jsonLinesFile(lines, { onError: 'skip' }) : parquet(path)
  const renewed = `${lines}.new`
  const copy = await linesSink(renewed, { force: true })
  const copied = records === 0 ? 0 : await copyTo(copy, before, records)
  await copy.close()
  if (copied < records) {
    await rm(renewed, { force: true })
    throw new DdmError('usage', `${path} has ${copied} records, it had ${records} when the session was cut`, {
      details: { have: copied, need: records }
    })
  }
  await rename(renewed, lines)
  return sinkOf(path, await linesSink(lines, { append: true }), records)
}

async function copyTo(sink: DataSink, source: DataSource, count: number): Promise<number> {
  let copied = 0
  for await (const { bytes } of source.records()) {
    await sink.write([{ offset: BigInt(copied++), bytes }])
    if (copied === count) break
  }
  return copied
}

function linesOf(path: string): string {
  return `${path}.jsonl`
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}

function sinkOf(path: string, lines: DataSink, before: number): DataSink {
  let records = before
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    await lines.close()
    if (records > 0) await convert(linesOf(path), path)
    await rm(linesOf(path), { force: true })
  }
  return {
    name: path,
    write: async (batch, options) => {
      await lines.write(batch, options)
      records += batch.length
    },
    flush: lines.flush,
    mark: async (options) => {
      throwIfAborted(options)
      const written = records
      await lines.flush(options)
      return JSON.stringify({ file: resolve(path), records: written })
    },
    close: () => {
      closing ??= close()
      return closing
    }
  }
}

type ColumnType = 'BOOLEAN' | 'INT64' | 'DOUBLE' | 'STRING' | 'JSON'

/** All of the file or nothing. */
async function convert(from: string, to: string): Promise<void> {
  const { fileWriter, ParquetWriter } = await import('hyparquet-writer')
  const columns = await columnsOf(from)
  const part = `${to}.part`
  try {
    const writer = new ParquetWriter({ writer: fileWriter(part), schema: schemaOf(columns), createdBy: 'ddm' })
    for await (const rows of groupsOf(from)) {
      const columnData = [...columns].map(([name, type]) => ({
        name,
        data: rows.map((row) => toValue(Object.hasOwn(row, name) ? row[name] : null, type))
      }))
      await writer.write({ columnData, rowGroupSize: rows.length })
    }
    await writer.finish()
    await sync(part)
    await rename(part, to)
    await sync(dirname(to))
  } catch (error) {
    await rm(part, { force: true })
    if (error instanceof DdmError) throw error
    const text = `${to} cannot be written: ${(error as Error).message}; the records are in ${from}`
    throw new DdmError('config', text, { cause: error })
  }
}

async function columnsOf(file: string): Promise<Map<string, ColumnType>> {
  const columns = new Map<string, ColumnType | undefined>()
  for await (const { bytes } of jsonLinesFile(file).records()) {
    for (const [name, value] of Object.entries(toRow(bytes))) {
      columns.set(name, wider(columns.get(name), typeOf(value)))
    }
  }
  // A record without fields is a row all the same.
  if (columns.size === 0) columns.set('value', undefined)
  return new Map([...columns].map(([name, type]) => [name, type ?? 'STRING']))
}

const INTEGER = /^-?[0-9]{1,18}$/

/** Undefined for null, which every column may have. */
function typeOf(value: unknown): ColumnType | undefined {
  if (value === null) return undefined
  if (typeof value === 'boolean') return 'BOOLEAN'
  if (typeof value === 'string') return 'STRING'
  if (typeof value === 'number' || isRawJSON(value)) {
    const text = JSON.stringify(value)
    if (INTEGER.test(text)) return 'INT64'
    // An integer that a binary fraction would change stays its text.
    return /^-?[0-9]+$/.test(text) ? 'JSON' : 'DOUBLE'
  }
  return 'JSON'
}

function wider(known: ColumnType | undefined, type: ColumnType | undefined): ColumnType | undefined {
  if (known === undefined || type === undefined || known === type) return known ?? type
  const both = new Set([known, type])
  return both.has('INT64') && both.has('DOUBLE') ? 'DOUBLE' : 'JSON'
}

function toValue(value: unknown, type: ColumnType): unknown {
  if (value === null) return null
  if (type === 'INT64') return BigInt(JSON.stringify(value))
  if (type === 'DOUBLE') return Number(JSON.stringify(value))
  return value
}

const ELEMENTS: Readonly<Record<ColumnType, Partial<SchemaElement>>> = {
  BOOLEAN: { type: 'BOOLEAN' },
  INT64: { type: 'INT64' },
  DOUBLE: { type: 'DOUBLE' },
  STRING: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  JSON: { type: 'BYTE_ARRAY', converted_type: 'JSON' }
}

function schemaOf(columns: ReadonlyMap<string, ColumnType>): SchemaElement[] {
  const leaves = [...columns].map(([name, type]) => ({
    name,
    repetition_type: 'OPTIONAL' as const,
    ...ELEMENTS[type]
  }))
  return [{ name: 'root', num_children: leaves.length }, ...leaves]
}

async function* groupsOf(file: string): AsyncGenerator<Array<Record<string, unknown>>> {
  let rows: Array<Record<string, unknown>> = []
  let length = 0
  for await (const { bytes } of jsonLinesFile(file).records()) {
    rows.push(toRow(bytes))
    length += bytes.byteLength
    if (rows.length < GROUP_ROWS && length < GROUP_BYTES) continue
    yield rows
    rows = []
    length = 0
  }
  if (rows.length > 0) yield rows
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

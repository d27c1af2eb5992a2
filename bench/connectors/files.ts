import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parse } from 'csv-parse'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { ByteWriter, parquetWrite } from 'hyparquet-writer'
import { fileSink } from '../../src/data/sinks/file.ts'
import { csv } from '../../src/data/sources/csv.ts'
import { jsonLinesFile } from '../../src/data/sources/json-lines.ts'
import { parquet } from '../../src/data/sources/parquet.ts'
import { type Connector, readAll, recordText, writeAll } from './case.ts'

/** Files: the reference is the parser or the writer alone. */
export const fileCases: Connector = async function* (closers, records) {
  const folder = await mkdtemp(join(tmpdir(), 'ddm-bench-files-'))
  closers.after(() => rm(folder, { recursive: true, force: true }))
  const at = (name: string): string => join(folder, name)
  const texts = Array.from({ length: records }, (_, number) => recordText(number))
  const rows = texts.map((text) => JSON.parse(text) as { n: number; filler: string })
  await writeFile(at('in.jsonl'), `${texts.join('\n')}\n`)
  await writeFile(at('in.csv'), `n,filler\n${rows.map(({ n, filler }) => `${n},${filler}`).join('\n')}\n`)
  const writer = new ByteWriter()
  const columnData = [
    { name: 'n', data: rows.map(({ n }) => n), type: 'INT32' as const },
    { name: 'filler', data: rows.map(({ filler }) => filler), type: 'STRING' as const }
  ]
  await parquetWrite({ writer, columnData })
  await writeFile(at('in.parquet'), Buffer.from(writer.getBuffer()))
  const nothing = async (): Promise<void> => {}

  yield {
    name: 'jsonl source',
    prepare: nothing,
    ours: () => readAll(jsonLinesFile(at('in.jsonl')), records),
    bare: async () => {
      for await (const line of createInterface({ input: createReadStream(at('in.jsonl')) })) JSON.parse(line)
    }
  }
  yield {
    name: 'csv source',
    prepare: nothing,
    ours: () => readAll(csv(at('in.csv')), records),
    bare: async () => {
      for await (const row of createReadStream(at('in.csv')).pipe(parse({ columns: true }))) JSON.stringify(row)
    }
  }
  yield {
    name: 'parquet source',
    prepare: nothing,
    ours: () => readAll(parquet(at('in.parquet')), records),
    bare: async () => {
      const file = await asyncBufferFromFile(at('in.parquet'))
      for (const row of await parquetReadObjects({ file })) JSON.stringify(row)
    }
  }
  yield {
    name: 'jsonl sink',
    prepare: nothing,
    ours: async (round) => writeAll(await fileSink(at(`ours${round}.jsonl`)), records),
    bare: (round) =>
      pipeline(
        Readable.from(texts.map((text) => `${text}\n`)),
        createWriteStream(at(`bare${round}.jsonl`), { flush: true })
      )
  }
  yield {
    name: 'csv sink',
    prepare: nothing,
    ours: async (round) => writeAll(await fileSink(at(`ours${round}.csv`)), records),
    bare: (round) =>
      pipeline(
        Readable.from(texts.map((text) => `${Object.values(JSON.parse(text) as object).join(',')}\n`)),
        createWriteStream(at(`bare${round}.csv`), { flush: true })
      )
  }
  yield {
    name: 'parquet sink',
    prepare: nothing,
    ours: async (round) => writeAll(await fileSink(at(`ours${round}.parquet`)), records),
    bare: async (round) => {
      const bare = new ByteWriter()
      await parquetWrite({ writer: bare, columnData })
      await writeFile(at(`bare${round}.parquet`), Buffer.from(bare.getBuffer()), { flush: true })
      await readFile(at(`bare${round}.parquet`))
    }
  }
}

import type { DataSink, DataSource } from '../../src/interface/index.ts'

/** One source or sink, and the same work with the client library alone. */
export interface Case {
  name: string
  /** Before each run, not measured. */
  prepare: (round: number) => Promise<void>
  ours: (round: number) => Promise<void>
  bare: (round: number) => Promise<void>
}

/** As a test context: where to close what was started, and to say what is not installed. */
export interface Closers {
  after: (closer: () => unknown) => void
  skip: (text?: string) => void
}

export type Connector = (closers: Closers, records: number) => AsyncIterable<Case>

/** 200 bytes of JSON. */
export function recordText(number: number): string {
  const text = `{"n":${number},"filler":""}`
  return text.replace('""', `"${'x'.repeat(200 - text.length)}"`)
}

/** Publications on their way at once, as many as the sinks have. */
const WINDOW = 512

/** Sends records with the client library alone: the next one leaves whenever one is acknowledged. */
export async function sendAll(records: number, send: (text: string) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < records) await send(recordText(next++))
  }
  await Promise.all(Array.from({ length: WINDOW }, lane))
}

const BATCH = 256

export async function writeAll(sink: DataSink, records: number): Promise<void> {
  for (let at = 0; at < records; at += BATCH) {
    const count = Math.min(BATCH, records - at)
    await sink.write(
      Array.from({ length: count }, (_, i) => ({ offset: BigInt(at + i), bytes: Buffer.from(recordText(at + i)) }))
    )
  }
  await sink.flush()
  await sink.close()
}

/** Reads as a log does, that makes a block durable at once. */
export async function readAll(source: DataSource, records: number): Promise<void> {
  let count = 0
  for await (const { position } of source.records()) {
    count += 1
    if (position !== undefined && (count % BATCH === 0 || count === records)) source.durable?.(position)
    if (count === records) return
  }
}

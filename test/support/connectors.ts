import type { DataSource } from '../../src/interface/index.ts'

/** `{"n":from}` up to before `to`. */
export function recordsOf(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `{"n":${from + i}}`)
}

export interface CollectOptions {
  /** Called after each record with all of them. */
  until: (texts: string[]) => boolean
  /** How many records are told to be durable. @default all */
  durableTo?: number
  from?: string
}

/** Reads a source as a log does, which makes records durable a little later, in batches. */
export async function collect(
  source: DataSource,
  { until, durableTo = Number.POSITIVE_INFINITY, from }: CollectOptions
): Promise<{ texts: string[]; position: string | undefined }> {
  const texts: string[] = []
  let position: string | undefined
  let told: string | undefined
  const tell = (): void => {
    if (position === told || position === undefined) return
    told = position
    source.durable?.(position)
  }
  const telling = setInterval(tell, 5)
  try {
    for await (const record of source.records(from === undefined ? {} : { from })) {
      texts.push(Buffer.from(record.bytes).toString())
      if (texts.length <= durableTo) position = record.position ?? position
      if (until(texts)) break
    }
  } finally {
    tell()
    clearInterval(telling)
  }
  return { texts, position }
}

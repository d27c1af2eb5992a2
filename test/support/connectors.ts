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
  /** Ends quietly then. */
  stopAfterMs?: number
}

/** Reads a source as a log does, which makes records durable a little later, in batches. */
export async function collect(
  source: DataSource,
  { until, durableTo = Number.POSITIVE_INFINITY, from, stopAfterMs }: CollectOptions
): Promise<{ texts: string[]; position: string | undefined }> {
  const texts: string[] = []
  let position: string | undefined
  let told: string | undefined
  const stop = new AbortController()
  const timer = stopAfterMs === undefined ? undefined : setTimeout(() => stop.abort(), stopAfterMs)
  const tell = (): void => {
    if (position === told || position === undefined) return
    told = position
    source.durable?.(position)
  }
  const telling = setInterval(tell, 5)
  try {
    const options = { signal: stop.signal, ...(from === undefined ? {} : { from }) }
    for await (const record of source.records(options)) {
      texts.push(Buffer.from(record.bytes).toString())
      if (texts.length <= durableTo) position = record.position ?? position
      if (until(texts)) break
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    clearTimeout(timer)
    tell()
    clearInterval(telling)
  }
  return { texts, position }
}

import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PassThrough, type Writable } from 'node:stream'
import type { Command } from 'commander'
import { type AbortOptions, type DataSink, DdmError, type Listing, printableJson } from '../interface/index.ts'
import type { Purchase } from '../node/index.ts'
import { header } from './arguments.ts'
import { loadNode } from './context.ts'

/** Where the records go. */
export interface DownloadFlags {
  output?: string
  /** A sink by its name. */
  to?: string
  append?: boolean
  force?: boolean
  header?: Record<string, string>
}

/** The options that say where. */
export function sinkOptions(command: Command, output: string): Command {
  command
    .option('-o, --output <file>', output)
    .option(
      '--to <sink>',
      'send the records on instead: FILE.csv, FILE.parquet, https://HOST/PATH, mqtt://HOST/TOPIC, postgres://HOST/DATABASE?table=T … (docs/guides/connectors.md)'
    )
  return headerOption(command).option('--append', 'add to the file').option('--force', 'replace the file')
}

export function headerOption(command: Command): Command {
  return command.option(
    '--header <header>',
    'sent with records that go to https://…, like "Authorization: Bearer abc"; may be repeated',
    header
  )
}

export async function openSink(
  { output, to, append = false, force = false, header: headers }: DownloadFlags,
  { id, document }: Listing
): Promise<DataSink> {
  const { jsonLinesSink, parseSink } = await loadNode()
  if (output !== undefined && to !== undefined) throw new DdmError('usage', 'give --output or --to, not both')
  if (output === undefined && to === undefined) return jsonLinesSink(recordStream())
  const columns = columnsOf(document)
  return parseSink(to ?? `file:${resolve(output ?? '')}`, {
    append,
    force,
    stdout: recordStream(),
    product: id,
    ...(columns === undefined ? {} : { columns }),
    ...(headers === undefined ? {} : { headers })
  })
}

/** The fields that the listing promises. */
function columnsOf({ schema }: Listing['document']): string[] | undefined {
  const { properties } = schema.jsonSchema ?? {}
  const names = typeof properties === 'object' && properties !== null ? Object.keys(properties) : []
  return names.length === 0 ? undefined : names
}

/** A purchase that failed before its first record leaves no file that the next try would stumble over. */
export async function removeEmpty({ append, force }: DownloadFlags, mark: string | undefined): Promise<void> {
  if (mark === undefined || append === true || force === true) return
  const { file } = JSON.parse(mark) as { file?: string }
  if (file !== undefined) await rm(file, { force: true })
}

/** Records are strangers' text: a program gets their bytes, a terminal what is safe to show. */
export function recordStream(): Writable {
  if (!process.stdout.isTTY) return process.stdout
  const safe = new PassThrough()
  safe.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text.split('\n').map(printableJson).join('\n'))
  })
  return safe
}

/** A server that was to take the last records has so long after the command was asked to end. */
const LAST_CALL_MS = 5_000

/** The sink did not take what came: that comes again when the session is resumed. */
class SinkFailure extends DdmError {}

function sinkFailure(error: unknown): SinkFailure {
  if (!(error instanceof DdmError)) return new SinkFailure('internal', String(error), { cause: error })
  return new SinkFailure(error.code, error.message, { cause: error, details: error.details })
}

/**
 * The same sink, with errors that say that they are a sink's. It is given up when it still keeps a command waiting some
 * seconds after that was asked to end.
 */
export function endsWith(stop: AbortSignal, sink: DataSink): DataSink {
  const call = async <T>(work: (options: AbortOptions) => Promise<T>): Promise<T> => {
    const late = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const begin = (): void => {
      timer = setTimeout(() => late.abort(), LAST_CALL_MS)
    }
    stop.addEventListener('abort', begin, { once: true })
    if (stop.aborted) begin()
    try {
      return await work({ signal: late.signal })
    } catch (cause) {
      if (!late.signal.aborted) throw sinkFailure(cause)
      throw new SinkFailure('aborted', `${sink.name} took no more records after the command was stopped`, { cause })
    } finally {
      clearTimeout(timer)
      stop.removeEventListener('abort', begin)
    }
  }
  return {
    name: sink.name,
    write: (records) => call((options) => sink.write(records, options)),
    flush: () => call((options) => sink.flush(options)),
    ...(sink.mark === undefined
      ? {}
      : { mark: () => call((options) => (sink.mark as NonNullable<DataSink['mark']>)(options)) }),
    close: () => call((options) => sink.close(options))
  }
}

/** The error itself; where it is the sink's, the purchase is settled first, and the error says how to go on. */
export async function settled(error: unknown, purchase: Purchase, to?: string): Promise<unknown> {
  if (!(error instanceof SinkFailure)) return error
  purchase.stop()
  await purchase.done.catch(() => {})
  const { id } = purchase.status
  if (id === undefined) return error
  const again = `ddm sessions resume ${id}`
  const text = `${error.message}; what it did not take comes again with: ${again}${to === undefined ? '' : ' --to …'}`
  return new DdmError(error.code, `${text}, or somewhere else with: ${again} --elsewhere -o FILE.jsonl`, {
    cause: error,
    details: { ...error.details, session: id }
  })
}

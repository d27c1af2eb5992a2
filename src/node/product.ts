import { isAbsolute, resolve } from 'node:path'
import { ON_INVALID, type OnInvalid, parseSource, type SourceOptions, sourceReach } from '../data/index.ts'
import { DdmError } from '../interface/index.ts'
import { duration } from './config/values.ts'
import type { SellOptions } from './types.ts'
import { parsePrice } from './written-price.ts'

/** One product in words: what a configuration file, the control API and the flags of `ddm sell` say. */
export interface ProductDescription {
  title?: string
  description?: string
  keywords?: string[]
  /** Like `0.0001/record`; several for several currencies. */
  price?: string | string[]
  /** What `--source` takes: `csv:air.csv`. */
  source?: string
  onError?: 'stop' | 'skip'
  /** Fields to keep; nested ones by dots. */
  select?: string[]
  /** Sells the first of every so many records. */
  every?: number
  /** Sells the first record of each so long: `1m`, or ms. */
  interval?: string | number
  /** Field with the time of a record. */
  time?: string
  /** For a record that breaks the rules of the listing: `stop` or `drop`. */
  onInvalid?: OnInvalid
  /** Checks records against the JSON Schema before they are sold. */
  check?: boolean
  /** Of a source that works by the clock: ms. */
  period?: number
  /** Sent along by a source that speaks HTTP. */
  headers?: Readonly<Record<string, string>>
  key?: string
  /** Records that are given away: how many of the first, or offsets as `from-to`. */
  free?: number | string
  /** Peer IDs and accounts that may buy, or may not. */
  allow?: string[]
  deny?: string[]
  credit?: string
  /** Records per invoice: the usual number, or with bounds. */
  k?: number | { min: number; default: number; max: number }
  /** JSON Schema of the records. */
  schema?: Record<string, unknown>
  /** A record every so long is promised: `1s`, or ms. */
  cadence?: string | number
  /** Further parts of the listing document: licence, place, variables … */
  document?: Exclude<SellOptions['document'], undefined>
}

export const PRODUCT_KEYS = [
  'title',
  'description',
  'keywords',
  'price',
  'source',
  'onError',
  'select',
  'every',
  'interval',
  'time',
  'onInvalid',
  'check',
  'period',
  'headers',
  'key',
  'free',
  'allow',
  'deny',
  'credit',
  'k',
  'schema',
  'cadence',
  'document'
] as const satisfies ReadonlyArray<keyof ProductDescription>

export interface ProductOptions extends Pick<SourceOptions, 'onSkip' | 'onProblem' | 'onOpened' | 'patient' | 'onLog'> {
  /** What to say when a part is missing. */
  missing: (key: string) => string
  /** Told of records that `onInvalid: 'drop'` left out. */
  onDrop?: SellOptions['onDrop']
}

/**
 * What `DdmNode.sell` takes, out of a description; the source is named, not read yet.
 *
 * @example
 * ```ts
 * const product = { title: 'Air', price: '0.0001/record', source: 'csv:air.csv' }
 * await node.sell(await sellOptions(product, { missing: (key) => `the product has no "${key}"` }))
 * ```
 *
 * @throws DdmError `usage`
 */
export async function sellOptions(
  product: ProductDescription,
  { missing, onDrop, ...told }: ProductOptions
): Promise<SellOptions> {
  const { title, price, source, onError = 'stop', period, interval, onInvalid, check, headers, ...parts } = product
  const { free, k, schema, cadence, document, ...rest } = parts
  if (title === undefined) throw new DdmError('usage', missing('title'))
  if (price === undefined) throw new DdmError('usage', missing('price'))
  if (source === undefined) throw new DdmError('usage', missing('source'))
  if (onError !== 'stop' && onError !== 'skip') {
    throw new DdmError('usage', `onError "${String(onError)}" is neither stop nor skip`)
  }
  const invalid = ON_INVALID.find((name) => name === onInvalid)
  if (onInvalid !== undefined && invalid === undefined) {
    throw new DdmError('usage', `--on-invalid "${onInvalid}" is neither ${ON_INVALID.join(' nor ')}`)
  }
  const [first, ...others] = (Array.isArray(price) ? price : [price]).map(parsePrice)
  if (first === undefined) throw new DdmError('usage', missing('price'))
  const options: SourceOptions = {
    onError,
    ...told,
    ...(period === undefined ? {} : { periodMs: period }),
    ...(headers === undefined ? {} : { headers })
  }
  const opened = await parseSource(source, options)
  const given = free === undefined ? undefined : readFree(free)
  const described = {
    ...document,
    ...(schema === undefined ? {} : { schema: { ...document?.schema, encoding: 'json' as const, jsonSchema: schema } }),
    ...(cadence === undefined ? {} : { cadence: { ...document?.cadence, ...promised(cadence, opened.finite) } }),
    ...(typeof given === 'object' ? { freeRange: given } : {})
  }
  return {
    title,
    ...first,
    ...(others.length === 0 ? {} : { otherPrices: others }),
    ...rest,
    ...(interval === undefined ? {} : { interval: readSpan('interval', interval) }),
    ...(invalid === undefined ? {} : { onInvalid: invalid }),
    ...(check === undefined ? {} : { checkSchema: check }),
    ...(typeof given === 'number' ? { free: given } : {}),
    ...(k === undefined ? {} : { k: readK(k) }),
    ...(Object.keys(described).length === 0 ? {} : { document: described }),
    ...(onDrop === undefined ? {} : { onDrop }),
    source: opened
  }
}

const span = duration('1ms', '365d')

function readSpan(name: string, text: string | number): number {
  try {
    return span(text)
  } catch (error) {
    throw new DdmError('usage', `${name} ${JSON.stringify(text)} is not ${(error as Error).message}`)
  }
}

function promised(cadence: string | number, finite: boolean): { mode: 'finite' | 'periodic'; periodMs: number } {
  return { mode: finite ? 'finite' : 'periodic', periodMs: readSpan('cadence', cadence) }
}

type Range = { from: number; to: number }

/** The first so many, or a range of offsets; `from` is given away, `to` is not any more. */
function readFree(free: number | string): number | Range {
  if (typeof free === 'number') return free
  const [, first, to] = /^([0-9]{1,15})(?:-([0-9]{1,15}))?$/.exec(free) ?? []
  if (first !== undefined && to === undefined) return Number(first)
  if (Number(to) > Number(first)) return { from: Number(first), to: Number(to) }
  throw new DdmError('usage', `free "${free}" is neither a number of records nor offsets like 100-110`)
}

const USUAL_MAX_K = 1000

function readK(k: Exclude<ProductDescription['k'], undefined>): Exclude<SellOptions['k'], undefined> {
  return typeof k === 'number' ? { min: 1, default: k, max: Math.max(k, USUAL_MAX_K) } : k
}

/** Files that a description names are relative to `folder`: the one of the file that it stands in. */
export function locateSource(source: string, folder: string): string {
  const [, kind, file] = /^([a-z]+):(.+)$/.exec(source) ?? []
  if (file === undefined || isAbsolute(file) || sourceReach(source) !== 'file') return source
  return `${kind}:${resolve(folder, file)}`
}

import { isAbsolute, resolve } from 'node:path'
import { parseSource, type SourceOptions } from '../data/index.ts'
import { DdmError } from '../interface/index.ts'
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
  /** Of a source that works by the clock: ms. */
  period?: number
  key?: string
  /** How many records are given away. */
  free?: number
  /** Peer IDs and accounts that may buy, or may not. */
  allow?: string[]
  deny?: string[]
  credit?: string
  k?: { min: number; default: number; max: number }
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
  'period',
  'key',
  'free',
  'allow',
  'deny',
  'credit',
  'k',
  'document'
] as const satisfies ReadonlyArray<keyof ProductDescription>

export interface ProductOptions {
  /** What to say when a part is missing. */
  missing: (key: string) => string
  /** Told of source lines that were left out. */
  onSkip?: SourceOptions['onSkip']
}

/**
 * What `DdmNode.sell` takes, out of a description; the source is named, not read yet.
 *
 * @example
 * ```ts
 * const product = { title: 'Air', price: '0.0001/record', source: 'csv:air.csv' }
 * await node.sell(sellOptions(product, { missing: (key) => `the product has no "${key}"` }))
 * ```
 *
 * @throws DdmError `usage`
 */
export function sellOptions(product: ProductDescription, { missing, onSkip }: ProductOptions): SellOptions {
  const { title, price, source, onError = 'stop', period, ...rest } = product
  if (title === undefined) throw new DdmError('usage', missing('title'))
  if (price === undefined) throw new DdmError('usage', missing('price'))
  if (source === undefined) throw new DdmError('usage', missing('source'))
  if (onError !== 'stop' && onError !== 'skip') {
    throw new DdmError('usage', `onError "${String(onError)}" is neither stop nor skip`)
  }
  const [first, ...others] = (Array.isArray(price) ? price : [price]).map(parsePrice)
  if (first === undefined) throw new DdmError('usage', missing('price'))
  const options: SourceOptions = {
    onError,
    ...(period === undefined ? {} : { periodMs: period }),
    ...(onSkip === undefined ? {} : { onSkip })
  }
  return {
    title,
    ...first,
    ...(others.length === 0 ? {} : { otherPrices: others }),
    ...rest,
    source: parseSource(source, options)
  }
}

/** Files that a description names are relative to `folder`: the one of the file that it stands in. */
export function locateSource(source: string, folder: string): string {
  const [, kind, file] = /^(csv|jsonl):(.+)$/.exec(source) ?? []
  return file === undefined || isAbsolute(file) ? source : `${kind}:${resolve(folder, file)}`
}

import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import { DdmError } from '../interface/index.ts'
import type { SellOptions, SourceOptions } from '../node/index.ts'
import { loadNode } from './context.ts'
import type { Output } from './output.ts'
import { parsePrice } from './price.ts'

/** One product as flags give it. */
export interface ProductFlags {
  name?: string
  description?: string
  keywords?: string[]
  /** One, or one for each currency. */
  price?: string | string[]
  source?: string
  onError?: string
  period?: number
  key?: string
  /** How many records are given away. */
  free?: number
  /** Peer IDs and accounts that may buy, or may not. */
  allow?: string[]
  deny?: string[]
}

/** One product as a file gives it. */
interface FileProduct extends Omit<ProductFlags, 'name'> {
  title?: string
  credit?: string
  k?: { min: number; default: number; max: number }
  /** Further parts of the listing document: licence, place, variables … */
  document?: SellOptions['document']
}

const KEYS = [
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
]

export async function productFromFlags({ name, ...flags }: ProductFlags, output: Output): Promise<SellOptions> {
  return product({ ...flags, ...(name === undefined ? {} : { title: name }) }, output, (missing) => {
    const flag = missing === 'title' ? 'name' : missing
    return `--${flag} is missing; write for example: ddm sell --name "Air" --price 0.0001/record --source csv:air.csv`
  })
}

/** Files that products name are relative to the file that names them. */
export async function productsFromFile(path: string, output: Output): Promise<SellOptions[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new DdmError('notFound', `--config ${path} cannot be read (${error.code})`, { cause: error })
  })
  let value: { products?: FileProduct[] }
  try {
    value = JSON.parse(text) as { products?: FileProduct[] }
  } catch (cause) {
    throw new DdmError('usage', `${path} is not JSON: ${(cause as Error).message}`, { cause })
  }
  const { products } = value ?? {}
  if (!Array.isArray(products) || products.length === 0) {
    throw new DdmError('usage', `${path} names no product; write {"products":[{"title":…,"price":…,"source":…}]}`)
  }
  return Promise.all(
    products.map((entry, index) => {
      const unknown = Object.keys(entry).find((key) => !KEYS.includes(key))
      if (unknown !== undefined) {
        throw new DdmError(
          'usage',
          `${path}: product ${index + 1} has the unknown key "${unknown}"; known are ${KEYS.join(', ')}`
        )
      }
      const { source } = entry
      const located = source === undefined ? {} : { source: locate(source, dirname(resolve(path))) }
      return product({ ...entry, ...located }, output, (key) => `${path}: product ${index + 1} has no "${key}"`)
    })
  )
}

function locate(source: string, folder: string): string {
  const [, kind, file] = /^(csv|jsonl):(.+)$/.exec(source) ?? []
  return file === undefined || isAbsolute(file) ? source : `${kind}:${resolve(folder, file)}`
}

async function product(
  {
    title,
    description,
    keywords,
    price,
    source,
    onError = 'stop',
    period,
    key,
    credit,
    k,
    document,
    ...rest
  }: FileProduct,
  output: Output,
  missing: (key: string) => string
): Promise<SellOptions> {
  if (title === undefined) throw new DdmError('usage', missing('title'))
  if (price === undefined) throw new DdmError('usage', missing('price'))
  if (source === undefined) throw new DdmError('usage', missing('source'))
  if (onError !== 'stop' && onError !== 'skip') {
    throw new DdmError('usage', `--on-error "${onError}" is neither stop nor skip`)
  }
  const [first, ...others] = (Array.isArray(price) ? price : [price]).map(parsePrice)
  if (first === undefined) throw new DdmError('usage', missing('price'))
  const { parseSource } = await loadNode()
  const options: SourceOptions = {
    onError,
    ...(period === undefined ? {} : { periodMs: period }),
    onSkip: (skipped, { message }) =>
      output.event({ event: 'skipped', skipped, message }, `skipped (${skipped}): ${message}`)
  }
  return {
    title,
    ...first,
    ...(others.length === 0 ? {} : { otherPrices: others }),
    source: parseSource(source, options),
    ...(description === undefined ? {} : { description }),
    ...(keywords === undefined ? {} : { keywords }),
    ...(key === undefined ? {} : { key }),
    ...(rest.free === undefined ? {} : { free: rest.free }),
    ...(rest.allow === undefined ? {} : { allow: rest.allow }),
    ...(rest.deny === undefined ? {} : { deny: rest.deny }),
    ...(credit === undefined ? {} : { credit }),
    ...(k === undefined ? {} : { k }),
    ...(document === undefined ? {} : { document })
  }
}

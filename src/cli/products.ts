import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { DdmError } from '../interface/index.ts'
import type { ProductDescription, SellOptions } from '../node/index.ts'
import { loadNode } from './context.ts'
import type { Output } from './output.ts'

/** One product as flags give it. */
export interface ProductFlags extends Omit<ProductDescription, 'title' | 'headers' | 'schema' | 'document'> {
  name?: string
  /** Files with JSON. */
  schema?: string
  document?: string
  header?: Record<string, string>
}

export async function productFromFlags(
  { name, header, schema, document, ...flags }: ProductFlags,
  output: Output
): Promise<SellOptions> {
  const { PRODUCT_KEYS, sellOptions } = await loadNode()
  // Flags that say how to sell, not what, come along.
  const known = Object.fromEntries(
    PRODUCT_KEYS.filter((key) => key in flags).map((key) => [key, flags[key as keyof typeof flags]])
  )
  return sellOptions(
    {
      ...known,
      ...(name === undefined ? {} : { title: name }),
      ...(header === undefined ? {} : { headers: header }),
      ...(schema === undefined ? {} : { schema: await readJson('--schema', schema) }),
      ...(document === undefined ? {} : { document: await readJson('--document', document) })
    },
    {
      missing: (key) => {
        const flag = key === 'title' ? 'name' : key
        return `--${flag} is missing; write for example: ddm sell --name "Air" --price 0.0001/record --source csv:air.csv`
      },
      ...news(output)
    }
  )
}

/** Files that products name are relative to the file that names them. */
export async function productsFromFile(path: string, output: Output): Promise<SellOptions[]> {
  const [{ locateSource, PRODUCT_KEYS, sellOptions, shareSources }, { descriptionChecker }] = await Promise.all([
    loadNode(),
    import('../api/index.ts')
  ])
  const products = await readProducts(path)
  const faultOf = await descriptionChecker()
  const options = products.map(async (entry, index) => {
    const name = `product ${index + 1}`
    const fault = faultOf(entry)
    if (fault !== undefined) {
      const { at, what, value } = fault
      const where = at === '' ? name : `"${at.slice(1)}" of ${name}`
      throw new DdmError('usage', `${path}: ${where} is ${valueText(value)}; it ${what}`)
    }
    const unknown = Object.keys(entry).find((key) => !(PRODUCT_KEYS as readonly string[]).includes(key))
    if (unknown !== undefined) {
      throw new DdmError(
        'usage',
        `${path}: ${name} has the unknown key "${unknown}"; known are ${PRODUCT_KEYS.join(', ')}`
      )
    }
    const { source } = entry
    const located = source === undefined ? {} : { source: locateSource(source, dirname(resolve(path))) }
    return sellOptions(
      { ...entry, ...located },
      { missing: (key) => `${path}: ${name} has no "${key}"`, ...news(output) }
    )
  })
  return shareSources(products, await Promise.all(options))
}

const SHOWN = 80

/** What is nested may be long, and may hold a token. */
function valueText(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}

async function readProducts(path: string): Promise<ProductDescription[]> {
  const { products } = (await readJson('--config', path)) as { products?: ProductDescription[] }
  if (!Array.isArray(products) || products.length === 0) {
    throw new DdmError('usage', `${path} names no product; write {"products":[{"title":…,"price":…,"source":…}]}`)
  }
  return products
}

/** The object in a file that a flag names. */
async function readJson(flag: string, path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new DdmError('notFound', `${flag} ${path} cannot be read (${error.code})`, { cause: error })
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new DdmError('usage', `${path} is not JSON: ${(cause as Error).message}`, { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new DdmError('usage', `${path} is no JSON object`)
}

/** Lines that cannot be read, records that break the rules of their listing, and connections that were lost. */
function news(output: Output) {
  return {
    onSkip: (skipped: number, { message }: Error): void =>
      output.event({ event: 'skipped', skipped, message }, `skipped (${skipped}): ${message}`),
    onDrop: (dropped: number, { message }: Error): void =>
      output.event({ event: 'dropped', dropped, message }, `dropped (${dropped}): ${message}`),
    onProblem: ({ code, message }: DdmError): void =>
      output.event({ event: 'sourceProblem', code, message }, `source: ${message}; trying again`),
    onLog: (text: string): void => output.event({ event: 'sourceLog', text }, `source says: ${text}`)
  }
}

import type { ProductWish } from '../client/types.ts'
import { compact } from '../form/json-schema.ts'

/** A product as it is being written: the text of each field. */
export interface Draft {
  source: string
  title: string
  amount: string
  unit: 'record' | 'KiB'
  symbol: string
  free: string
  select: string
  every: string
  interval: string
  credit: string
  allow: string
  deny: string
  /** Asked again after so many ms. */
  period: string
  /** `Name: value`, sent with each request to the source. */
  header: string
  /** Description and keywords. */
  named: Record<string, unknown>
  document: Record<string, unknown>
}

/** Fields that are looked at before anything is sent. */
export type Checked =
  | 'source'
  | 'title'
  | 'amount'
  | 'free'
  | 'select'
  | 'every'
  | 'interval'
  | 'credit'
  | 'allow'
  | 'deny'
  | 'period'
  | 'header'

/** What is wrong with a field, in words. */
export type Faults = Partial<Record<Checked, string>>

export function blankDraft(symbol: string): Draft {
  const texts = { source: '', title: '', amount: '', free: '', select: '', every: '', interval: '', credit: '' }
  return { ...texts, allow: '', deny: '', period: '', header: '', unit: 'record', symbol, named: {}, document: {} }
}

const AMOUNT = /^[0-9]+([.][0-9]+)?$/

/** A peer ID, or an account that pays: 20 bytes on evm, 32 on iota. */
const BUYER = /^(0x[0-9a-fA-F]{40}|0x[0-9a-fA-F]{64}|[1-9A-HJ-NP-Za-km-z]{46,62})$/

const matches =
  (form: RegExp, advice: string) =>
  (text: string): string | undefined =>
    form.test(text) ? undefined : advice

function buyers(text: string): string | undefined {
  const wrong = entries(text).find((entry) => !BUYER.test(entry))
  return wrong === undefined
    ? undefined
    : `“${wrong}” names no buyer: write peer IDs like 12D3KooW… or accounts like 0x5b38….`
}

const CHECKS: Readonly<Record<Checked, (text: string) => string | undefined>> = {
  source: matches(/./, 'Name where the records come from, like telemetry or csv:/path/to/file.csv.'),
  title: matches(/./, 'Give it a name that buyers find it by.'),
  amount: matches(AMOUNT, 'Write the price in digits, like 0.0001; 0 gives it away.'),
  free: matches(/^([0-9]{1,15}(-[0-9]{1,15})?)?$/, 'Write how many of the first, like 10, or offsets like 100-110.'),
  select: () => undefined,
  every: matches(/^([1-9][0-9]{0,8})?$/, 'Write a whole number, like 10, or nothing.'),
  interval: matches(
    /^([0-9]{1,9}(ms|s|m|h|d))?$/,
    'Write a time span with its unit, like 90s, 10m or 24h, or nothing.'
  ),
  credit: matches(new RegExp(`^$|${AMOUNT.source}`), 'Write an amount in digits, like 0.01, or nothing.'),
  allow: buyers,
  deny: buyers,
  period: matches(/^([1-9][0-9]{0,8})?$/, 'Write a whole number of milliseconds, like 10000, or nothing.'),
  header: matches(
    /^$|^[!#$%&'*+.^_`|~0-9A-Za-z-]+:\s*\S/,
    'Write a name, a colon and a value, like Authorization: Bearer abc.'
  )
}

const CHECKED = Object.keys(CHECKS) as Checked[]

export function faultsOf(draft: Draft): Faults {
  const found = CHECKED.map((name) => [name, CHECKS[name](draft[name].trim())] as const)
  return Object.fromEntries(found.filter(([, fault]) => fault !== undefined))
}

/** Fields by their names in what the API says. */
const SAID_OF: ReadonlyMap<string, Checked> = new Map([
  ...CHECKED.map((name) => [name, name] as const),
  ['price', 'amount'] as const,
  ['headers', 'header'] as const
])

/** The field that a refusal of the node is about, if it begins with one: `price "x" is …`, `the body.product.every: must …`. */
export function fieldOf(message: string): Checked | undefined {
  const [, name = ''] = /^(?:the body\.product\.|there is no )?([a-z]+)\b/i.exec(message) ?? []
  return SAID_OF.get(name)
}

function entries(text: string): string[] {
  return text
    .split(/[,\s]+/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

/** @param text - `Name: value` */
function headerOf(text: string): Record<string, string> {
  const at = text.indexOf(':')
  return { [text.slice(0, at).trim()]: text.slice(at + 1).trim() }
}

/** What the API takes; `ownSymbol` is the currency that a price without one is in. */
export function wishOf(draft: Draft, ownSymbol: string): ProductWish {
  const { source, title, amount, unit, symbol, free, every, interval, credit, period, header, named, document } = draft
  const currency = symbol === ownSymbol ? '' : ` ${symbol}`
  const parts = compact(document)
  const lists = Object.fromEntries(
    (['select', 'allow', 'deny'] as const)
      .map((name) => [name, entries(draft[name])] as const)
      .filter(([, list]) => list.length > 0)
  )
  return {
    product: {
      source: source.trim(),
      title: title.trim(),
      price: `${amount.trim()}${currency}/${unit}`,
      ...compact(named),
      ...lists,
      ...(free.trim() === '' ? {} : { free: free.trim() }),
      ...(every.trim() === '' ? {} : { every: Number(every) }),
      ...(interval.trim() === '' ? {} : { interval: interval.trim() }),
      ...(credit.trim() === '' ? {} : { credit: credit.trim() }),
      ...(period.trim() === '' ? {} : { period: Number(period) }),
      ...(header.trim() === '' ? {} : { headers: headerOf(header) }),
      ...(parts === undefined ? {} : { document: parts as NonNullable<ProductWish['product']['document']> })
    }
  }
}

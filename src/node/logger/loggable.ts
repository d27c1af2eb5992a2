import { printable } from '../../interface/index.ts'

/** Names of fields whose value never reaches a log. */
const SECRET = /^(private_?key|secret(_?key)?|pass(phrase|word)|mnemonic|seed|authorization|api_?token|cookie)$/i

const MAX_DEPTH = 4
const MAX_ITEMS = 50
/** Longest text of a log entry, and of a name in it, in UTF-16 units. */
const MAX_TEXT = 2_000
const MAX_NAME = 100

/** One line that nobody can forge another with. */
function line(text: string, limit = MAX_TEXT): string {
  return printable((text.length > limit ? `${text.slice(0, limit)}…` : text).replace(/[\r\n\t]+/g, ' '))
}

/**
 * A value as a log may show it: text printable, bytes only counted (they may be a key), bigints in decimal, errors as
 * name, code and message, objects with their own way to be text (peer IDs, CIDs, addresses) as that text.
 */
export function loggable(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return line(value)
    case 'bigint':
      return value.toString()
    case 'function':
    case 'symbol':
      return `<${typeof value}>`
    case 'object':
      return value === null ? null : loggableObject(value, depth)
    default:
      return value
  }
}

function loggableObject(value: object, depth: number): unknown {
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
  if (value instanceof Error) return loggableError(value, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => loggable(item, depth + 1))
  if (value instanceof Map || value instanceof Set) return `<${value.size} entries>`
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype !== Object.prototype && prototype !== null) {
    const text = (value as { toString: () => string }).toString()
    return text.startsWith('[object ') ? text.slice(1, -1) : line(text)
  }
  const out: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value).slice(0, MAX_ITEMS)) {
    out[line(name, MAX_NAME)] = SECRET.test(name) ? '[redacted]' : loggable(field, depth + 1)
  }
  return out
}

function loggableError(error: Error, depth: number): unknown {
  const { code } = error as { code?: unknown }
  return {
    name: line(error.name, MAX_NAME),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message: line(error.message),
    ...(error.cause === undefined || depth >= MAX_DEPTH ? {} : { cause: loggable(error.cause, depth + 1) })
  }
}

/**
 * libp2p's printf: `%e` error, `%p` peer, `%a` address, `%c` CID, `%k` key, `%b` `%t` bytes, `%s %d %o %j` as usual.
 * @source @libp2p/logger, formatters
 */
export function formatMessage(formatter: unknown, args: unknown[]): string {
  let used = 0
  const text = typeof formatter === 'string' ? formatter : toText(formatter)
  const message = text.replace(/%([a-zA-Z%])/g, (match, letter: string) => {
    if (letter === '%') return '%'
    if (used >= args.length) return match
    return toText(args[used++])
  })
  return line([message, ...args.slice(used).map(toText)].join(' '))
}

function toText(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  const safe = loggable(value)
  return typeof safe === 'object' && safe !== null ? JSON.stringify(safe) : String(safe)
}

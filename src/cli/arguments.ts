import { InvalidArgumentError } from 'commander'
import { DdmError } from '../interface/index.ts'

/** A whole number from a flag. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(
      `Give a whole number from ${minimum}${maximum < 2 ** 53 - 1 ? ` to ${maximum}` : ''}.`
    )
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time span with its unit: `90s`, `10m`; milliseconds in memory. */
export function timeSpan(text: string): number {
  const [, count, unit] = /^([0-9]{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  const value = Number(count) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (value > 0) return value
  throw new InvalidArgumentError('Give a time span with its unit, like 90s, 10m or 24h.')
}

/** The same, and `0s` for none at all. */
export function timeSpanOrNone(text: string): number {
  return /^0(ms|s|m|h|d)?$/.test(text) ? 0 : timeSpan(text)
}

/** `Name: value`, as often as it is given. */
export function header(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([^\s:]+):\s*(.+)$/s.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('Give a header as "Name: value", like "Authorization: Bearer abc".')
  }
  return { ...before, [name]: value }
}

/** `west,south,east,north` in degrees; west is larger than east where the box crosses the antimeridian. */
export function boundingBox(text: string): [number, number, number, number] {
  const degrees = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  const [west = Number.NaN, south = Number.NaN, east = Number.NaN, north = Number.NaN] = degrees
  const within = (value: number, limit: number): boolean => Math.abs(value) <= limit
  if (
    degrees.length !== 4 ||
    ![west, east].every((x) => within(x, 180)) ||
    ![south, north].every((y) => within(y, 90))
  ) {
    throw new InvalidArgumentError(
      'Give west,south,east,north in degrees, -180 to 180 and -90 to 90, like 5.9,45.8,10.5,47.8.'
    )
  }
  if (south > north)
    throw new InvalidArgumentError(`South ${south} is above north ${north}: give west,south,east,north.`)
  return [west, south, east, north]
}

export function words(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

/** Where a purchase begins. */
export function startFrom(text: string): bigint | Date | 'live' {
  if (text === 'live') return text
  if (/^[0-9]{1,20}$/.test(text)) return BigInt(text)
  const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text) ? new Date(text) : undefined
  if (time !== undefined && !Number.isNaN(time.getTime())) return time
  throw new DdmError('usage', `--from "${text}" is neither an offset, nor a time like 2026-01-31T12:00Z, nor "live"`)
}

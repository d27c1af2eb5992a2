/**
 * Reads one kind of value. `value` is a string from a flag or a variable, JSON from the file, or what code passed;
 * throws `TypeError` with what the value should look like.
 */
export type Read<T> = (value: unknown) => T

/** Says what was expected; the caller adds where the value came from. */
function expected(what: string): never {
  throw new TypeError(what)
}

export function oneOf<const T extends string>(...names: T[]): Read<T> {
  return (value) => names.find((name) => name === value) ?? expected(`one of ${names.join(', ')}`)
}

/** One word that stands for itself, or what `read` reads. */
export function either<const W extends string, T>(word: W, read: Read<T>): Read<W | T> {
  return (value) => (value === word ? word : read(value))
}

/** `127.0.0.1:8420`, `[::1]:0`. */
export const socketAddress: Read<{ address: string; port: number }> = (value) => {
  const [, six, four, port] =
    (typeof value === 'string' && /^(?:\[([0-9a-f:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):([0-9]{1,5})$/.exec(value)) || []
  const address = six ?? four
  if (address === undefined || Number(port) > 65_535) return expected('an address and a port, like 127.0.0.1:8420')
  return { address, port: Number(port) }
}

export const text: Read<string> = (value) =>
  typeof value === 'string' && value !== '' ? value : expected('a text that is not empty')

export const flag: Read<boolean> = (value) => {
  if (value === true || value === 'true' || value === '1') return true
  if (value === false || value === 'false' || value === '0') return false
  return expected('true or false')
}

export function integer(min: number, max: number): Read<number> {
  return (value) => {
    const number = typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= min && number <= max) return number
    return expected(`a whole number from ${min} to ${max}`)
  }
}

/** An amount in whole tokens. It stays text until the token's decimals are known (`parseUnits`). */
export const amount: Read<string> = (value) =>
  typeof value === 'string' && /^[0-9]{1,30}(\.[0-9]{1,30})?$/.test(value)
    ? value
    : expected('an amount in whole tokens, written as text like "0.05"')

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time span as people write it, with its unit: `90s`, `10m`, `24h`, `7d`. In memory milliseconds. */
export function duration(min: string, max: string): Read<number> {
  const [low, high] = [milliseconds(min), milliseconds(max)]
  return (value) => {
    const ms = typeof value === 'number' && Number.isSafeInteger(value) ? value : milliseconds(value)
    return ms !== undefined && ms >= (low ?? 0) && ms <= (high ?? 0)
      ? ms
      : expected(`a time span from ${min} to ${max}, with its unit: 90s, 10m, 24h or 7d`)
  }
}

function milliseconds(value: unknown): number | undefined {
  const [, count, unit] = (typeof value === 'string' && /^([0-9]{1,9})(ms|s|m|h|d)$/.exec(value)) || []
  return count === undefined ? undefined : Number(count) * (UNITS[unit ?? ''] ?? Number.NaN)
}

const MEBIBYTES: Readonly<Record<string, number>> = { k: 2 ** -10, m: 1, g: 2 ** 10 }

/** A size with its unit: `512k`, `10m`, `1g`; a number alone is MiB, as it is in memory. */
export function size(min: string, max: string): Read<number> {
  const [low, high] = [mebibytes(min), mebibytes(max)]
  return (value) => {
    const found = typeof value === 'number' && Number.isFinite(value) ? value : mebibytes(value)
    return found !== undefined && found >= (low ?? 0) && found <= (high ?? 0)
      ? found
      : expected(`a size from ${min} to ${max}, with its unit: 512k, 10m or 1g`)
  }
}

function mebibytes(value: unknown): number | undefined {
  const [, count, unit] = (typeof value === 'string' && /^([0-9]{1,9})([kmg]?)$/.exec(value)) || []
  return count === undefined ? undefined : Number(count) * (MEBIBYTES[unit || 'm'] ?? Number.NaN)
}

/** A list: JSON array, repeated flag, or text separated by commas. */
export function list<T>(read: Read<T>): Read<T[]> {
  return (value) => {
    const items = typeof value === 'string' ? value.split(',').filter((item) => item.trim() !== '') : value
    if (!Array.isArray(items)) return expected('a list')
    return items.map((item: unknown) => read(typeof item === 'string' ? item.trim() : item))
  }
}

/** Read without the multiaddr library, so that a configuration can be checked in milliseconds. */
export const address: Read<string> = (value) =>
  typeof value === 'string' && /^(\/[^/\s]+)+$/.test(value) ? value : expected('multiaddrs like /ip4/0.0.0.0/tcp/4001')

export const bootstrapAddress: Read<string> = (value) =>
  typeof value === 'string' && /^(\/[^/\s]+)+\/p2p\/[1-9A-HJ-NP-Za-km-z]+$/.test(value)
    ? value
    : expected('multiaddrs that end in a peer ID, like /dns4/boot.example.org/tcp/4001/p2p/12D3KooW…')

export const peer: Read<string> = (value) =>
  typeof value === 'string' && /^[1-9A-HJ-NP-Za-km-z]{46,62}$/.test(value)
    ? value
    : expected('peer IDs like 12D3KooW…, separated by commas')

export const url: Read<string> = (value) => {
  const parsed = typeof value === 'string' ? URL.parse(value) : null
  if (parsed !== null && /^(https?|wss?):$/.test(parsed.protocol)) return value as string
  return expected('URLs that start with http://, https://, ws:// or wss://')
}

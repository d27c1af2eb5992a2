import { DdmError } from '../../interface/index.ts'

/** Where a broker or a database is, and what is meant there. */
export interface Address {
  /** For people: without user and password. */
  readonly name: string
  readonly scheme: string
  readonly user: string | undefined
  readonly password: string | undefined
  readonly host: string
  readonly port: number
  /** What stands after the host, without its first slash. */
  readonly path: string
  /** The value of an option in the query, when it is given. */
  get: (option: string) => string | undefined
}

/** `scheme://user:password@host:port/path?options`; a path may have any character but `?`, so that MQTT topics fit. */
const ADDRESS =
  /^([a-z]+):\/\/(?:([^/?]*)@)?(\[[0-9a-fA-F:.]+\]|[^/?:@[\]]+)(?::([0-9]{1,5}))?(?:\/([^?]*))?(?:\?(.*))?$/s

export interface AddressForm {
  /** By scheme. */
  ports: Readonly<Record<string, number>>
  /** What the query may name. */
  options: readonly string[]
  /** How such an address looks. */
  example: string
}

/**
 * Reads an address by hand: `#` and `+` belong to MQTT topics, where a URL would begin a fragment.
 *
 * @throws DdmError `usage`, never with what may be a password in its text
 */
export function parseAddress(text: string, { ports, options, example }: AddressForm): Address {
  const [, scheme = '', login, host = '', port, path = '', query = ''] = ADDRESS.exec(text) ?? []
  const defaultPort = ports[scheme]
  if (defaultPort === undefined || Number(port ?? 1) > 65_535 || Number(port ?? 1) === 0) {
    throw new DdmError(
      'usage',
      `${shown(text)} is not an address like ${example}; in user and password write @ as %40, / as %2F, : as %3A, % as %25`
    )
  }
  const decode = (part: string): string => decoded(part, `${scheme}://${host}`)
  const [user, password] = login === undefined ? [] : splitOnce(login, ':')
  const given = new Map(
    query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => splitOnce(pair, '='))
      .map(([option, value = '']) => [decode(option), decode(value)])
  )
  for (const option of given.keys()) {
    if (options.includes(option)) continue
    const known = options.join(', ')
    throw new DdmError('usage', `${scheme}://${host}: there is no option "${option}"; there are ${known}`)
  }
  const address = {
    scheme,
    user: user === undefined ? undefined : decode(user),
    password: password === undefined ? undefined : decode(password),
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port ?? defaultPort),
    path: decode(path)
  }
  const name = `${scheme}://${host}:${address.port}/${address.path}`
  return { ...address, name, get: (option) => given.get(option) }
}

/** A whole number among the options. */
export function numberOption(address: Address, option: string, allowed: readonly number[], usual: number): number {
  const text = address.get(option)
  if (text === undefined) return usual
  const value = allowed.find((one) => String(one) === text)
  if (value !== undefined) return value
  throw new DdmError('usage', `${address.name}: ${option} "${text}" is not one of ${allowed.join(', ')}`)
}

/** An option that must be there. */
export function requiredOption(address: Address, option: string, meaning: string): string {
  const value = address.get(option)
  if (value !== undefined && value !== '') return value
  throw new DdmError('usage', `${address.name}: add ?${option}=…, ${meaning}`)
}

/** @throws DdmError `usage`, without the part: it may be a password */
function decoded(part: string, where: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new DdmError('usage', `${where}: a % is not followed by two hexadecimal digits; write it as %25`)
  }
}

/** Where there is an @, what stands before it may be a password, whole or in part. */
function shown(text: string): string {
  const [scheme = ''] = text.split(':')
  return text.includes('@') ? `${scheme}://…` : `"${text}"`
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}

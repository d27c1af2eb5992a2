import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type {
  AbortOptions,
  Address,
  AssetId,
  Hex,
  IotaNetwork,
  NetworkId,
  NetworkProfile,
  NetworkToken
} from '../interface/index.ts'
import { DdmError, FEE_STYLES } from '../interface/index.ts'

/** More than any real profile has; a file that is larger is something else. */
const MAX_PROFILE_BYTES = 256 * 1024
const MAX_CONFIRMATIONS = 10_000

const ADDRESS = /^0x[0-9a-f]{40}$/
const HASH = /^0x[0-9a-f]{64}$/
/** It becomes part of a gossip topic and of file names. */
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/
/** `/ip4/…/tcp/4001/p2p/12D3…`: pairs of protocol and value; the peer ID at the end is what a dial is checked against. */
const BOOTSTRAP = /^(\/[a-z0-9-]+(\/[^/\s]+)?)+\/p2p\/[1-9A-HJ-NP-Za-km-z]{32,64}$/

function fail(path: string, problem: string): never {
  throw new DdmError('config', `network profile: ${path} ${problem}`)
}

function show(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

/** An object with exactly these keys; those in `optional` may be absent. */
function fields(value: unknown, path: string, required: string[], optional: string[] = []): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(path, `must be an object, is ${show(value)}`)
  }
  const object = value as Record<string, unknown>
  const unknownKey = Object.keys(object).find((key) => !required.includes(key) && !optional.includes(key))
  if (unknownKey !== undefined) {
    fail(path, `has the unknown key "${unknownKey}"; known are ${[...required, ...optional].join(', ')}`)
  }
  const missing = required.find((key) => object[key] === undefined)
  if (missing !== undefined) fail(path, `has no "${missing}"`)
  return object
}

function list<T>(value: unknown, path: string, item: (value: unknown, path: string) => T, minimum = 0): T[] {
  if (!Array.isArray(value)) fail(path, `must be a list, is ${show(value)}`)
  if (value.length < minimum) fail(path, `needs at least ${minimum} entry`)
  return value.map((entry, index) => item(entry, `${path}[${index}]`))
}

function text(value: unknown, path: string, maximum = 64): string {
  if (typeof value !== 'string' || value === '' || value.length > maximum) {
    fail(path, `must be a text of 1 to ${maximum} characters, is ${show(value)}`)
  }
  return value
}

function integer(value: unknown, path: string, minimum: number, maximum: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < minimum || (value as number) > maximum) {
    fail(path, `must be an integer from ${minimum} to ${maximum}, is ${show(value)}`)
  }
  return value as number
}

function hex(value: unknown, path: string, form: RegExp, what: string): Hex {
  const lower = typeof value === 'string' ? value.toLowerCase() : ''
  if (!form.test(lower)) fail(path, `must be ${what}, is ${show(value)}`)
  return lower as Hex
}

const hash = (value: unknown, path: string): Hex => hex(value, path, HASH, '0x and 64 hex digits')

function address(value: unknown, path: string): Address {
  const lower = hex(value, path, ADDRESS, 'an address (0x and 40 hex digits)')
  if (BigInt(lower) === 0n) fail(path, 'must not be the zero address')
  return lower
}

function rpcUrl(value: unknown, path: string): string {
  const url = typeof value === 'string' ? URL.parse(value) : null
  if (url === null || !['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol)) {
    fail(path, `must be an http, https, ws or wss URL, is ${show(value)}`)
  }
  return value as string
}

function bootstrapAddress(value: unknown, path: string): string {
  if (typeof value !== 'string' || value.length > 512 || !BOOTSTRAP.test(value)) {
    fail(path, `must be a multiaddr that ends in /p2p/PEERID, is ${show(value)}`)
  }
  return value
}

function httpUrl(value: unknown, path: string): string {
  const url = typeof value === 'string' ? URL.parse(value) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    fail(path, `must be an http or https URL, is ${show(value)}`)
  }
  return value as string
}

const TRANSACTION = '{transaction}'

function explorerUrl(value: unknown, path: string): { explorer?: string } {
  if (value === undefined) return {}
  const explorer = httpUrl(value, path)
  if (!explorer.includes(TRANSACTION)) {
    fail(path, `must have ${TRANSACTION} where a transaction's hash belongs, is ${show(value)}`)
  }
  return { explorer }
}

function iotaNetwork(value: unknown): IotaNetwork {
  const known = fields(value, 'iota', ['chainIdentifier', 'rpcUrl'], ['faucetUrl', 'explorer'])
  const { chainIdentifier, rpcUrl, faucetUrl, explorer } = known
  if (typeof chainIdentifier !== 'string' || !/^[0-9a-f]{8}$/.test(chainIdentifier)) {
    fail('iota.chainIdentifier', `must be 8 hex digits, is ${show(chainIdentifier)}`)
  }
  return {
    chainIdentifier,
    rpcUrl: httpUrl(rpcUrl, 'iota.rpcUrl'),
    ...(faucetUrl === undefined ? {} : { faucetUrl: httpUrl(faucetUrl, 'iota.faucetUrl') }),
    ...explorerUrl(explorer, 'iota.explorer')
  }
}

function token(value: unknown, path: string): NetworkToken {
  const object = fields(value, path, ['address', 'symbol', 'decimals', 'name', 'version'])
  return {
    address: address(object.address, `${path}.address`),
    symbol: text(object.symbol, `${path}.symbol`, 16),
    decimals: integer(object.decimals, `${path}.decimals`, 0, 36),
    name: text(object.name, `${path}.name`),
    version: text(object.version, `${path}.version`, 16)
  }
}

/**
 * Reads a network profile; strict, because every address in it is trusted with money. Hex comes out in lower case.
 *
 * @example
 * ```ts
 * const profile = parseProfile(JSON.parse(text))
 * ```
 *
 * @param value what `JSON.parse` gave, or the JSON text itself
 * @throws DdmError `config` naming the key, its value and what belongs there
 */
export function parseProfile(value: unknown): NetworkProfile {
  const parsed = typeof value === 'string' ? parseJson(value) : value
  const root = fields(parsed, 'the file', ['v', 'name', 'chain', 'contracts', 'tokens', 'bootstrap'], ['iota'])
  if (root.v !== 1) fail('v', `must be 1, is ${show(root.v)}; a newer DDM may have written it`)
  if (typeof root.name !== 'string' || !NAME.test(root.name)) {
    fail('name', `must be 1 to 32 lower-case letters, digits or hyphens, is ${show(root.name)}`)
  }
  const chain = fields(
    root.chain,
    'chain',
    ['id', 'genesisHash', 'rpcUrls', 'confirmations'],
    ['fees', 'dev', 'explorer']
  )
  const fees = FEE_STYLES.find((style) => style === chain.fees)
  if (chain.fees !== undefined && fees === undefined) {
    fail('chain.fees', `must be ${FEE_STYLES.join(' or ')}, is ${show(chain.fees)}`)
  }
  if (chain.dev !== undefined && typeof chain.dev !== 'boolean') {
    fail('chain.dev', `must be true or false, is ${show(chain.dev)}`)
  }
  const contracts = fields(
    root.contracts,
    'contracts',
    ['registry', 'escrow', 'escrowCodeHash', 'eip3009Collector', 'allowanceCollector'],
    ['records']
  )
  return {
    v: 1,
    name: root.name,
    chain: {
      id: integer(chain.id, 'chain.id', 1, Number.MAX_SAFE_INTEGER),
      genesisHash: hash(chain.genesisHash, 'chain.genesisHash'),
      rpcUrls: [...new Set(list(chain.rpcUrls, 'chain.rpcUrls', rpcUrl, 1))],
      confirmations: integer(chain.confirmations, 'chain.confirmations', 0, MAX_CONFIRMATIONS),
      ...(fees === undefined ? {} : { fees }),
      ...(chain.dev === undefined ? {} : { dev: chain.dev }),
      ...explorerUrl(chain.explorer, 'chain.explorer')
    },
    contracts: {
      registry: address(contracts.registry, 'contracts.registry'),
      escrow: address(contracts.escrow, 'contracts.escrow'),
      escrowCodeHash: hash(contracts.escrowCodeHash, 'contracts.escrowCodeHash'),
      eip3009Collector: address(contracts.eip3009Collector, 'contracts.eip3009Collector'),
      allowanceCollector: address(contracts.allowanceCollector, 'contracts.allowanceCollector'),
      ...(contracts.records === undefined ? {} : { records: address(contracts.records, 'contracts.records') })
    },
    tokens: list(root.tokens, 'tokens', token, 1),
    bootstrap: list(root.bootstrap, 'bootstrap', bootstrapAddress),
    ...(root.iota === undefined ? {} : { iota: iotaNetwork(root.iota) })
  }
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new DdmError('config', `network profile: not JSON (${(cause as Error).message})`, { cause })
  }
}

/** The profile as the text of its file: indented JSON that `parseProfile` reads back to the same value. */
export function formatProfile(profile: NetworkProfile): string {
  return `${JSON.stringify(profile, null, 2)}\n`
}

/**
 * Reads a profile file.
 *
 * @throws DdmError `notFound` when there is none, `config` when it is not a profile; both name the file
 */
export async function readProfile(path: string, options?: AbortOptions): Promise<NetworkProfile> {
  let json: string
  try {
    json = await readFile(path, { encoding: 'utf8', ...options })
  } catch (cause) {
    if (options?.signal?.aborted === true) throw new DdmError('aborted', `reading ${path} was stopped`, { cause })
    const absent = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new DdmError(
      absent ? 'notFound' : 'config',
      absent
        ? `there is no network profile at ${path}; \`ddm network join FILE\` installs one`
        : `cannot read the network profile ${path}: ${(cause as Error).message}`,
      { cause }
    )
  }
  try {
    if (json.length > MAX_PROFILE_BYTES) fail('the file', `has ${json.length} bytes, more than ${MAX_PROFILE_BYTES}`)
    return parseProfile(json)
  } catch (cause) {
    throw new DdmError('config', `${path}: ${(cause as Error).message}`, { cause })
  }
}

/** Writes a profile file in one step, so that a reader never sees half of it. Checked first: a bad one is not written. */
export async function writeProfile(path: string, profile: NetworkProfile, options?: AbortOptions): Promise<void> {
  const json = formatProfile(parseProfile(profile))
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`
  try {
    await writeFile(temporary, json, { ...options, flush: true })
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    if (options?.signal?.aborted === true) throw new DdmError('aborted', `writing ${path} was stopped`, { cause })
    throw new DdmError('config', `cannot write the network profile ${path}: ${(cause as Error).message}`, { cause })
  }
}

/** CAIP-2 name of a profile's chain: `eip155:31337`. */
export function networkId(profile: NetworkProfile): NetworkId {
  return `eip155:${profile.chain.id}`
}

/** CAIP-19 name of a token; of the profile's first one by default: `eip155:31337/erc20:0x…`. */
export function assetId(profile: NetworkProfile, token: Address = defaultToken(profile).address): AssetId {
  return `${networkId(profile)}/erc20:${token.toLowerCase()}`
}

/** The token in which this version prices and pays: the profile's first. */
export function defaultToken(profile: NetworkProfile): NetworkToken {
  const first = profile.tokens[0]
  if (first === undefined) throw new DdmError('config', `network profile ${profile.name} names no token`)
  return first
}

import { CID } from 'multiformats/cid'
import type { Random } from '../simulation/random.ts'

/** Values that a decoder of one format may meet; what the format cannot write is left out by its caller. */
export type Vocabulary = (random: Random) => unknown

const TEXTS = [
  '',
  '0',
  '-1',
  '00',
  '1e3',
  '340282366920938463463374607431768211455',
  '340282366920938463463374607431768211456',
  '0x',
  `0x${'00'.repeat(20)}`,
  'evm',
  'free',
  'KiB',
  'record',
  'eip155:31337',
  'eip155:0/erc20:',
  'constructor',
  '\u0000',
  '\u202e',
  '😀',
  '2026-02-30T00:00:00Z',
  '(a*)*$',
  '#/$defs/a',
  '#'
]
const KEYS = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  '/',
  '',
  'kind',
  'n',
  'a',
  'zzzz',
  '😀',
  '$ref',
  'pattern'
]
const NUMBERS = [0, 1, -1, 23, 24, 255, 256, 65_536, 2 ** 31, 2 ** 32, 2 ** 53 - 1]

export const jsonValue: Vocabulary = (random) =>
  random.pick<() => unknown>([
    () => random.pick(NUMBERS),
    () => random.pick([0.1, -0, 1e300, 1e-7, 2 ** 53, 1e21]),
    () => random.pick(TEXTS),
    () => 'x'.repeat(random.pick([33, 129, 201, 1_025])),
    () => null,
    () => random.chance(0.5),
    () => [],
    () => ({}),
    () => nested(random)
  ])()

export const cborValue: Vocabulary = (random) =>
  random.pick<() => unknown>([
    () => random.pick([2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 64n)]),
    () => random.bytes(random.pick([0, 1, 16, 20, 32, 33, 64, 65])),
    () =>
      CID.createV1(random.pick([0x55, 0x71, 0x0129, 0]), {
        code: 0x12,
        size: 32,
        digest: new Uint8Array(32),
        bytes: Uint8Array.of(0x12, 32, ...new Uint8Array(32))
      }),
    () => jsonValue(random)
  ])()

function nested(random: Random): unknown {
  let value: unknown = 0
  for (let depth = random.pick([3, 31, 32, 33, 200]); depth > 0; depth--)
    value = random.chance(0.5) ? [value] : { a: value }
  return value
}

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && CID.asCID(value) === null
}

/** Every map and list of the tree, itself included. */
function branches(value: unknown, found: Array<Record<string, unknown>> = []): Array<Record<string, unknown>> {
  if (isBranch(value)) {
    found.push(value)
    for (const entry of Object.values(value)) branches(entry, found)
  }
  return found
}

/** A copy whose maps and lists are its own. */
export function copyTree(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyTree)
  if (!isBranch(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, copyTree(entry)]))
}

function put(branch: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(branch, key, { value, enumerable: true, writable: true, configurable: true })
}

type Step = (random: Random, branch: Record<string, unknown>, key: string, vocabulary: Vocabulary) => void

const STEPS: readonly Step[] = [
  (random, branch, key, vocabulary) => put(branch, key, vocabulary(random)),
  (random, branch, key, vocabulary) => put(branch, key, vocabulary(random)),
  (random, branch, key) => put(branch, key, nudged(random, branch[key])),
  (random, branch, key) => put(branch, key, nudged(random, branch[key])),
  (_random, branch, key) => {
    if (Array.isArray(branch)) branch.splice(Number(key), 1)
    else delete branch[key]
  },
  (random, branch, _key, vocabulary) => {
    if (Array.isArray(branch)) branch.push(vocabulary(random))
    else put(branch, random.pick(KEYS), vocabulary(random))
  },
  (random, branch, key) => {
    if (Array.isArray(branch)) for (let i = random.pick([1, 8, 65]); i > 0; i--) branch.push(branch[Number(key)])
    else put(branch, random.pick([...KEYS, ...Object.keys(branch)]), branch[key])
  },
  (_random, branch, key) => put(branch, key, [branch[key]]),
  (_random, branch, key) => put(branch, key, { a: branch[key] })
]

/** The same kind of value, somewhat different. */
function nudged(random: Random, value: unknown): unknown {
  if (typeof value === 'number') return value + random.pick([-1, 1, 256, -value])
  if (typeof value === 'bigint') {
    const next = value + random.pick([-1n, 1n])
    // Beyond these CBOR has no integer.
    return next > 2n ** 64n - 1n || next < -(2n ** 64n) ? 0n : next
  }
  if (typeof value === 'boolean') return !value
  if (typeof value === 'string') {
    const at = random.int(0, value.length)
    return value.slice(0, at) + random.pick(['', '0', 'x', '\u0000', value]) + value.slice(at + random.int(0, 2))
  }
  if (value instanceof Uint8Array) {
    const bytes = Uint8Array.from(random.chance(0.5) ? value.subarray(0, random.int(0, value.length)) : value)
    if (bytes.length > 0) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
    return bytes
  }
  return value
}

/** A changed copy of a value that was read from a valid input. */
export function mutateTree(random: Random, value: unknown, vocabulary: Vocabulary): unknown {
  const copy = copyTree(value)
  const all = branches(copy)
  if (all.length === 0) return vocabulary(random)
  for (let left = random.pick([1, 1, 1, 2, 3]); left > 0; left--) {
    const branch = random.pick(all)
    const key = random.pick([...Object.keys(branch), '0'])
    // A key that is not there gets a value first.
    const step = branch[key] === undefined ? (STEPS[0] as Step) : random.pick(STEPS)
    step(random, branch, key, vocabulary)
  }
  return copy
}

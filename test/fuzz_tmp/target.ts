import { readFileSync } from 'node:fs'
import type { Random } from '../simulation/random.ts'
import { mutateBytes } from './mutate-bytes.ts'

/** One decoder that reads strangers' bytes. */
export interface Target {
  name: string
  /** Share of all inputs. */
  weight: number
  make: (random: Random) => Uint8Array
  /** Reads the input as the node does. True when it was taken; throws `refusal`s; throws `Flaw` when it took what it must not. */
  read: (input: Uint8Array) => boolean | Promise<boolean>
  /** Whether this is the decoder's own way to say no. */
  refusal: (error: unknown) => boolean
}

/** What no input may do. */
export class Flaw extends Error {}

export function sameBytes(what: string, read: Uint8Array, again: Uint8Array): void {
  if (Buffer.compare(read, again) !== 0) {
    throw new Flaw(`${what}: was taken, and is written as ${Buffer.from(again).toString('hex').slice(0, 400)}`)
  }
}

/** A file of docs/specs/vectors. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../docs/specs/vectors/${name}.json`, import.meta.url), 'utf8')) as T
}

export function fromHexText(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/^0x/, ''), 'hex'))
}

/** Of 20 inputs: one as it is, one of random bytes, and the rest by the makers. */
export function maker(
  seeds: readonly Uint8Array[],
  ...makers: Array<(random: Random, seed: Uint8Array, other: Uint8Array) => Uint8Array>
): Target['make'] {
  return (random) => {
    const kind = random.int(0, 19)
    const seed = random.pick(seeds)
    if (kind === 0) return seed
    if (kind === 1) return random.bytes(random.int(0, 80))
    try {
      return random.pick(makers)(random, seed, random.pick(seeds))
    } catch {
      // A tree that the format has no writing for.
      return mutateBytes(random, seed, random.pick(seeds))
    }
  }
}

import type { Random } from '../simulation/random.ts'

/** Integers at which length fields and counters go wrong. */
const EDGES = [
  0n,
  1n,
  23n,
  24n,
  255n,
  256n,
  65_535n,
  65_536n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  2n ** 53n,
  2n ** 64n - 1n
]
/** CBOR heads that promise much, nest, or have no canonical form. */
const HEADS = [
  [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xba, 0xff, 0xff, 0xff, 0xff],
  [0x7a, 0x80, 0x00, 0x00, 0x00],
  [0x18, 0x05],
  [0x19, 0x00, 0x05],
  [0x9f],
  [0xbf],
  [0x5f],
  [0xff],
  [0xf7],
  [0xf9, 0x7e, 0x00],
  [0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
  [0xd8, 0x2a, 0x41, 0x00],
  [0xc2, 0x41, 0x01],
  [0x39, 0xff, 0xff]
]

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function integer(random: Random): Uint8Array {
  const width = random.pick([1, 2, 4, 8])
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, random.pick(EDGES) + BigInt(random.int(0, 1)) * -1n)
  return bytes.slice(8 - width)
}

function overwrite(bytes: Uint8Array, at: number, by: Uint8Array): Uint8Array {
  // slice() of a Buffer is no copy.
  const result = Uint8Array.from(bytes)
  result.set(by.subarray(0, Math.max(0, bytes.length - at)), at)
  return result
}

type Step = (random: Random, bytes: Uint8Array, at: number, other: Uint8Array) => Uint8Array

const STEPS: readonly Step[] = [
  (random, bytes, at) => overwrite(bytes, at, Uint8Array.of((bytes[at] ?? 0) ^ (1 << random.int(0, 7)))),
  (random, bytes, at) => overwrite(bytes, at, Uint8Array.of(random.pick([0, 1, 0x7f, 0x80, 0xff, random.int(0, 255)]))),
  (random, bytes, at) => overwrite(bytes, at, Uint8Array.of((bytes[at] ?? 0) + random.pick([-1, 1]))),
  (random, bytes, at) => overwrite(bytes, at, integer(random)),
  (random, bytes, at) => overwrite(bytes, at, Uint8Array.from(random.pick(HEADS))),
  (random, bytes, at) => join(bytes.subarray(0, at), Uint8Array.from(random.pick(HEADS)), bytes.subarray(at)),
  (random, bytes, at) => join(bytes.subarray(0, at), random.bytes(random.int(1, 9)), bytes.subarray(at)),
  (random, bytes, at) => join(bytes.subarray(0, at), bytes.subarray(at + random.int(1, 16))),
  (_random, bytes, at) => bytes.slice(0, at),
  (random, bytes) => join(bytes, random.bytes(random.int(1, 16))),
  (random, bytes, at) => join(bytes, bytes.subarray(at, at + random.int(1, 64))),
  (random, bytes, at, other) => join(bytes.subarray(0, at), other.subarray(random.int(0, other.length))),
  (random, bytes, at, other) => overwrite(bytes, at, other.slice(random.int(0, other.length)).subarray(0, 40)),
  // A depth bomb of one byte per level: lists, maps of one entry, or what JSON opens.
  (random, bytes, at) => {
    const bomb = new Uint8Array(random.pick([8, 33, 1_000, 40_000])).fill(random.pick([0x81, 0xa1, 0x5b, 0x7b, 0xd8]))
    return join(bytes.subarray(0, at), bomb, bytes.subarray(at))
  }
]

/** One to four steps away from valid bytes; the last step, the bomb, seldom. */
export function mutateBytes(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  let result = bytes
  for (let left = random.pick([1, 1, 1, 2, 2, 4]); left > 0; left--) {
    const last = STEPS.length - (random.chance(0.02) ? 1 : 2)
    const step = random.int(0, last)
    result = (STEPS[step] as Step)(random, result, random.int(0, result.length), other)
  }
  return result
}

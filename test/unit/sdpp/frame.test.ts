import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES } from '../../../src/protocols/sdpp/constants.ts'
import { Deframer, encodeFrame, FRAME, frameName } from '../../../src/protocols/sdpp/frame.ts'
import { SdppError, STATUS } from '../../../src/protocols/sdpp/status.ts'

type Seen = Array<{ kind: number; body: Buffer }>

function collect(): { deframer: Deframer; seen: Seen } {
  const seen: Seen = []
  return { deframer: new Deframer((kind, body) => seen.push({ kind, body: Buffer.from(body) })), seen }
}

function header(length: number, kind: number): Uint8Array {
  const bytes = new Uint8Array(5)
  new DataView(bytes.buffer).setUint32(0, length)
  bytes[4] = kind
  return bytes
}

const code =
  (expected: number) =>
  (error: unknown): boolean =>
    error instanceof SdppError && error.code === expected

const frames = fc.array(
  fc.record({
    kind: fc.constantFrom(...Object.values(FRAME), 0x00, 0x10, 0x7f, 0x80, 0xff),
    body: fc.uint8Array({ maxLength: 40 })
  }),
  { maxLength: 8 }
)

test('property: any chunking gives the same frames', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (list, cuts) => {
      const wire = Buffer.concat(list.map(({ kind, body }) => encodeFrame(kind, body)))
      const { deframer, seen } = collect()
      let at = 0
      for (let i = 0; at < wire.length; i++) {
        const to = at + (cuts[i % cuts.length] as number)
        deframer.push(wire.subarray(at, to))
        at = to
      }
      assert.deepEqual(
        seen,
        list.map(({ kind, body }) => ({ kind, body: Buffer.from(body) }))
      )
      assert.ok(deframer.idle)
    }),
    { numRuns: 300 }
  )
})

test('a large frame cut at every hundredth byte comes whole', () => {
  const body = new Uint8Array(10_000).map((_, i) => i)
  const wire = encodeFrame(FRAME.DATA, body.subarray(0, 9_000), body.subarray(9_000))
  for (let cut = 1; cut < wire.length; cut += 100) {
    const { deframer, seen } = collect()
    deframer.push(wire.subarray(0, cut))
    assert.equal(seen.length, 0)
    assert.equal(deframer.idle, false)
    deframer.push(wire.subarray(cut))
    assert.deepEqual(seen, [{ kind: FRAME.DATA, body: Buffer.from(body) }])
  }
})

test('a frame that is cut short is not idle and yields nothing', () => {
  const wire = encodeFrame(FRAME.PING, new Uint8Array([0xa0]))
  for (let length = 1; length < wire.length; length++) {
    const { deframer, seen } = collect()
    deframer.push(wire.subarray(0, length))
    assert.equal(deframer.idle, false)
    assert.equal(seen.length, 0)
  }
})

test('length 0 has no kind: malformed', () => {
  assert.throws(() => collect().deframer.push(header(0, FRAME.PING)), code(STATUS.malformed))
})

test('limits: as much as allowed passes, one byte more is too large, before the body comes', () => {
  for (const [kind, limit] of [
    [FRAME.HELLO, MAX_CONTROL_BYTES],
    [FRAME.RECEIPT, MAX_CONTROL_BYTES],
    [0x7f, MAX_CONTROL_BYTES],
    [0xff, MAX_CONTROL_BYTES],
    [FRAME.DATA, MAX_DATA_BYTES]
  ] as const) {
    assert.throws(() => collect().deframer.push(header(limit + 2, kind)), code(STATUS.tooLarge))
    const { deframer, seen } = collect()
    deframer.push(encodeFrame(kind, new Uint8Array(limit)))
    assert.equal(seen[0]?.body.length, limit)
  }
})

test('a claim of 2^31 or 2^32 − 1 bytes allocates nothing', () => {
  const before = process.memoryUsage().arrayBuffers
  for (const length of [2 ** 31, 2 ** 32 - 1]) {
    for (const kind of [FRAME.HELLO, FRAME.DATA, 0x90]) {
      assert.throws(() => collect().deframer.push(header(length, kind)), code(STATUS.tooLarge))
    }
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
})

test('kinds have one name each', () => {
  for (const [name, kind] of Object.entries(FRAME)) assert.equal(frameName(kind), name)
  assert.equal(new Set(Object.values(FRAME)).size, Object.keys(FRAME).length)
  assert.equal(frameName(0x00), undefined)
  assert.equal(frameName(0x80), undefined)
})

test('property: random bytes end in frames or in a coded error, never in anything else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), (chunks) => {
      const { deframer } = collect()
      try {
        for (const chunk of chunks) deframer.push(chunk)
      } catch (error) {
        assert.ok(error instanceof SdppError, String(error))
      }
    }),
    { numRuns: 1_000 }
  )
})

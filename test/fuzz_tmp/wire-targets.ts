import { encodeData } from '../../src/protocols/sdpp/data-frame.ts'
import { Deframer, encodeFrame, FIRST_IGNORABLE_KIND, FRAME } from '../../src/protocols/sdpp/frame.ts'
import { decodeMessage, MESSAGE_SHAPES, type PlainName } from '../../src/protocols/sdpp/messages.ts'
import { SdppError } from '../../src/protocols/sdpp/status.ts'
import {
  decodeCanonical,
  encodeCanonical,
  FieldError,
  readAnyStatement,
  STATEMENT_SHAPES,
  verifyStatement
} from '../../src/statements/index.ts'
import { Random } from '../simulation/random.ts'
import { mutateBytes } from './mutate-bytes.ts'
import { cborValue, mutateTree } from './mutate-tree.ts'
import { Flaw, fromHexText, maker, sameBytes, type Target, vectors } from './target.ts'

interface FrameVectors {
  valid: Array<{ frame: string }>
  invalid: Array<{ frame: string }>
}

const files = ['frames', 'messages', 'statements', 'data'].map((name) => vectors<FrameVectors>(`sdpp-${name}`))
const framesOf = (kind: 'valid' | 'invalid'): Uint8Array[] =>
  files.flatMap((file) => file[kind].map(({ frame }) => fromHexText(frame)))
const valid = framesOf('valid')
const all = [...valid, ...framesOf('invalid')]
/** Kind and body. */
const messages = valid.map((frame) => frame.subarray(4)).filter(([kind = 0]) => kind < FIRST_IGNORABLE_KIND)
const SIGNATURE_BYTES = 64
const signed = new Set<number>([
  FRAME.MENU,
  FRAME.OFFER,
  FRAME.ORDER,
  FRAME.ACCEPT,
  FRAME.INVOICE,
  FRAME.RECEIPT,
  FRAME.RECEIPT_ACK
])
const statements = messages.filter(([kind = 0]) => signed.has(kind)).map((message) => message.subarray(1))
const maps = messages.filter(([kind]) => kind !== FRAME.DATA)
const data = messages.filter(([kind]) => kind === FRAME.DATA).map((message) => message.subarray(1))
const known = new Set(statements.map((statement) => Buffer.from(statement).toString('hex')))

const isSdppError = (error: unknown): boolean => error instanceof SdppError
const isFieldError = (error: unknown): boolean => error instanceof FieldError

/** Changes the CBOR that follows `prefix` bytes as a value, and writes it canonically: what only checks of fields can refuse. */
function mutateCbor(random: Random, bytes: Uint8Array, prefix: number): Uint8Array {
  const value = mutateTree(random, decodeCanonical(bytes.subarray(prefix)), cborValue)
  return new Uint8Array(Buffer.concat([bytes.subarray(0, prefix), encodeCanonical(value)]))
}

/** The value as it was read, but what the shape knows in the shape's writing: unknown keys stay. */
function restated(raw: unknown, again: unknown): unknown {
  if (Array.isArray(again)) return again.map((entry, index) => restated((raw as unknown[])[index], entry))
  if (Object.getPrototypeOf(again ?? 0) !== Object.prototype) return again
  const map = raw as Record<string, unknown>
  const known = Object.entries(again as object).map(([key, entry]) => [key, restated(map[key], entry)] as const)
  return { ...map, ...Object.fromEntries(known) }
}

function rewritten(what: string, payload: Uint8Array, shape: unknown, content: unknown): void {
  const { encode } = shape as { encode: (value: unknown) => unknown }
  sameBytes(what, payload, encodeCanonical(restated(decodeCanonical(payload), encode(content))))
}

function readMessage(input: Uint8Array): boolean {
  const kind = input[0] ?? 0
  const body = input.subarray(1)
  const message = decodeMessage(kind, body)
  if (message.name === 'DATA') sameBytes('DATA', encodeFrame(kind, body), encodeData(message.data))
  else if ('statement' in message) {
    const { kind: name, content, payload } = message.statement
    rewritten(message.name, payload, STATEMENT_SHAPES[name], content)
  } else rewritten(message.name, body, MESSAGE_SHAPES[message.name as PlainName], message.content)
  return true
}

type Frames = { frames: Array<[number, Uint8Array]>; error?: unknown; idle: boolean }

/** Feeds the pieces to one deframer, as the wire does. */
function deframe(pieces: Uint8Array[]): Frames {
  const frames: Array<[number, Uint8Array]> = []
  const deframer = new Deframer((kind, body) => {
    frames.push([kind, body])
    if (kind < FIRST_IGNORABLE_KIND) decodeMessage(kind, body)
  })
  try {
    for (const piece of pieces) deframer.push(piece)
  } catch (error) {
    return { frames, error, idle: deframer.idle }
  }
  return { frames, idle: deframer.idle }
}

/** What comes out does not depend on how the stream was cut, and is what went in. */
function readStream(input: Uint8Array): boolean {
  const random = new Random(input.length)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < input.length; ) {
    const length = random.pick([1, 2, 5, 64, 1_000])
    pieces.push(input.slice(at, at + length))
    at += length
  }
  const whole = deframe([input])
  const cut = deframe(pieces)
  const written = Buffer.concat(whole.frames.map(([kind, body]) => encodeFrame(kind, body)))
  sameBytes('frames', input.subarray(0, written.length), written)
  const code = (error: unknown): unknown => (error instanceof SdppError ? error.code : error)
  if (code(whole.error) !== code(cut.error) || whole.frames.length !== cut.frames.length || whole.idle !== cut.idle) {
    throw new Flaw('the frames depend on how the stream was cut')
  }
  if (whole.error !== undefined) throw whole.error
  return written.length === input.length
}

export const wireTargets: readonly Target[] = [
  {
    name: 'frame',
    weight: 15,
    make: (random) => {
      const frames = Array.from({ length: random.int(1, 4) }, () => random.pick(random.chance(0.9) ? valid : all))
      const stream = new Uint8Array(Buffer.concat(frames))
      return random.chance(0.1) ? stream : mutateBytes(random, stream, random.pick(all))
    },
    read: readStream,
    refusal: isSdppError
  },
  {
    name: 'message',
    weight: 30,
    make: maker(maps, mutateBytes, (random, message) =>
      mutateCbor(random, message, signed.has(message[0] ?? 0) ? 1 + SIGNATURE_BYTES : 1)
    ),
    read: readMessage,
    refusal: isSdppError
  },
  {
    name: 'data',
    weight: 10,
    make: maker(data, mutateBytes),
    read: (input) => readMessage(new Uint8Array(Buffer.concat([Uint8Array.of(FRAME.DATA), input]))),
    refusal: isSdppError
  },
  {
    name: 'statement',
    weight: 15,
    make: maker(statements, mutateBytes, (random, statement) => mutateCbor(random, statement, SIGNATURE_BYTES)),
    read: (input) => {
      const statement = readAnyStatement(input.subarray(SIGNATURE_BYTES), input.subarray(0, SIGNATURE_BYTES))
      rewritten('statement', statement.payload, STATEMENT_SHAPES[statement.kind], statement.content)
      const genuine = verifyStatement(statement)
      if (genuine !== known.has(Buffer.from(input).toString('hex'))) {
        throw new Flaw(genuine ? 'a signature that nobody made is taken' : 'a genuine signature is refused')
      }
      return true
    },
    refusal: isFieldError
  },
  {
    name: 'dag-cbor',
    weight: 12,
    make: maker(
      statements.map((statement) => statement.subarray(SIGNATURE_BYTES)),
      mutateBytes,
      (random, payload) => mutateCbor(random, payload, 0)
    ),
    read: (input) => {
      sameBytes('dag-cbor', input, encodeCanonical(decodeCanonical(input)))
      return true
    },
    refusal: isFieldError
  }
]

import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { before, test } from 'node:test'
import fc from 'fast-check'
import {
  type CheckedStatement,
  decodeCanonical,
  encodeCanonical,
  FieldError,
  readAnyStatement,
  readStatement,
  type StatementSigner,
  signingBytes,
  signStatement,
  statementLink,
  verifyStatement
} from '../../../src/statements/index.ts'
import { makeSigner } from '../../support/sdpp.ts'

const session = statementLink(new Uint8Array([1]))
const root = new Uint8Array(32).fill(7)
const INVOICE = { session, n: 1n, bytes: 10n, due: 100n, credited: 0n, root }

let signer: StatementSigner
let other: StatementSigner
let invoice: CheckedStatement<'invoice'>

before(async () => {
  signer = await makeSigner()
  other = await makeSigner()
  invoice = signStatement(signer, 'invoice', INVOICE, 5)
})

/** The invoice's payload with some keys changed; `undefined` removes. */
function changed(keys: Record<string, unknown>): Uint8Array {
  const map = { ...(decodeCanonical(invoice.payload) as Record<string, unknown>), ...keys }
  for (const [key, value] of Object.entries(map)) if (value === undefined) delete map[key]
  return encodeCanonical(map)
}

test('signed bytes: varint-length-prefixed domain, kind and payload; the signature verifies with the bare public key', () => {
  const { payload } = invoice
  const expected = Buffer.concat([
    Buffer.from([10]),
    Buffer.from('ddm-sdpp/2'),
    Buffer.from([7]),
    Buffer.from('invoice'),
    Buffer.from(payload.length < 128 ? [payload.length] : [(payload.length & 0x7f) | 0x80, payload.length >> 7]),
    payload
  ])
  assert.deepEqual(Buffer.from(signingBytes('invoice', payload)), expected)
  const long = signingBytes('x', new Uint8Array(20_000))
  assert.deepEqual([...long.subarray(13, 16)], [0xa0, 0x9c, 0x01])
  const raw = Buffer.from('302a300506032b6570032100', 'hex')
  const key = createPublicKey({
    key: Buffer.concat([raw, publicKeyOf(signer.peerId)]),
    format: 'der',
    type: 'spki'
  })
  assert.ok(verify(null, expected, key, invoice.signature))
})

function publicKeyOf(peerId: string): Buffer {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let value = 0n
  for (const letter of peerId) value = value * 58n + BigInt(alphabet.indexOf(letter))
  return Buffer.from(value.toString(16).padStart(76, '0'), 'hex').subarray(6)
}

test('the CID is CIDv1 dag-cbor sha2-256 of the payload as it came', () => {
  const digest = createHash('sha256').update(invoice.payload).digest()
  assert.deepEqual(Buffer.from(invoice.link.bytes), Buffer.concat([Buffer.from([1, 0x71, 0x12, 0x20]), digest]))
  assert.equal(invoice.cid, invoice.link.toString())
  const back = readStatement('invoice', invoice.payload, invoice.signature)
  assert.equal(back.cid, invoice.cid)
  assert.equal(back.content.due, invoice.content.due)
  assert.equal(back.content.at, 5n)
  assert.equal(back.issuer, signer.peerId)
  assert.ok(verifyStatement(back))
})

test('unknown keys are no fault and stay in what is hashed and signed', () => {
  const payload = changed({ extension: { a: 1 } })
  const signature = signer.sign(signingBytes('invoice', payload))
  const back = readStatement('invoice', payload, signature)
  assert.ok(verifyStatement(back))
  assert.notEqual(back.cid, invoice.cid)
  assert.equal(Object.hasOwn(back.content, 'extension'), false)
  assert.deepEqual(back.payload, payload)
})

const WRONG: Array<[string, Record<string, unknown>]> = [
  ['a missing field', { due: undefined }],
  ['an amount as a number', { due: 100 }],
  ['an amount with a leading zero', { due: '0100' }],
  ['an amount with a sign', { due: '-1' }],
  ['an empty amount', { due: '' }],
  ['an amount of 2^128', { due: (1n << 128n).toString() }],
  ['an amount with an exponent', { due: '1e3' }],
  ['an integer as text', { n: '1' }],
  ['a negative integer', { n: -1 }],
  ['null', { n: null }],
  ['a root of 31 bytes', { root: new Uint8Array(31) }],
  ['a root as text', { root: 'a'.repeat(32) }],
  ['a link as text', { session: session.toString() }],
  ['a peer ID with other characters', { iss: 'a b' }],
  ['a peer ID of 129 characters', { iss: 'a'.repeat(129) }],
  ['another kind', { kind: 'receipt' }],
  ['an unknown kind', { kind: 'constructor' }]
]

for (const [what, keys] of WRONG) {
  test(`refused: ${what}`, () => {
    assert.throws(() => readStatement('invoice', changed(keys), invoice.signature), FieldError)
  })
}

test('limits: u64 and 2^128 − 1 pass, one more does not', () => {
  const most = { ...INVOICE, n: (1n << 64n) - 1n, due: (1n << 128n) - 1n }
  const statement = signStatement(signer, 'invoice', most, 0)
  const back = readStatement('invoice', statement.payload, statement.signature)
  assert.equal(back.content.n, most.n)
  assert.equal(back.content.due, most.due)
  assert.throws(() => signStatement(signer, 'invoice', { ...INVOICE, n: 1n << 64n }, 0))
  const high = signStatement(signer, 'invoice', { ...INVOICE, due: 1n << 128n }, 0)
  assert.throws(() => readStatement('invoice', high.payload, high.signature), /2\^128/)
})

test('a signature is refused when a bit of it, of the payload, of the kind or of the issuer differs', () => {
  assert.ok(verifyStatement(invoice))
  for (let bit = 0; bit < 512; bit += 7) {
    const signature = Uint8Array.from(invoice.signature)
    signature[bit >> 3] = (signature[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(verifyStatement({ ...invoice, signature }), false, `bit ${bit}`)
  }
  for (let at = 0; at < invoice.payload.length; at += 5) {
    const payload = Uint8Array.from(invoice.payload)
    payload[at] = (payload[at] as number) ^ 1
    assert.equal(verifyStatement({ ...invoice, payload }), false, `byte ${at}`)
  }
  assert.equal(verifyStatement({ ...invoice, kind: 'receipt' }), false)
  assert.equal(verifyStatement({ ...invoice, issuer: other.peerId }), false)
  // s + L verifies in lax implementations; it must not here.
  const L = (1n << 252n) + 27742317777372353535851937790883648493n
  const s = BigInt(`0x${Buffer.from(invoice.signature.slice(32)).reverse().toString('hex')}`) + L
  const high = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
  assert.equal(verifyStatement({ ...invoice, signature: Buffer.concat([invoice.signature.slice(0, 32), high]) }), false)
})

test('an issuer that is no Ed25519 peer ID verifies nothing and throws nothing', () => {
  for (const issuer of [
    '',
    '1',
    'Qm'.repeat(23),
    '0OIl',
    `${invoice.issuer}1`,
    `1${invoice.issuer}`,
    'z'.repeat(128)
  ]) {
    assert.equal(verifyStatement({ ...invoice, issuer }), false, issuer)
  }
})

test('signatures are exactly 64 bytes', () => {
  for (const length of [0, 63, 65]) {
    assert.throws(() => readStatement('invoice', invoice.payload, new Uint8Array(length)), FieldError)
  }
})

test('readAnyStatement finds the kind in the payload and refuses what is none', () => {
  assert.equal(readAnyStatement(invoice.payload, invoice.signature).kind, 'invoice')
  for (const payload of [
    changed({ kind: 'toString' }),
    changed({ kind: 3 }),
    encodeCanonical(null),
    encodeCanonical([])
  ]) {
    assert.throws(() => readAnyStatement(payload, invoice.signature), FieldError)
  }
})

test('property: mutated payloads either read as canonical or throw FieldError', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean(), (at, byte, cut) => {
      const payload = Uint8Array.from(invoice.payload)
      payload[at % payload.length] = byte
      const bytes = cut ? payload.subarray(0, at % payload.length) : payload
      try {
        readStatement('invoice', bytes, invoice.signature)
      } catch (error) {
        assert.ok(error instanceof FieldError, String(error))
      }
    }),
    { numRuns: 3_000 }
  )
})

import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { due, type FreeRange, joinRecords, type Price } from '../../src/interface/index.ts'
import { nextInvoiceAt } from '../../src/protocols/sdpp/account.ts'
import { sessionBinding } from '../../src/protocols/sdpp/binding.ts'
import { encodeData } from '../../src/protocols/sdpp/data-frame.ts'
import { encodeFrame, FRAME } from '../../src/protocols/sdpp/frame.ts'
import {
  encodePlain,
  encodeSigned,
  type Plain,
  type PlainName,
  SIGNED_FRAMES,
  type SignedName
} from '../../src/protocols/sdpp/messages.ts'
import { STATUS, type StatusName } from '../../src/protocols/sdpp/status.ts'
import {
  createSigner,
  decodeCanonical,
  encodeCanonical,
  type StatementFields,
  type StatementKind,
  type StatementSigner,
  sha256,
  signingBytes,
  signStatement,
  statementLink,
  Transcript,
  toHex,
  transcriptStart
} from '../../src/statements/index.ts'
import { terms } from './term-vectors.ts'

/**
 * Makes docs/specs/vectors/*.json: `node test/support/make-vectors.ts` writes them, a test compares them. In the files
 * integers and amounts are decimal strings, byte strings 0x-prefixed hex, links CID strings.
 */

export const VECTORS = new URL('../../docs/specs/vectors/', import.meta.url)

const U53 = (1n << 53n) - 1n
const U64 = (1n << 64n) - 1n
const U128 = (1n << 128n) - 1n
const AT = 1_767_225_600_000

/** What the vectors look like as JSON. */
export function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return toHex(value)
  if (typeof value !== 'object' || value === null) return value
  const link = CID.asCID(value)
  if (link !== null) return link.toString()
  if (Array.isArray(value)) return value.map(toJson)
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, toJson(entry)]))
}

/** Who signs with an Ed25519 seed of one byte, 32 times. */
export function signerOf(seedByte: number): { signer: StatementSigner; seed: Uint8Array } {
  const seed = new Uint8Array(32).fill(seedByte)
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
  const publicKey = key.export({ format: 'der', type: 'spki' }).subarray(-32)
  const peerId = base58btc.baseEncode(Buffer.concat([Buffer.from([0, 0x24, 8, 1, 0x12, 0x20]), publicKey]))
  return { signer: createSigner(peerId, seed), seed }
}

const seller = signerOf(1)
const buyer = signerOf(2)
const fill = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte)
const hexOf = (length: number, byte: number): `0x${string}` => toHex(fill(length, byte))
/** Of a document: dag-json, unlike the links to statements. */
const LISTING = CID.createV1(0x0129, Digest.create(0x12, sha256(fill(4, 0x11))))
const OFFER = statementLink(fill(4, 0x23))
const SESSION = statementLink(fill(4, 0x22))
const voucher = { channelId: hexOf(32, 0x31), maxClaimableAmount: U128, signature: hexOf(65, 0x32) }
const quoted = { payload: fill(9, 0x33), signature: fill(64, 0x34) }
const transfer = { transaction: hexOf(32, 0x35), demand: quoted }
const unsent = { bytes: fill(12, 0x36), signature: fill(97, 0x37) }
const evmPrice = {
  rail: 'evm',
  amount: 100n,
  count: 1n,
  unit: 'record',
  credit: 10_000n,
  network: 'eip155:31337',
  asset: `eip155:31337/erc20:${hexOf(20, 0x41)}`,
  payTo: hexOf(20, 0x42),
  receiverAuthorizer: hexOf(20, 0x43),
  escrow: hexOf(20, 0x44),
  withdrawDelay: 86_400n
} as const

const iotaPrice = {
  rail: 'iota',
  amount: 2_500_000n,
  count: 10n,
  unit: 'record',
  credit: 0n,
  network: 'iota:2304aa97',
  asset: 'iota:2304aa97/slip44:4218',
  payTo: hexOf(32, 0x45),
  k: 80n,
  sponsored: true
} as const
const gas = { coin: hexOf(32, 0x46), version: U64, digest: hexOf(32, 0x47), price: 1_000n, budget: 2_000_000n }

const fail = (name: StatusName): { status: number; error: StatusName } => ({ status: STATUS[name], error: name })
const rawHeader = (length: number, kind: number, ...body: number[]): Uint8Array => {
  const bytes = Buffer.from([0, 0, 0, 0, kind, ...body])
  bytes.writeUInt32BE(length)
  return bytes
}
const bodyOf = (frame: Uint8Array): Uint8Array => frame.subarray(5)

function frames(): object {
  const valid = [
    { name: 'smallest body', kind: FRAME.PING, body: encodeCanonical({}) },
    { name: 'empty body of an ignorable kind', kind: 0x80, body: fill(0, 0) },
    { name: 'ignorable kind', kind: 0xff, body: fill(3, 0xaa) }
  ]
  const invalid = [
    { name: 'length 0', frame: rawHeader(0, FRAME.PING), ...fail('malformed') },
    { name: 'a claim of 2^31 bytes', frame: rawHeader(2 ** 31, FRAME.DATA), ...fail('tooLarge') },
    { name: 'a claim of 2^32 - 1 bytes', frame: rawHeader(2 ** 32 - 1, FRAME.HELLO), ...fail('tooLarge') },
    { name: 'control body of 64 KiB + 1', frame: rawHeader(65_538, FRAME.ORDER), ...fail('tooLarge') },
    { name: 'DATA body of 1 MiB + 1', frame: rawHeader(1_048_578, FRAME.DATA), ...fail('tooLarge') },
    { name: 'ignorable kind over the control limit', frame: rawHeader(65_538, 0x80), ...fail('tooLarge') },
    { name: 'unknown kind', frame: encodeFrame(0x10, encodeCanonical({})), ...fail('unexpected') },
    { name: 'kind 0', frame: encodeFrame(0x00), ...fail('unexpected') },
    { name: 'unknown kind over the limit', frame: rawHeader(65_538, 0x10), ...fail('tooLarge') }
  ]
  return {
    kinds: FRAME,
    valid: valid.map(({ name, kind, body }) => ({ name, kind, body, frame: encodeFrame(kind, body) })),
    invalid,
    // Refused when the stream ends after these bytes, not before.
    truncated: [
      { name: 'in the length', bytes: rawHeader(2, FRAME.PING, 0xa0).subarray(0, 3), ...fail('malformed') },
      { name: 'before the kind', bytes: rawHeader(2, FRAME.PING, 0xa0).subarray(0, 4), ...fail('malformed') },
      { name: 'before the body', bytes: rawHeader(2, FRAME.PING), ...fail('malformed') },
      { name: 'in the body', bytes: rawHeader(4, FRAME.POSITION, 0xa1, 0x61), ...fail('malformed') }
    ]
  }
}

function without(right: object, changes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...right, ...changes }).filter(([, value]) => value !== undefined))
}

function messages(): object {
  const of = <N extends PlainName>(message: N, name: string, value: Plain<N>): object => ({
    name,
    message,
    value,
    frame: encodePlain(message, value)
  })
  const bad = (message: PlainName, name: string, body: Uint8Array): object => ({
    name,
    message,
    frame: encodeFrame(FRAME[message], body),
    ...fail('malformed')
  })
  const raw = (hex: string): Uint8Array => Buffer.from(hex, 'hex')
  /** With bytes that the encoder does not make: what they mean is `value`, the rest is ignored. */
  const also = (message: PlainName, name: string, value: object, body: Uint8Array): object => ({
    name,
    message,
    value,
    frame: encodeFrame(FRAME[message], body)
  })
  const linked = (cid: string): string => `d82a58${(cid.length / 2).toString(16).padStart(2, '0')}${cid}`
  const hello = (cid: string, zero = '00'): Uint8Array =>
    raw(`a46370617980656e6f6e636550${'05'.repeat(16)}676c697374696e67${linked(zero + cid)}6876657273696f6e738102`)
  const helloFor = (listing: CID): object => ({ versions: [2n], nonce: fill(16, 5), pay: [], listing })
  const sha = toHex(sha256(fill(4, 0x11))).slice(2)
  /** As a right one, but for the changes; undefined leaves a key out. */
  const changed =
    (right: Record<string, unknown>) =>
    (changes: Record<string, unknown>): Uint8Array =>
      encodeCanonical(without(right, changes))
  const deposit = { amount: '1', collector: fill(20, 0x62), data: fill(5, 0x63) }
  const plainVoucher = { channelId: fill(32, 1), maxClaimableAmount: '1', signature: fill(65, 1) }
  const plainTransfer = { transaction: fill(32, 0x35), demand: quoted }
  const payment = (changes: Record<string, unknown>): Uint8Array =>
    changed({ n: 0, sessionPaid: '1' })(
      Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, without(value as object, {})]))
    )
  const resume = changed({ session: SESSION, position: 0, root: fill(32, 6), paid: '0' })
  return {
    valid: [
      of('HELLO', 'for the menu', { versions: [2n], nonce: fill(16, 5), pay: [] }),
      of('HELLO', 'for the second page of the menu', { versions: [2n], nonce: fill(16, 5), pay: [], after: 32n }),
      of('HELLO', 'for an offer', {
        versions: [2n, U64],
        nonce: fill(16, 5),
        pay: [{ rail: 'evm', network: evmPrice.network, asset: evmPrice.asset }, { rail: 'free' }],
        listing: LISTING
      }),
      of('HELLO', 'from an iota wallet', {
        versions: [2n],
        nonce: fill(16, 5),
        pay: [{ rail: 'iota', network: iotaPrice.network, asset: iotaPrice.asset }],
        listing: LISTING
      }),
      of('STATUS', 'plain', { code: 200n, text: 'not sold here' }),
      of('STATUS', 'with both numbers', {
        code: 203n,
        text: 'limits incompatible',
        details: { have: '99', need: '100' }
      }),
      of('RESUME', 'with voucher', {
        session: SESSION,
        position: U53,
        root: fill(32, 6),
        paid: U128,
        payload: voucher
      }),
      of('RESUME', 'with transfer', {
        session: SESSION,
        position: 10n,
        root: fill(32, 6),
        paid: 1_000n,
        payload: transfer
      }),
      of('RESUME', 'nothing paid', { session: SESSION, position: 0n, root: fill(32, 6), paid: 0n }),
      of('RESUME', '2^64 - 1 and 2^128 - 1', {
        session: SESSION,
        position: U64,
        root: fill(32, 7),
        paid: U128,
        payload: voucher
      }),
      of('PAYMENT', 'nothing', { n: 0n, sessionPaid: 0n }),
      of('PAYMENT', 'a deposit to top up', {
        n: 10n,
        sessionPaid: 1_000n,
        payload: voucher,
        deposit: { amount: U128, collector: hexOf(20, 0x62), data: hexOf(5, 0x63) }
      }),
      of('PAYMENT', '2^53 - 1', { n: U53, sessionPaid: U53 }),
      of('PAYMENT', '2^64 - 1 and 2^128 - 1', { n: U64, sessionPaid: U128, payload: voucher }),
      of('PAYMENT', 'a transfer', { n: 10n, sessionPaid: 1_000n, payload: transfer }),
      of('PAYMENT', 'a transfer for the seller to sign and send', {
        n: 10n,
        sessionPaid: 1_000n,
        payload: { ...transfer, unsent }
      }),
      ...[0n, 23n, 24n, 255n, 256n, 65_536n, U53, U53 + 1n, U64].map((n) => of('POSITION', `n = ${n}`, { n })),
      of('CLOSE', 'the buyer has enough', { reason: 1n, n: 7n }),
      of('CLOSE', 'with everything', { reason: 4n, n: 7n, text: 'record 7: value is not a number', refund: true }),
      of('PING', 'empty map', {}),
      of('STATUS', 'text of 1,024 characters', { code: 200n, text: 'x'.repeat(1_024) }),
      of('STATUS', 'text of 512 surrogate pairs', { code: 200n, text: '😀'.repeat(512) }),
      also('HELLO', 'a CIDv0', helloFor(CID.decode(raw(`1220${sha}`))), hello(`1220${sha}`)),
      also('HELLO', 'a CID of another codec', helloFor(CID.decode(raw(`01551220${sha}`))), hello(`01551220${sha}`)),
      also(
        'HELLO',
        'a CID of another hash',
        helloFor(CID.decode(raw(`01a9021340${sha}${sha}`))),
        hello(`01a9021340${sha}${sha}`)
      )
    ],
    // Read only: what is not known is not in `value`.
    unknownKeys: [
      also('PING', 'an unknown key', {}, raw('a16178f6')),
      also('PING', 'an unknown negative integer', {}, raw('a161783bffffffffffffffff')),
      also('PING', 'nested 32 deep under an unknown key', {}, raw(`a16178${'81'.repeat(31)}00`)),
      also('POSITION', 'unknown keys', { n: 1n }, encodeCanonical({ n: 1, z: null, extra: { n: [] } })),
      also(
        'CLOSE',
        'unknown keys in a map of its own',
        { reason: 0n, n: 7n },
        encodeCanonical({ reason: 0, n: 7, by: { whom: 'x' } })
      ),
      also(
        'STATUS',
        'unknown keys in the details',
        { code: 203n, text: '', details: { need: '100' } },
        encodeCanonical({ code: 203, text: '', details: { need: '100', unit: 'nanos' } })
      )
    ],
    invalid: [
      bad('PING', 'no map', raw('')),
      bad('PING', 'a list', raw('80')),
      bad('POSITION', 'n missing', raw('a0')),
      bad('POSITION', 'n as text', encodeCanonical({ n: '1' })),
      bad('POSITION', 'n negative', encodeCanonical({ n: -1 })),
      bad('POSITION', 'n as a float', raw('a1616efb3ff0000000000000')),
      bad('POSITION', 'n as a float beyond 2^53', raw('a1616efb43b0000000000000')),
      bad('POSITION', 'n in more bytes than needed', raw('a1616e1801')),
      bad('POSITION', 'n twice', raw('a2616e01616e01')),
      bad('POSITION', 'trailing byte', raw('a1616e0100')),
      bad('POSITION', 'indefinite-length map', raw('bf616e01ff')),
      bad('POSITION', 'bignum', raw('a1616ec249010000000000000000')),
      bad('CLOSE', 'keys out of order', raw('a266726561736f6e00616e00')),
      bad('PING', 'nested 33 deep under an unknown key', raw(`a16178${'81'.repeat(32)}00`)),
      bad('PAYMENT', 'amount with a leading zero', encodeCanonical({ n: 0, sessionPaid: '01' })),
      bad('PAYMENT', 'amount with a sign', encodeCanonical({ n: 0, sessionPaid: '+1' })),
      bad('PAYMENT', 'empty amount', encodeCanonical({ n: 0, sessionPaid: '' })),
      bad('PAYMENT', 'amount as an integer', encodeCanonical({ n: 0, sessionPaid: 1 })),
      bad('PAYMENT', 'amount of 2^128', encodeCanonical({ n: 0, sessionPaid: (U128 + 1n).toString() })),
      bad('PAYMENT', 'collector of 19 bytes', payment({ deposit: { ...deposit, collector: fill(19, 0x62) } })),
      bad('PAYMENT', 'deposit data of 4,097 bytes', payment({ deposit: { ...deposit, data: fill(4_097, 0x63) } })),
      bad('PAYMENT', 'deposit without an amount', payment({ deposit: { ...deposit, amount: undefined } })),
      bad('PAYMENT', 'deposit of 2^128', payment({ deposit: { ...deposit, amount: (U128 + 1n).toString() } })),
      bad('PAYMENT', 'signature of 1,025 bytes', payment({ payload: { ...plainVoucher, signature: fill(1_025, 1) } })),
      bad(
        'PAYMENT',
        'transaction of 31 bytes',
        payment({ payload: { ...plainTransfer, transaction: fill(31, 0x35) } })
      ),
      bad(
        'PAYMENT',
        'voucher with a transaction of null',
        payment({ payload: { ...plainVoucher, transaction: null } })
      ),
      bad('PAYMENT', 'transfer without a demand', payment({ payload: { ...plainTransfer, demand: undefined } })),
      bad(
        'PAYMENT',
        'demand of 8,193 bytes',
        payment({ payload: { ...plainTransfer, demand: { ...quoted, payload: fill(8_193, 0x33) } } })
      ),
      bad(
        'PAYMENT',
        'demand with a signature of 63 bytes',
        payment({ payload: { ...plainTransfer, demand: { ...quoted, signature: fill(63, 0x34) } } })
      ),
      bad(
        'PAYMENT',
        'unsent transaction of 16,385 bytes',
        payment({ payload: { ...plainTransfer, unsent: { ...unsent, bytes: fill(16_385, 0x36) } } })
      ),
      bad(
        'PAYMENT',
        'unsent transaction without a signature',
        payment({ payload: { ...plainTransfer, unsent: { bytes: fill(12, 0x36) } } })
      ),
      bad('RESUME', 'root of 31 bytes', resume({ root: fill(31, 6) })),
      bad('RESUME', 'session as text', resume({ session: SESSION.toString() })),
      bad('RESUME', 'position negative', resume({ position: -1 })),
      bad('RESUME', 'paid of 2^128', resume({ paid: (U128 + 1n).toString() })),
      bad('RESUME', 'paid missing', resume({ paid: undefined })),
      bad('RESUME', 'payload of null', resume({ payload: null })),
      bad('HELLO', 'nonce of 15 bytes', encodeCanonical({ versions: [2], nonce: fill(15, 5), pay: [] })),
      bad('HELLO', 'nine versions', encodeCanonical({ versions: new Array(9).fill(2), nonce: fill(16, 5), pay: [] })),
      bad('HELLO', 'an unknown rail', encodeCanonical({ versions: [2], nonce: fill(16, 5), pay: [{ rail: 'x' }] })),
      bad('STATUS', 'text of 1,025 characters', encodeCanonical({ code: 200, text: 'x'.repeat(1_025) })),
      bad('CLOSE', 'text that is not UTF-8', raw('a3616e00647465787461ff66726561736f6e00')),
      bad(
        'STATUS',
        '1 character and 512 surrogate pairs',
        encodeCanonical({ code: 200, text: `x${'😀'.repeat(512)}` })
      ),
      bad('PING', 'undefined under an unknown key', raw('a16178f7')),
      bad('PING', 'a key that is an integer', raw('a10101')),
      bad('PING', 'a key that is bytes', raw('a1414101')),
      bad('PING', 'another tag', raw('a16178c001')),
      bad('PING', 'a float in two bytes', raw('a16178f93c00')),
      bad('HELLO', 'a CID with a longer varint than needed', hello(`01a982001220${sha}`)),
      bad('HELLO', 'a CID with a digest too short', hello(`01a9021220${sha.slice(2)}`)),
      bad('HELLO', 'a CID with bytes after the digest', hello(`01a9021220${sha}00`)),
      bad('HELLO', 'a CID of version 2', hello(`02a9021220${sha}`)),
      bad('HELLO', 'a CID without the leading zero', hello(`01a9021220${sha}`, ''))
    ]
  }
}

function statements(): object {
  const frameOf = (kind: StatementKind): SignedName =>
    (Object.keys(SIGNED_FRAMES) as SignedName[]).find((name) => SIGNED_FRAMES[name] === kind) as SignedName
  const of = <K extends StatementKind>(
    kind: K,
    name: string,
    by: typeof seller,
    fields: StatementFields<K>
  ): object => {
    const statement = signStatement(by.signer, kind, fields, AT)
    return {
      name,
      kind,
      value: statement.content,
      payload: statement.payload,
      cid: statement.cid,
      signedBytes: signingBytes(kind, statement.payload),
      signature: statement.signature,
      frame: encodeSigned(frameOf(kind), statement)
    }
  }
  const price = { rail: 'free', amount: 0n, count: 1n, unit: 'record', credit: 0n } as const
  const invoice: StatementFields<'invoice'> = {
    session: SESSION,
    n: 10n,
    bytes: 2_000n,
    due: 1_000n,
    credited: 900n,
    root: fill(32, 7)
  }
  const offer: StatementFields<'offer'> = {
    listing: LISTING,
    listingId: hexOf(32, 0x21),
    version: 1n,
    buyer: buyer.signer.peerId,
    nonce: fill(16, 5),
    prices: [price],
    k: { min: 1n, default: 10n, max: 1_000n },
    epoch: 0n,
    tail: 0n,
    head: 0n,
    finished: false,
    maxRecordBytes: 65_536n,
    resumeTtl: 86_400n,
    ttl: 120n
  }
  const order: StatementFields<'order'> = {
    offer: OFFER,
    nonce: fill(16, 8),
    price: 0n,
    rail: 'free',
    from: { live: true },
    k: 10n,
    prepay: 0n,
    maximum: 0n
  }
  const config = {
    payer: hexOf(20, 0x51),
    payerAuthorizer: hexOf(20, 0x52),
    receiver: evmPrice.payTo,
    receiverAuthorizer: evmPrice.receiverAuthorizer,
    token: hexOf(20, 0x41),
    withdrawDelay: 86_400n,
    salt: hexOf(32, 0x53)
  }
  const receipt = { ...invoice, unused: 0n, reason: 0n }
  const good = signStatement(seller.signer, 'invoice', invoice, AT)
  const bad = (name: string, payload: Uint8Array, signature: Uint8Array, error: StatusName): object => ({
    name,
    kind: 'invoice',
    frame: encodeSigned('INVOICE', { payload, signature }),
    ...fail(error)
  })
  /** Signed rightly, so that only what the name says is wrong. */
  const signed = (name: string, change: Record<string, unknown>): object => {
    const fields = {
      ...invoice,
      kind: 'invoice',
      iss: seller.signer.peerId,
      at: BigInt(AT),
      due: '1000',
      credited: '900'
    }
    const entries = Object.entries({ ...fields, ...change }).filter(([, value]) => value !== undefined)
    const payload = encodeCanonical(Object.fromEntries(entries))
    return bad(name, payload, seller.signer.sign(signingBytes('invoice', payload)), 'malformed')
  }
  const other = <K extends StatementKind>(
    kind: K,
    by: typeof seller,
    fields: StatementFields<K>,
    name: string,
    changes: Record<string, unknown>
  ): object => {
    const right = decodeCanonical(signStatement(by.signer, kind, fields, AT).payload) as object
    const payload = encodeCanonical(without(right, changes))
    const signature = by.signer.sign(signingBytes(kind, payload))
    return {
      name: `${kind}: ${name}`,
      kind,
      frame: encodeSigned(frameOf(kind), { payload, signature }),
      ...fail('malformed')
    }
  }
  const accept = { session: SESSION, start: 0n, epoch: 0n, k: 1n, credit: 0n, ahead: 0n }
  const entry = { cid: LISTING, id: fill(32, 0x21), title: 'x', rail: 'free', amount: '0', count: 1, unit: 'record' }
  const menu: StatementFields<'menu'> = { nonce: fill(16, 5), listings: [] }
  const goodMenu = signStatement(seller.signer, 'menu', menu, AT)
  const badMenu = (name: string, changes: Record<string, unknown>): object =>
    other('menu', seller, menu, name, { listings: [without(entry, changes)] })
  const flipped = Uint8Array.from(good.signature)
  flipped[0] = (flipped[0] as number) ^ 1
  const extended = encodeCanonical({ ...(decodeCanonical(good.payload) as object), zone: null, extra: { n: -1 } })
  const rsa = encodeCanonical({
    ...(decodeCanonical(good.payload) as object),
    iss: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
  })
  return {
    keys: [
      { role: 'seller', seed: seller.seed, peerId: seller.signer.peerId },
      { role: 'buyer', seed: buyer.seed, peerId: buyer.signer.peerId }
    ],
    valid: [
      of('menu', 'empty', seller, menu),
      of('menu', 'one listing, more to come', seller, {
        nonce: fill(16, 5),
        listings: [
          {
            cid: LISTING,
            id: hexOf(32, 0x21),
            title: 'Räume 😀',
            rail: 'evm',
            amount: 100n,
            count: 1n,
            unit: 'record',
            asset: evmPrice.asset,
            records: 8_759n
          }
        ],
        next: 32n
      }),
      of('offer', 'free, smallest', seller, offer),
      of('offer', 'evm, with everything', seller, {
        ...offer,
        salt: fill(16, 9),
        prices: [evmPrice, { ...evmPrice, unit: 'KiB', count: 1_024n }],
        epoch: U64,
        tail: U53,
        head: U64,
        finished: true,
        free: { from: 0n, to: 100n },
        schema: fill(32, 3)
      }),
      of('offer', 'iota, sponsored', seller, { ...offer, prices: [iotaPrice] }),
      of('order', 'free and live, smallest', buyer, order),
      of('order', 'evm, with everything', buyer, {
        ...order,
        rail: 'evm',
        config,
        channelAuth: hexOf(65, 0x61),
        deposit: { amount: 1_000_000n, collector: hexOf(20, 0x62), data: hexOf(5, 0x63) },
        from: { offset: U53 },
        quantity: 100n,
        until: U64,
        duration: 60_000n,
        prepay: U64,
        maximum: U128
      }),
      of('order', 'iota', buyer, {
        ...order,
        rail: 'iota',
        account: hexOf(32, 0x64),
        accountAuth: hexOf(97, 0x65),
        from: { time: BigInt(AT) },
        k: 80n,
        prepay: U53,
        maximum: U64
      }),
      of('accept', 'free', seller, accept),
      of('accept', 'evm, with base and proof', seller, {
        session: SESSION,
        start: U53,
        epoch: 1n,
        until: U64,
        k: 10n,
        credit: 10_000n,
        ahead: 500n,
        base: U128,
        proof: voucher
      }),
      of('accept', 'in answer to RESUME', seller, {
        session: SESSION,
        start: 0n,
        epoch: U64,
        k: U53,
        credit: U128,
        ahead: 0n,
        base: 0n,
        proof: voucher,
        credited: U128
      }),
      of('accept', 'iota, sponsored and paid ahead', seller, { ...accept, k: 80n, ahead: U53, gas }),
      of('invoice', 'all zero', seller, { ...invoice, n: 0n, bytes: 0n, due: 0n, credited: 0n }),
      of('invoice', '2^53 - 1', seller, { ...invoice, n: U53, bytes: U53, due: U53, credited: U53 }),
      of('invoice', '2^53', seller, { ...invoice, n: U53 + 1n, bytes: U53 + 1n, due: U53 + 1n, credited: U53 + 1n }),
      of('invoice', '2^64 - 1', seller, { ...invoice, n: U64, bytes: U64, due: U64, credited: U64 }),
      of('invoice', '2^128 - 1', seller, { ...invoice, due: U128, credited: U128 }),
      of('invoice', 'iota, sponsored', seller, { ...invoice, gas }),
      of('receipt', 'paid', seller, { ...receipt, credited: 1_000n }),
      of('receipt', 'overpaid, with proof', seller, { ...receipt, credited: 1_500n, unused: 500n, proof: voucher }),
      of('receipt-ack', 'plain', buyer, { session: SESSION, receipt: good.link })
    ],
    // Read only: what is not known is not in `value`, and belongs to what is hashed and signed.
    unknownKeys: [
      {
        name: 'unknown keys',
        kind: 'invoice',
        value: good.content,
        payload: extended,
        cid: statementLink(extended),
        signedBytes: signingBytes('invoice', extended),
        signature: seller.signer.sign(signingBytes('invoice', extended)),
        frame: encodeSigned('INVOICE', {
          payload: extended,
          signature: seller.signer.sign(signingBytes('invoice', extended))
        })
      }
    ],
    invalid: [
      bad('a bit of the signature flipped', good.payload, flipped, 'badSignature'),
      bad(
        'signed by another key',
        good.payload,
        buyer.signer.sign(signingBytes('invoice', good.payload)),
        'badSignature'
      ),
      bad(
        'signed for another kind',
        good.payload,
        seller.signer.sign(signingBytes('receipt', good.payload)),
        'badSignature'
      ),
      bad('s not below L', good.payload, withHighS(good.signature), 'badSignature'),
      bad('an issuer that is no Ed25519 peer', rsa, seller.signer.sign(signingBytes('invoice', rsa)), 'badSignature'),
      bad('signed without the domain', good.payload, seller.signer.sign(good.payload), 'badSignature'),
      bad('issuer changed after signing', retitled(good.payload, buyer.signer.peerId), good.signature, 'badSignature'),
      {
        name: 'body of 63 bytes',
        kind: 'invoice',
        frame: encodeFrame(FRAME.INVOICE, fill(63, 0)),
        ...fail('malformed')
      },
      bad('no payload', fill(0, 0), good.signature, 'malformed'),
      bad('payload cut short', good.payload.subarray(0, -1), good.signature, 'malformed'),
      signed('another kind', { kind: 'receipt' }),
      signed('no issuer', { iss: undefined }),
      signed('no root', { root: undefined }),
      signed('root of 31 bytes', { root: fill(31, 7) }),
      signed('due as an integer', { due: 1_000 }),
      signed('due of 2^128', { due: (U128 + 1n).toString() }),
      signed('n negative', { n: -1 }),
      signed('session as text', { session: SESSION.toString() }),
      signed('a float under an unknown key', { x: 0.5 }),
      {
        name: 'menu: signed by another key',
        kind: 'menu',
        frame: encodeSigned('MENU', {
          payload: goodMenu.payload,
          signature: buyer.signer.sign(signingBytes('menu', goodMenu.payload))
        }),
        ...fail('badSignature')
      },
      other('menu', seller, menu, 'nonce of 15 bytes', { nonce: fill(15, 5) }),
      other('menu', seller, menu, 'listings missing', { listings: undefined }),
      other('menu', seller, menu, '65 listings', { listings: new Array(65).fill(entry) }),
      other('menu', seller, menu, 'next negative', { next: -1 }),
      badMenu('cid as text', { cid: LISTING.toString() }),
      badMenu('ID of 31 bytes', { id: fill(31, 0x21) }),
      badMenu('title of 201 characters', { title: 'x'.repeat(201) }),
      badMenu('an unknown rail', { rail: 'x' }),
      badMenu('an unknown unit', { unit: 'MiB' }),
      badMenu('amount with a leading zero', { amount: '00' }),
      badMenu('asset that is no CAIP-19', { asset: 'dollars' }),
      badMenu('records as a float', { records: 0.5 }),
      other('offer', seller, offer, 'k without max', { k: { min: 1, default: 1 } }),
      other('offer', seller, offer, 'listing ID of 31 bytes', { listingId: fill(31, 0x21) }),
      other('order', buyer, order, 'an unknown rail', { rail: 'x' }),
      other('order', buyer, order, 'maximum of 2^128', { maximum: (U128 + 1n).toString() }),
      other('order', buyer, order, 'nonce of 17 bytes', { nonce: fill(17, 8) }),
      other('accept', seller, accept, 'ahead missing', { ahead: undefined }),
      other('accept', seller, accept, 'credited as an integer', { credited: 1 }),
      other('receipt', seller, receipt, 'unused missing', { unused: undefined }),
      other('receipt-ack', buyer, { session: SESSION, receipt: good.link }, 'receipt as bytes', {
        receipt: fill(36, 1)
      })
    ]
  }
}

/** The same s modulo the order of the group: a second signature of the same bytes. */
function withHighS(signature: Uint8Array): Uint8Array {
  const L = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n
  const bytes = Uint8Array.from(signature)
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`)
  bytes.set(Buffer.from((s + L).toString(16).padStart(64, '0'), 'hex').reverse(), 32)
  return bytes
}

function retitled(payload: Uint8Array, iss: string): Uint8Array {
  const from = Buffer.from(seller.signer.peerId)
  const bytes = Buffer.from(payload)
  Buffer.from(iss).copy(bytes, bytes.indexOf(from))
  return bytes
}

function data(): object {
  const of = (name: string, records: Uint8Array[], blockStart: bigint, first: bigint, endOfBlock: boolean): object => {
    const bytes = joinRecords(records)
    const frame = encodeData({ blockStart, first, count: records.length, endOfBlock, bytes })
    return { name, blockStart, first, count: records.length, endOfBlock, records, frame }
  }
  const whole = Buffer.from(
    bodyOf(encodeData({ blockStart: 5n, first: 6n, count: 1, endOfBlock: true, bytes: joinRecords([fill(3, 1)]) }))
  )
  const bad = (name: string, change: (body: Buffer) => Uint8Array): object => ({
    name,
    frame: encodeFrame(FRAME.DATA, change(Buffer.from(whole))),
    ...fail('malformed')
  })
  const put = (at: number, value: number) => (body: Buffer) => {
    body.writeUInt32BE(value, at)
    return body
  }
  return {
    valid: [
      of('one empty record', [fill(0, 0)], 0n, 0n, true),
      of('a whole block of two', [fill(2, 1), fill(3, 2)], 256n, 256n, true),
      of('a slice in the middle', [fill(1, 3)], U53, U53 + 1n, false),
      of('the last offset', [fill(1, 4)], U64, U64, true)
    ],
    invalid: [
      bad('cut in the header', (body) => body.subarray(0, 20)),
      bad('header only', (body) => body.subarray(0, 21)),
      bad('no record', put(16, 0)),
      bad('count too high', put(16, 2)),
      bad('count 2^32 - 1', put(16, 2 ** 32 - 1)),
      bad('record length beyond the end', put(21, 4)),
      bad('bytes after the last record', put(21, 2)),
      bad('record length 2^32 - 1', put(21, 2 ** 32 - 1)),
      bad('unknown flag', (body) => {
        body[20] = 0x03
        return body
      }),
      bad('first before the start of the block', (body) => {
        body.writeBigUInt64BE(7n, 0)
        return body
      })
    ]
  }
}

function transcript(): object {
  const blocks = [[fill(1, 1), fill(2, 2), fill(0, 0)], [fill(3, 3)], [fill(4, 4), fill(5, 5)]]
  const total = blocks.flat().length
  const roots: object[] = []
  for (let start = 0; start < total; start++) {
    const transcript = new Transcript(SESSION.bytes)
    let offset = 0
    let n = 0
    for (const block of blocks) {
      for (const [i, record] of block.entries()) {
        if (offset++ < start) continue
        transcript.add(BigInt(offset - 1), 1, joinRecords([record]), i === block.length - 1)
        roots.push({ start: BigInt(start), n: BigInt(++n), root: transcript.root() })
      }
    }
  }
  return {
    session: SESSION,
    sessionBytes: SESSION.bytes,
    c0: transcriptStart(SESSION.bytes),
    blocks,
    blockDigests: blocks.map((block) => createHash('sha256').update(joinRecords(block)).digest()),
    roots
  }
}

function money(): object {
  const price = (amount: bigint, count: bigint, unit: Price['unit']): Price => ({ amount, count, unit })
  const of = (name: string, p: Price, records: bigint, bytes: bigint): object => {
    const progress = { n: records, records, bytes }
    return { name, price: p, records, bytes, due: due(p, progress) }
  }
  const invoices = [
    [1n, 0n, 0n],
    [10n, 0n, 0n],
    [10n, 0n, 10n],
    [10n, 7n, 0n],
    [10n, 7n, 3n],
    [10n, 7n, 5n],
    [1_000n, U53, 0n]
  ] as const
  const base = { price: price(1n, 1n, 'record'), credit: 0n, prepay: 0n, ahead: 0n, maximum: 0n }
  const free: FreeRange = { from: 2n, to: 4n }
  return {
    due: [
      of('nothing sent', price(100n, 1n, 'record'), 0n, 0n),
      of('free of charge', price(0n, 1n, 'record'), U64, U64),
      of('per record', price(100n, 1n, 'record'), 7n, 1_400n),
      of('rounded up', price(100n, 3n, 'record'), 4n, 800n),
      of('rounded up, exact', price(100n, 3n, 'record'), 6n, 1_200n),
      of('one unit for many', price(1n, 1_000_000n, 'record'), 1n, 1n),
      of('per KiB, one byte', price(100n, 1n, 'KiB'), 1n, 1n),
      of('per KiB, exact', price(100n, 1n, 'KiB'), 1n, 1_024n),
      of('per KiB, one more', price(100n, 1n, 'KiB'), 2n, 1_025n),
      of('per 1,024 KiB', price(5n, 1_024n, 'KiB'), 9n, 1_048_577n),
      of('2^53 - 1 records', price(3n, 1n, 'record'), U53, 0n),
      of('2^64 - 1 records', price(U64, 1n, 'record'), U64, 0n),
      of('2^128 - 1 for one', price(U128, 1n, 'record'), 1n, 0n),
      of('2^128 - 1 per 2^64 - 1', price(U128, U64, 'record'), U64, 0n)
    ],
    freeRange: {
      free,
      offsets: [0n, 1n, 2n, 3n, 4n, 5n].map((offset) => ({ offset, free: offset >= free.from && offset < free.to }))
    },
    invoicePositions: invoices.map(([k, start, after]) => ({
      k,
      start,
      after,
      next: nextInvoiceAt({ ...base, k, start }, after)
    }))
  }
}

function binding(): object {
  const cases = [
    { name: 'zero nonce', offer: OFFER, buyer: buyer.signer.peerId, nonce: fill(16, 0) },
    { name: 'some nonce', offer: SESSION, buyer: seller.signer.peerId, nonce: Uint8Array.from(fill(16, 0).keys()) }
  ]
  return {
    cases: cases.map(({ name, offer, buyer, nonce }) => ({
      name,
      offer,
      buyer,
      nonce,
      ...sessionBinding(offer, buyer, nonce)
    }))
  }
}

/** JSON numbers in a canonical map: the one place where there are floats. */
function schema(): object {
  const texts = [
    '{"type":"object"}',
    '{"properties":{"aa":{"multipleOf":0.5},"b":{"maximum":1,"minimum":0,"type":"number"}},"type":"object"}',
    '{"maximum":9007199254740991,"minimum":-9007199254740991,"type":"integer"}',
    '{"enum":[-0.1,1e-7,5e-324,123456.789],"type":"number"}',
    '{"enum":["é","\\n\\u0000",null,true,[]],"title":"escapes stand for what they say"}',
    '{"properties":{"😀":false,"\uff76":true},"title":"UTF-16 and UTF-8 have other orders"}'
  ]
  return {
    cases: texts.map((json) => {
      const bytes = encodeCanonical(JSON.parse(json))
      return { json, bytes, digest: sha256(bytes) }
    })
  }
}

export function makeVectors(): Record<string, string> {
  const files = { frames, messages, statements, data, transcript, money, terms, binding, schema }
  return Object.fromEntries(
    Object.entries(files).map(([name, make]) => [
      `sdpp-${name}.json`,
      `${JSON.stringify(toJson({ spec: 'docs/specs/sdpp.md', ...make() }), null, 2)}\n`
    ])
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(makeVectors())) await writeFile(new URL(name, VECTORS), text)
}

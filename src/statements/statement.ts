import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { SignedStatement } from '../interface/index.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { FieldError } from './field.ts'
import { isStatementKind, STATEMENT_SHAPES, type Statement, type StatementFields, type StatementKind } from './kinds.ts'
import { sha256 } from './transcript.ts'

/** Domain of the signed bytes, so that a signature made here means nothing anywhere else. */
const DOMAIN = new TextEncoder().encode('ddm-sdpp/2')
const DAG_CBOR = 0x71
const SHA2_256 = 0x12
/** DER prefixes of Ed25519 keys (RFC 8410): node:crypto takes raw keys only wrapped. */
const PKCS8_PREFIX = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20])
const SPKI_PREFIX = Uint8Array.from([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0])
/** A libp2p Ed25519 peer ID is an identity multihash of this protobuf prefix and the 32-byte public key. */
const PEER_ID_PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]

/** Signs statements with a peer's Ed25519 key. */
export interface StatementSigner {
  readonly peerId: string
  readonly sign: (message: Uint8Array) => Uint8Array
}

/** Checks signatures; a simulation that makes a million statements gives its own. */
export interface StatementVerifier {
  verify: (statement: SignedStatement) => boolean
  verifyInBackground: (statement: SignedStatement) => Promise<boolean>
}

/** A statement whose form was checked; `content` is typed, `payload` are the bytes as they came. */
export interface CheckedStatement<K extends StatementKind> extends SignedStatement {
  kind: K
  link: CID
  content: Statement<K>
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/** The bytes that are signed: varint-length-prefixed domain, kind and payload (libp2p signed-envelope style). */
export function signingBytes(kind: string, payload: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(kind)
  return concat(varint(DOMAIN.length), DOMAIN, varint(name.length), name, varint(payload.length), payload)
}

export function statementLink(payload: Uint8Array): CID {
  return CID.createV1(DAG_CBOR, Digest.create(SHA2_256, sha256(payload)))
}

/**
 * @param seed - 32-byte Ed25519 seed of the peer's identity
 */
export function createSigner(peerId: string, seed: Uint8Array): StatementSigner {
  const key = createPrivateKey({ key: Buffer.from(concat(PKCS8_PREFIX, seed)), format: 'der', type: 'pkcs8' })
  return { peerId, sign: (message) => sign(null, message, key) }
}

const publicKeys = new Map<string, KeyObject>()
const MAX_CACHED_KEYS = 1024

function publicKeyOf(peerId: string): KeyObject {
  const known = publicKeys.get(peerId)
  if (known !== undefined) return known
  const bytes = base58btc.baseDecode(peerId)
  if (bytes.length !== 38 || PEER_ID_PREFIX.some((byte, index) => bytes[index] !== byte)) {
    throw new FieldError('iss', 'is not an Ed25519 peer ID')
  }
  const der = Buffer.from(concat(SPKI_PREFIX, bytes.subarray(6)))
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  if (publicKeys.size >= MAX_CACHED_KEYS) publicKeys.clear()
  publicKeys.set(peerId, key)
  return key
}

/**
 * Makes and signs a statement.
 *
 * @example
 * ```ts
 * const ack = signStatement(signer, 'receipt-ack', { session, receipt }, Date.now())
 * ack.cid // 'bafyrei…'
 * ```
 *
 * @param at - Unix ms; informational, nothing depends on a stranger's clock
 */
export function signStatement<K extends StatementKind>(
  signer: StatementSigner,
  kind: K,
  fields: StatementFields<K>,
  at: number
): CheckedStatement<K> {
  const content = { ...fields, kind, iss: signer.peerId, at: BigInt(at) } as unknown as Statement<K>
  const shape = STATEMENT_SHAPES[kind] as unknown as { encode: (value: Statement<K>) => unknown }
  const payload = encodeCanonical(shape.encode(content))
  const linkTo = statementLink(payload)
  const signature = signer.sign(signingBytes(kind, payload))
  return checked(linkTo, kind, payload, signature, content)
}

function checked<K extends StatementKind>(
  link: CID,
  kind: K,
  payload: Uint8Array,
  signature: Uint8Array,
  content: Statement<K>
): CheckedStatement<K> {
  return {
    // Base32 is made when somebody asks: most invoices are superseded before anybody does.
    get cid() {
      return link.toString()
    },
    link,
    kind,
    issuer: content.iss,
    payload,
    signature,
    content
  }
}

/** Reads a statement of kind K and checks its form; throws `FieldError`. The signature is `verifyStatement`'s to check. */
export function readStatement<K extends StatementKind>(
  kind: K,
  payload: Uint8Array,
  signature: Uint8Array
): CheckedStatement<K> {
  if (signature.length !== 64) throw new FieldError('signature', `is ${signature.length} bytes long, not 64`)
  const content = STATEMENT_SHAPES[kind].decode(decodeCanonical(payload), kind) as Statement<K>
  if (content.kind !== kind) throw new FieldError(`${kind}.kind`, `is "${content.kind.slice(0, 32)}"`)
  const linkTo = statementLink(payload)
  return checked(linkTo, kind, payload, signature, content)
}

/** Reads a statement whose kind is in its payload. */
export function readAnyStatement(payload: Uint8Array, signature: Uint8Array): CheckedStatement<StatementKind> {
  const kind = (decodeCanonical(payload) as { kind?: unknown } | null)?.kind
  if (!isStatementKind(kind)) throw new FieldError('kind', 'is not a statement kind')
  return readStatement(kind, payload, signature)
}

/** Whether the signature is the issuer's. */
export function verifyStatement(statement: SignedStatement): boolean {
  try {
    const message = signingBytes(statement.kind, statement.payload)
    return verify(null, message, publicKeyOf(statement.issuer), statement.signature)
  } catch {
    return false
  }
}

/** The same on a thread of the pool: for many statements a second. */
export function verifyStatementInBackground(statement: SignedStatement): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const message = signingBytes(statement.kind, statement.payload)
      verify(null, message, publicKeyOf(statement.issuer), statement.signature, (error, good) => {
        resolve(error === null && good)
      })
    } catch {
      resolve(false)
    }
  })
}

export const statementVerifier: StatementVerifier = {
  verify: verifyStatement,
  verifyInBackground: verifyStatementInBackground
}

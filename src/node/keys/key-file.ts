import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { DdmError } from '../../interface/index.ts'
import { errnoOf, writeFileAtomic } from '../files.ts'
import { MIN_PASSPHRASE_LENGTH } from './passphrase.ts'

/** What a key is for; part of the authenticated header, so that one key file cannot pass as another. */
export type KeyKind = 'identity' | 'wallet' | 'voucher' | 'receiver' | 'iota'

/**
 * Cost of a guess: 32 MiB and three passes, as strong as N = 2¹⁷, p = 1 in a quarter of the memory.
 * @source OWASP Password Storage Cheat Sheet, scrypt
 */
const SCRYPT = { N: 2 ** 15, r: 8, p: 3 }

/** Upper bounds of what a key file may ask for: a damaged or planted file must not eat the machine (256 MiB). */
const SCRYPT_LIMIT = { N: 2 ** 18, r: 8, p: 16 }

const SALT_BYTES = 32
/** @source NIST SP 800-38D §5.2.1.1: 96-bit nonces */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** A key file has about 500 bytes. */
const MAX_FILE_BYTES = 8192

const WARNING = 'INSECURE DEVELOPMENT KEY: not encrypted. Whoever reads this file owns the key. For test networks only.'

interface Encryption {
  kdf: 'scrypt'
  N: number
  r: number
  p: number
  salt: string
  cipher: 'aes-256-gcm'
  nonce: string
  tag: string
}

/** Version 1 of the file. Byte strings are base64. */
interface KeyFile {
  format: 'ddm-key'
  v: 1
  kind: KeyKind
  /** Peer ID or address: readable without the passphrase, authenticated by it. */
  public: string
  encryption: Encryption | 'none'
  warning?: string
  secret: string
}

export interface StoredKey {
  public: string
  secret: Uint8Array
  encrypted: boolean
}

/** Gives the passphrase when, and only when, a file needs one. */
type Passphrase = () => Promise<string>

/**
 * Creates a key file of mode 0600 that did not exist; rejects with `EEXIST` when it does. Without a passphrase the key
 * is written in the open and the file says so.
 */
export async function createKeyFile(
  path: string,
  key: { kind: KeyKind; public: string; secret: Uint8Array },
  passphrase: string | undefined
): Promise<void> {
  const header = { format: 'ddm-key', v: 1, kind: key.kind, public: key.public } as const
  const file: KeyFile =
    passphrase === undefined
      ? { ...header, encryption: 'none', warning: WARNING, secret: toBase64(key.secret) }
      : { ...header, ...(await encrypt(header, key.secret, passphrase)) }
  await writeFileAtomic(path, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600, exclusive: true })
}

/**
 * Reads a key file; undefined when there is none. Throws `config` for a file that is not safe or not one of ours,
 * `keyLocked` for a wrong passphrase.
 */
export async function readKeyFile(path: string, kind: KeyKind, passphrase: Passphrase): Promise<StoredKey | undefined> {
  const text = await readPrivate(path)
  if (text === undefined) return undefined
  const file = parse(path, text)
  if (file.kind !== kind) throw new DdmError('config', `${path} holds a ${file.kind} key, not a ${kind} key`)
  if (file.encryption === 'none') return { public: file.public, secret: fromBase64(file.secret), encrypted: false }
  const secret = await decrypt(file, file.encryption, await passphrase())
  // Says neither what was tried nor why it failed: a wrong passphrase and a damaged file look the same to GCM.
  if (secret === undefined) {
    throw new DdmError('keyLocked', `cannot open ${path}: wrong passphrase, or the file was damaged`)
  }
  return { public: file.public, secret, encrypted: true }
}

/** Whose key a file holds, without opening it; undefined when there is none. */
export async function readPublicPart(path: string): Promise<string | undefined> {
  const text = await readPrivate(path)
  return text === undefined ? undefined : parse(path, text).public
}

/**
 * The text of a file that nobody but its owner can read; checked on the open file, so that it cannot be swapped
 * between.
 */
async function readPrivate(path: string): Promise<string | undefined> {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, flags)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    const why = errnoOf(error) === 'ELOOP' ? 'it is a symbolic link' : errnoOf(error)
    throw new DdmError('config', `cannot read the key file ${path}: ${why}`)
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) {
      throw new DdmError('config', `${path} is not a key file (${stat.size} bytes)`)
    }
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
      throw new DdmError('config', `${path} has mode ${mode}: others can read the key. Run: chmod 600 ${path}`)
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function parse(path: string, text: string): KeyFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which may hold a key.
    throw new DdmError('config', `${path} is not a key file: not JSON`)
  }
  const flaw = flawOf(value)
  if (flaw !== undefined) throw new DdmError('config', `${path} is not a key file of this version: ${flaw}`)
  return value as KeyFile
}

function flawOf(value: unknown): string | undefined {
  const file = value as Partial<KeyFile> | null
  if (typeof file !== 'object' || file === null) return 'not an object'
  if (file.format !== 'ddm-key') return 'format is not "ddm-key"'
  if (file.v !== 1) return 'v is not 1'
  if (typeof file.kind !== 'string' || typeof file.public !== 'string') return 'kind or public is missing'
  if (!isBase64(file.secret)) return 'secret is not base64'
  if (file.encryption === 'none') return undefined
  const encryption = file.encryption
  if (typeof encryption !== 'object' || encryption === null) return 'encryption is missing'
  if (encryption.kdf !== 'scrypt' || encryption.cipher !== 'aes-256-gcm') return 'unknown encryption'
  const { N, r, p } = encryption
  for (const [name, cost] of Object.entries({ N, r, p })) {
    const limit = SCRYPT_LIMIT[name as keyof typeof SCRYPT_LIMIT]
    if (!Number.isSafeInteger(cost) || cost < 1 || cost > limit) return `scrypt ${name} is not in 1–${limit}`
  }
  if (N < 2 || (N & (N - 1)) !== 0) return 'scrypt N is not a power of two'
  if (!isBase64(encryption.salt)) return 'salt is not base64'
  if (!isBase64(encryption.nonce, NONCE_BYTES)) return `nonce is not ${NONCE_BYTES} bytes of base64`
  if (!isBase64(encryption.tag, TAG_BYTES)) return `tag is not ${TAG_BYTES} bytes of base64`
  return undefined
}

type Header = Pick<KeyFile, 'format' | 'v' | 'kind' | 'public'>
type Cost = Pick<Encryption, 'N' | 'r' | 'p'>

/** Everything that is readable in the file is bound to its secret. */
function additionalData(header: Header, { N, r, p }: Cost): Buffer {
  return Buffer.from(JSON.stringify([header.format, header.v, header.kind, header.public, N, r, p]))
}

async function encrypt(
  header: Header,
  secret: Uint8Array,
  passphrase: string
): Promise<{ encryption: Encryption; secret: string }> {
  if (passphrase.length < MIN_PASSPHRASE_LENGTH) {
    throw new DdmError(
      'usage',
      `the passphrase for new keys has ${passphrase.length} characters; use at least ${MIN_PASSPHRASE_LENGTH}`
    )
  }
  const salt = randomBytes(SALT_BYTES)
  const nonce = randomBytes(NONCE_BYTES)
  const key = await derive(passphrase, salt, SCRYPT)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(additionalData(header, SCRYPT))
  const encrypted = Buffer.concat([cipher.update(secret), cipher.final()])
  const encryption = {
    kdf: 'scrypt',
    ...SCRYPT,
    salt: toBase64(salt),
    cipher: 'aes-256-gcm',
    nonce: toBase64(nonce),
    tag: toBase64(cipher.getAuthTag())
  } as const
  key.fill(0)
  return { encryption, secret: toBase64(encrypted) }
}

async function decrypt(file: KeyFile, encryption: Encryption, passphrase: string): Promise<Uint8Array | undefined> {
  const key = await derive(passphrase, fromBase64(encryption.salt), encryption)
  const decipher = createDecipheriv('aes-256-gcm', key, fromBase64(encryption.nonce), { authTagLength: TAG_BYTES })
  decipher.setAAD(additionalData(file, encryption))
  decipher.setAuthTag(fromBase64(encryption.tag))
  try {
    return Buffer.concat([decipher.update(fromBase64(file.secret)), decipher.final()])
  } catch {
    return undefined
  } finally {
    key.fill(0)
  }
}

/** NFKC, so that the same passphrase typed on another keyboard or system gives the same bytes. */
async function derive(passphrase: string, salt: Uint8Array, { N, r, p }: Cost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N, r, p, maxmem: 256 * N * r }
    scrypt(passphrase.normalize('NFKC'), salt, 32, options, (error, key) => {
      if (error !== null) reject(error)
      else resolve(key)
    })
  })
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64')
}

function isBase64(value: unknown, length?: number): value is string {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return false
  return length === undefined || fromBase64(value).length === length
}

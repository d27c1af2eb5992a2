import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { DdmError } from '../interface/index.ts'
import { errnoOf } from './files.ts'
import { ensurePrivateFolder, type HomePaths } from './home.ts'
import { type EvmKey, evmKey, generateEvmSecret } from './keys/evm-key.ts'
import { generateIotaSecret, type IotaKey, iotaKey } from './keys/iota-key.ts'
import { createKeyFile, type KeyKind, readKeyFile, type StoredKey } from './keys/key-file.ts'
import type { PassphraseSource } from './keys/passphrase.ts'

export { passphraseFrom } from './keys/passphrase.ts'

/** The keys of a home. Each has a file of its own, so that each can be kept, moved or replaced alone. */
export interface Keys extends IdentityKey {
  /** Payer's account: deposits. Cold: it signs only when a channel is opened or topped up. `wallet.json` */
  wallet: EvmKey
  /** The channel's `payerAuthorizer`: signs vouchers. Hot: a thief gets at most what is deposited. `voucher.json` */
  voucherSigner: EvmKey
  /** The channel's `receiverAuthorizer` of a seller: authorises claims and refunds. `receiver.json` */
  receiverAuthorizer: EvmKey
  /** Account that pays and is paid on the iota rail; on networks that have one. `iota.json` */
  iota?: IotaKey
}

export interface IdentityKey {
  /** Ed25519 key behind the peer ID. `identity.key` */
  identity: PrivateKey
  /** Files whose key is not encrypted: warn about them. */
  unencrypted: string[]
}

export interface LoadKeysOptions {
  /** Create the key files that are missing. @default false */
  create?: boolean
  /** Asked for only when a file is encrypted or a new one shall be. */
  passphrase?: string | PassphraseSource
  /** Write new key files without encryption, marked so: development and test networks only. @default false */
  insecureDevKeys?: boolean
  /** The network has an iota rail. @default false */
  iota?: boolean
}

/**
 * Opens the keys of a home, or creates those that are missing. Call it while holding the home's lock.
 *
 * Throws `keyLocked` for a wrong or missing passphrase, `config` for a file that is missing, readable by others or
 * not a key file. No message holds key material.
 *
 * @example
 * ```ts
 * const keys = await loadKeys(homePaths('/home/ada/.local/share/ddm'), { create: true, passphrase: passphraseFrom() })
 * keys.wallet.address // '0x5b38da6a701c568545dcfcb03fcb875f56beddc4'
 * ```
 */
export async function loadKeys(paths: HomePaths, options: LoadKeysOptions = {}): Promise<Keys> {
  const { identity, unencrypted } = await loadIdentity(paths, options)
  const load = (path: string, kind: KeyKind): Promise<EvmKey> => loadEvmKey(path, kind, options, unencrypted)
  const [wallet, voucherSigner, receiverAuthorizer] = await Promise.all([
    load(paths.wallet, 'wallet'),
    load(paths.voucher, 'voucher'),
    load(paths.receiver, 'receiver')
  ])
  const keys = { identity, wallet, voucherSigner, receiverAuthorizer, unencrypted }
  return options.iota === true ? { ...keys, iota: await loadIotaKey(paths.iota, options, unencrypted) } : keys
}

/** The peer identity alone: all that a bootstrap node has. */
export async function loadIdentity(paths: HomePaths, options: LoadKeysOptions = {}): Promise<IdentityKey> {
  const unencrypted: string[] = []
  const stored = await loadOrCreate(paths.identity, 'identity', options, unencrypted, async () => {
    const created = await generateKeyPair('Ed25519')
    return { secret: privateKeyToProtobuf(created), public: peerIdFromPrivateKey(created).toString() }
  })
  const identity = parseIdentity(stored.secret)
  if (identity === undefined || peerIdFromPrivateKey(identity).toString() !== stored.public) {
    throw notTheKey(paths.identity, stored.public)
  }
  return { identity, unencrypted }
}

function parseIdentity(secret: Uint8Array): PrivateKey | undefined {
  try {
    const key = privateKeyFromProtobuf(secret)
    return key.type === 'Ed25519' ? key : undefined
  } catch {
    return undefined
  }
}

async function loadEvmKey(
  path: string,
  kind: KeyKind,
  options: LoadKeysOptions,
  unencrypted: string[]
): Promise<EvmKey> {
  const stored = await loadOrCreate(path, kind, options, unencrypted, async () => {
    const secret = generateEvmSecret()
    return { secret, public: (await evmKey(secret))?.address ?? '' }
  })
  const key = await evmKey(stored.secret)
  if (key?.address !== stored.public) throw notTheKey(path, stored.public)
  return key as EvmKey
}

async function loadIotaKey(path: string, options: LoadKeysOptions, unencrypted: string[]): Promise<IotaKey> {
  const stored = await loadOrCreate(path, 'iota', options, unencrypted, async () => {
    const secret = generateIotaSecret()
    return { secret, public: (await iotaKey(secret))?.address ?? '' }
  })
  const key = await iotaKey(stored.secret)
  if (key?.address !== stored.public) throw notTheKey(path, stored.public)
  return key as IotaKey
}

async function loadOrCreate(
  path: string,
  kind: KeyKind,
  options: LoadKeysOptions,
  unencrypted: string[],
  generate: () => Promise<{ secret: Uint8Array; public: string }>
): Promise<StoredKey> {
  let stored = await readKeyFile(path, kind, () => askPassphrase(options, 'open'))
  if (stored === undefined) {
    if (options.create !== true) throw new DdmError('config', `there is no ${kind} key: ${path} does not exist`)
    await ensurePrivateFolder(path)
    const passphrase = options.insecureDevKeys === true ? undefined : await askPassphrase(options, 'create')
    await createKeyFile(path, { kind, ...(await generate()) }, passphrase).catch((error: unknown) => {
      // Somebody else was first: theirs is the key then.
      if (errnoOf(error) !== 'EEXIST') throw error
    })
    // Read back what was written: a key that cannot be opened again must not receive money.
    stored = await readKeyFile(path, kind, () => askPassphrase(options, 'open'))
    if (stored === undefined) throw new DdmError('config', `the ${kind} key ${path} vanished while it was created`)
  }
  if (!stored.encrypted) unencrypted.push(path)
  return stored
}

async function askPassphrase({ passphrase }: LoadKeysOptions, purpose: 'open' | 'create'): Promise<string> {
  const answer = typeof passphrase === 'function' ? await passphrase(purpose) : passphrase
  if (answer === undefined || answer === '') {
    throw new DdmError('keyLocked', 'the key files need a passphrase and none was given')
  }
  return answer
}

function notTheKey(path: string, name: string): DdmError {
  return new DdmError('config', `${path} says that it holds the key of ${name}, but it holds another`)
}

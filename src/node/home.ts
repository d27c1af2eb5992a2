import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DdmError } from '../interface/index.ts'
import { errnoOf, writeFileAtomic } from './files.ts'

/** Where a node keeps its state (docs/ARCHITECTURE.md, state). */
export interface HomePaths {
  root: string
  identity: string
  wallet: string
  voucher: string
  receiver: string
  iota: string
  config: string
  /** Profile of the network that this home has joined. */
  network: string
  ledger: string
  index: string
  /** Content-addressed blocks (helia). */
  blocks: string
  /** What libp2p remembers of peers. */
  peers: string
  /** Locked while a process owns the home. */
  lock: string
  /** Who that process is, for the message to the second one. */
  owner: string
  /** Where the node that holds the lock serves its API, and the token that it asks for. */
  api: string
  apiToken: string
  /** Is there while the wallet is frozen. */
  frozen: string
}

export function homePaths(root: string): HomePaths {
  return {
    root,
    identity: join(root, 'identity.key'),
    wallet: join(root, 'wallet.json'),
    voucher: join(root, 'voucher.json'),
    receiver: join(root, 'receiver.json'),
    iota: join(root, 'iota.json'),
    config: join(root, 'config.json'),
    network: join(root, 'network.json'),
    ledger: join(root, 'ledger.db'),
    index: join(root, 'index.db'),
    blocks: join(root, 'blocks'),
    peers: join(root, 'peers'),
    lock: join(root, 'home.lock'),
    owner: join(root, 'owner.json'),
    api: join(root, 'api.json'),
    apiToken: join(root, 'api.token'),
    frozen: join(root, 'wallet.frozen')
  }
}

/**
 * The home's folder: the argument, else `DDM_HOME`, else `$XDG_DATA_HOME/ddm`, else `~/.local/share/ddm`.
 * @source XDG Base Directory Specification 0.8: a relative `XDG_DATA_HOME` is ignored
 */
export function resolveHome(flag?: string, env: Record<string, string | undefined> = process.env): string {
  const named = flag ?? (env.DDM_HOME === '' ? undefined : env.DDM_HOME)
  if (named === '') throw new DdmError('usage', '--home is empty; name a folder')
  if (named !== undefined) return resolve(named)
  const data = env.XDG_DATA_HOME
  return join(data !== undefined && isAbsolute(data) ? data : join(homedir(), '.local', 'share'), 'ddm')
}

/** Creates the folder of `path` for its owner alone. */
export async function ensurePrivateFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
}

/** Creates the home, mode 0700; takes the rights of others away from one that exists. Throws `config` if it cannot. */
export async function createHome(root: string): Promise<HomePaths> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
    if (process.platform !== 'win32' && ((await stat(root)).mode & 0o077) !== 0) await chmod(root, 0o700)
  } catch (error) {
    throw new DdmError('config', `cannot create the home ${root}: ${errnoOf(error) ?? 'unknown reason'}`, {
      cause: error
    })
  }
  return homePaths(root)
}

/** Held by the one process that owns the home. */
export interface HomeLock extends AsyncDisposable {
  release: () => Promise<void>
}

interface Owner {
  pid: number
  /** ISO time at which it took the home. */
  since: string
}

/**
 * Takes the home for this process. The lock is the operating system's (SQLite's exclusive file lock on an empty
 * database), so it ends with the process, `kill -9` included: there are no stale locks, and nothing to take over.
 * `owner.json` only names the holder for the message.
 *
 * Throws `homeBusy` with the holder's pid.
 *
 * @example
 * ```ts
 * const lock = await lockHome(await createHome(resolveHome()))
 * try { … } finally { await lock.release() }
 * ```
 */
export async function lockHome(paths: HomePaths): Promise<HomeLock> {
  const db = openLock(paths)
  if (db === undefined) throw await busy(paths)
  let held = true
  const release = async (): Promise<void> => {
    if (!held) return
    held = false
    db.close()
  }
  try {
    const owner: Owner = { pid: process.pid, since: new Date().toISOString() }
    // Of a node that was killed: somebody else may listen there by now.
    await rm(paths.api, { force: true })
    await writeFileAtomic(paths.owner, `${JSON.stringify(owner)}\n`)
  } catch (error) {
    await release()
    throw new DdmError('config', `cannot write ${paths.owner}: ${errnoOf(error) ?? 'unknown reason'}`, { cause: error })
  }
  return { release, [Symbol.asyncDispose]: release }
}

/** Whether a process owns the home. Looking takes nothing away from one that is starting: it waits for a moment. */
export function isHomeLocked(root: string): boolean {
  const { lock } = homePaths(root)
  if (!existsSync(lock)) return false
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(lock, { timeout: 0, readOnly: true })
    db.prepare('select count(*) from sqlite_schema').get()
    return false
  } catch (error) {
    const code = (error as { errcode?: number }).errcode
    return code === SQLITE_BUSY || code === SQLITE_LOCKED
  } finally {
    db?.close()
  }
}

/** Longer than anybody looks. */
const LOCK_WAIT_MS = 250

/** SQLite result codes. @source https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

/** The open database that holds the lock; undefined when another one does. */
function openLock(paths: HomePaths): DatabaseSync | undefined {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(paths.lock, { timeout: LOCK_WAIT_MS })
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db?.close()
    const code = (error as { errcode?: number }).errcode
    if (code === SQLITE_BUSY || code === SQLITE_LOCKED) return undefined
    throw new DdmError('config', `cannot lock the home ${paths.root}: ${(error as Error).message}`, { cause: error })
  }
}

async function busy(paths: HomePaths): Promise<DdmError> {
  const owner = await readOwner(paths)
  const who = owner === undefined ? 'another process' : `process ${owner.pid} (since ${owner.since})`
  return new DdmError(
    'homeBusy',
    `${who} uses the home ${paths.root}; stop it, or give this one its own with --home or DDM_HOME`,
    { details: { home: paths.root, ...(owner === undefined ? {} : { pid: owner.pid }) } }
  )
}

async function readOwner(paths: HomePaths): Promise<Owner | undefined> {
  try {
    const { pid, since } = JSON.parse(await readFile(paths.owner, 'utf8')) as Partial<Owner>
    if (!Number.isSafeInteger(pid) || typeof since !== 'string' || Number.isNaN(Date.parse(since))) return undefined
    return { pid: pid as number, since }
  } catch {
    return undefined
  }
}

/** The network profile of the home as it is in the file, unchecked; undefined when the home has joined no network. */
export async function readNetworkFile(paths: HomePaths): Promise<unknown> {
  let text: string
  try {
    text = await readFile(paths.network, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw new DdmError('config', `cannot read ${paths.network}: ${errnoOf(error)}`, { cause: error })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new DdmError('config', `${paths.network} is not JSON: ${(error as Error).message}`, { cause: error })
  }
}

/** Stores a checked profile: the home has joined the network. */
export async function writeNetworkFile(paths: HomePaths, profile: object): Promise<void> {
  await writeFileAtomic(paths.network, `${JSON.stringify(profile, null, 2)}\n`)
}

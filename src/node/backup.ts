import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  writeFile
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { backup as copyDatabase, DatabaseSync } from 'node:sqlite'
import { DdmError } from '../interface/index.ts'
import { errnoOf, syncFile, syncFolder } from './files.ts'
import { homePaths } from './home.ts'

/** What a home cannot make again. Listings and documents come back from the network, bought records are the user's files. */
const FILES = [
  'identity.key',
  'wallet.json',
  'voucher.json',
  'receiver.json',
  'iota.json',
  'config.json',
  'network.json',
  'products.json',
  'wallet.frozen'
] as const

const LEDGER = 'ledger.db'
const MANIFEST = 'manifest.json'
/** All pages in one step: SQLite begins again whenever another connection has written between two. In WAL mode nobody waits for it. */
const ALL_PAGES = 2 ** 31 - 1

interface Manifest {
  format: 'ddm-backup'
  v: 1
  /** ISO time. */
  at: string
  /** sha256 of each file, hex. */
  files: Record<string, string>
}

/**
 * Writes keys (encrypted as they are), settings, network and the ledger of a home to one file, mode 0600. The ledger is
 * copied as it stands at one moment, also while a node runs on it. When it resolves the file is on the disk.
 *
 * @example
 * ```ts
 * const { files } = await backupHome('/home/me/.local/share/ddm', 'ddm-2026-11-23.tar.gz')
 * ```
 *
 * @throws DdmError `notFound` without a home, `usage` when the file exists, `config` when it cannot be written
 */
export async function backupHome(home: string, file: string): Promise<{ files: string[] }> {
  const { identity, ledger } = homePaths(home)
  if ((await stat(identity).catch(() => undefined)) === undefined) {
    throw new DdmError('notFound', `there is no home at ${home}; name it with --home`)
  }
  if ((await stat(file).catch(() => undefined)) !== undefined) {
    throw new DdmError('usage', `${file} exists; a backup replaces nothing: name another file`)
  }
  const folder = await stage(dirname(file))
  try {
    for (const name of FILES) await copyFile(join(home, name), join(folder, name)).catch(unlessMissing)
    await copyLedger(ledger, join(folder, LEDGER))
    const names = (await readdir(folder)).sort()
    const files = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await digestOf(join(folder, name))]))
    )
    const manifest: Manifest = { format: 'ddm-backup', v: 1, at: new Date().toISOString(), files }
    await writeFile(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`)
    const { create } = await import('tar')
    const written = join(folder, 'backup.tar.gz')
    await create({ cwd: folder, file: written, gzip: true, portable: true, strict: true }, [MANIFEST, ...names])
    await chmod(written, 0o600)
    await syncFile(written)
    await rename(written, file)
    await syncFolder(dirname(file))
    return { files: names }
  } finally {
    await clear(folder)
  }
}

/**
 * Makes a home from a backup. Nothing is there before, and nothing is left when the backup does not hold. The ledger's
 * product logs take a new epoch, because what was sold after the backup is unknown to it (docs/specs/sdpp.md), and what
 * was paid after it is learnt from the sellers when they are met again (docs/specs/payments.md): the ledger notices both by
 * itself, because it is another file than before.
 *
 * @throws DdmError `notFound` without the file, `usage` when the home holds something, `evidence` when the backup is damaged
 */
export async function restoreHome(file: string, home: string): Promise<{ files: string[]; at: string }> {
  if ((await stat(file).catch(() => undefined)) === undefined)
    throw new DdmError('notFound', `there is no file ${file}`)
  const before = await readdir(home).catch(() => [])
  if (before.length > 0) {
    throw new DdmError('usage', `${home} holds a home already; restore to another folder with --home`)
  }
  const parent = dirname(resolve(home))
  const made = await mkdir(parent, { recursive: true, mode: 0o700 })
  const folder = await stage(parent)
  try {
    const { at, files } = await unpack(file, folder)
    await rm(join(folder, MANIFEST))
    for (const name of files) {
      await chmod(join(folder, name), 0o600)
      await syncFile(join(folder, name))
    }
    await syncFolder(folder)
    await rmdir(home).catch(unlessMissing)
    await rename(folder, home)
    await syncFolders(parent, made)
    return { files, at }
  } finally {
    await clear(folder)
  }
}

async function unpack(file: string, folder: string): Promise<{ at: string; files: string[] }> {
  const known = new Set<string>([...FILES, LEDGER, MANIFEST])
  const { extract } = await import('tar')
  try {
    await extract({
      cwd: folder,
      file,
      strict: true,
      noMtime: true,
      // Nothing but plain files of ours comes out of somebody's archive.
      filter: (path, entry) => known.has(path) && 'type' in entry && entry.type === 'File'
    })
  } catch (cause) {
    throw new DdmError('evidence', `${file} is no backup, or was cut: ${(cause as Error).message}`, { cause })
  }
  const manifest = await readManifest(file, folder)
  for (const [name, digest] of Object.entries(manifest.files)) {
    const found = known.has(name) ? await digestOf(join(folder, name)).catch(() => 'nothing') : 'nothing'
    if (found !== digest)
      throw new DdmError('evidence', `${file}: ${name} is not what was backed up (sha256 ${found}, not ${digest})`)
  }
  return { at: manifest.at, files: Object.keys(manifest.files) }
}

async function readManifest(file: string, folder: string): Promise<Manifest> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Manifest
    if (manifest.format === 'ddm-backup' && manifest.v === 1 && typeof manifest.files === 'object') return manifest
  } catch {
    // Said below.
  }
  throw new DdmError('evidence', `${file} is no backup of a home: it has no manifest of ours`)
}

/** Beside its place, so that the last step is a rename. */
async function stage(parent: string): Promise<string> {
  try {
    return await mkdtemp(join(parent, '.ddm-'))
  } catch (error) {
    throw new DdmError('config', `cannot write in ${parent}: ${errnoOf(error)}`, { cause: error })
  }
}

/** The folder, and those above it up to where the first that was made has its name. */
async function syncFolders(folder: string, made: string | undefined): Promise<void> {
  await syncFolder(folder)
  if (made !== undefined && folder.length >= made.length) await syncFolders(dirname(folder), made)
}

/** What an unpacking that failed has still under way is written meanwhile. */
function clear(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

async function copyLedger(from: string, to: string): Promise<void> {
  if ((await stat(from).catch(() => undefined)) === undefined) return
  const source = new DatabaseSync(from, { readOnly: true })
  try {
    await copyDatabase(source, to, { rate: ALL_PAGES })
  } finally {
    source.close()
  }
}

/** Read as a stream: of a ledger that has grown for years no memory holds the whole, and Node refuses 2 GiB at once. */
async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

function unlessMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error
}

import { randomBytes } from 'node:crypto'
import { link, open, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Links are refused by some file systems (FAT, Android); a rename is then as good as it gets. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV'])

/** Folders that may not be read, and those of some network shares: the file is in its place, and no more can be done. */
const NO_FOLDER_SYNC = new Set(['EACCES', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

export interface WriteFileOptions {
  /** @default 0o600 */
  mode?: number
  /** Never replace a file that is there: rejects with `EEXIST`. @default false */
  exclusive?: boolean
}

/** Writes a whole file or nothing: temporary file, fsync, then rename (or link, when exclusive), fsync of the folder. */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: WriteFileOptions = {}
): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`)
  const file = await open(temporary, 'wx', options.mode ?? 0o600)
  try {
    try {
      await file.writeFile(data)
      await file.sync()
    } finally {
      await file.close()
    }
    if (options.exclusive === true) await linkInto(temporary, path)
    else await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await syncFolder(dirname(path))
}

async function linkInto(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (error) {
    if (!NO_LINKS.has(errnoOf(error) ?? '')) throw error
    await rename(temporary, path)
    return
  }
  await unlink(temporary)
}

/** What another program or library wrote is on the disk when this resolves. Its name may not be: `syncFolder`. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A new name is durable only when its folder is; Windows cannot open folders and does not need to. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  try {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    if (!NO_FOLDER_SYNC.has(errnoOf(error) ?? '')) throw error
  }
}

/** `ENOENT` and its like; undefined when the error is not one of the system's. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

import { existsSync } from 'node:fs'
import { access, constants, stat, statfs } from 'node:fs/promises'
import { errnoOf } from '../files.ts'
import type { HomePaths } from '../home.ts'
import type { PassphraseSource } from '../keys/passphrase.ts'
import { loadKeys } from '../keys.ts'
import { type Finding, fail, failedWith, ok, warn } from './finding.ts'

const MIB = 1024 * 1024

/** A ledger that cannot be written stops the node; one that soon cannot is worth a word. */
const NEEDED_BYTES = 100 * MIB
const COMFORTABLE_BYTES = 1024 * MIB

/** Looks only: a doctor that makes what is missing would hide it. */
export async function checkHome({ root }: HomePaths): Promise<Finding> {
  try {
    const { mode } = await stat(root)
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
    if ((mode & 0o077) === 0 || process.platform === 'win32') return ok('home', root)
    return warn('home', `others can look into ${root}`, `take their rights away: chmod 700 ${root}`)
  } catch (error) {
    const code = errnoOf(error) ?? String(error)
    if (code === 'ENOENT') return fail('home', 'config', `there is no home at ${root}`, '"ddm init" makes one')
    return fail('home', 'config', `${root}: ${code}`, 'make it writable, or name another with --home')
  }
}

export async function checkDisk({ root }: HomePaths, free: typeof freeBytes = freeBytes): Promise<Finding> {
  const bytes = await free(root)
  const found = `${Math.floor(bytes / MIB)} MiB free at ${root}`
  if (bytes < NEEDED_BYTES)
    return fail('disk', 'config', found, `free at least ${NEEDED_BYTES / MIB} MiB: the ledger must be written`)
  return bytes < COMFORTABLE_BYTES
    ? warn('disk', found, 'product logs and evidence grow; give the home more room')
    : ok('disk', found)
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

export function hasKeys({ identity }: HomePaths): boolean {
  return existsSync(identity)
}

/** Exist, belong to their owner alone, and open. */
export async function checkKeys(
  paths: HomePaths,
  { running, ...options }: { passphrase?: string | PassphraseSource; iota: boolean; running: boolean }
): Promise<Finding> {
  if (!hasKeys(paths)) {
    return warn(
      'keys',
      'there are none yet',
      'the first command that starts a node makes them; "ddm init" asks for a passphrase'
    )
  }
  const { identity, wallet, voucher, receiver, iota } = paths
  const files = [identity, wallet, voucher, receiver, ...(options.iota ? [iota] : [])]
  const modes = await Promise.all(files.map(modeOf))
  const open = files.filter((_, index) => ((modes[index] ?? 0) & 0o077) !== 0)
  if (open.length > 0 && process.platform !== 'win32') {
    return fail(
      'keys',
      'config',
      `others can read ${open.join(', ')}`,
      `take their rights away: chmod 600 ${open.join(' ')}`
    )
  }
  if (running) return ok('keys', 'the node that runs has opened them')
  try {
    const { unencrypted } = await loadKeys(paths, options)
    if (unencrypted.length === 0) return ok('keys', 'encrypted, and the passphrase opens them')
    return warn(
      'keys',
      `not encrypted: ${unencrypted.join(', ')}`,
      'such keys are for test networks; "ddm init" makes a home with a passphrase'
    )
  } catch (error) {
    return failedWith('keys', error)
  }
}

async function modeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.mode
}

import { readFile } from 'node:fs/promises'
import { DdmError } from '../../interface/index.ts'
import { errnoOf } from '../files.ts'

/** Shortest passphrase that a new key file is encrypted with. */
export const MIN_PASSPHRASE_LENGTH = 8

/** Why a passphrase is asked for: to open key files that exist, or to encrypt new ones (ask twice). */
type PassphrasePurpose = 'open' | 'create'

export type PassphraseSource = (purpose: PassphrasePurpose) => Promise<string>

export interface PassphraseInit {
  /** @default process.env */
  env?: Record<string, string | undefined>
  /** Asks the user; left out where there is no terminal. */
  prompt?: PassphraseSource
}

/**
 * Where the passphrase of the key files comes from: `DDM_PASSPHRASE`, else the file that `DDM_PASSPHRASE_FILE` names
 * (a service manager's or container's secret; one line end at its end is not part of it), else a question to the user.
 * Asked once and remembered, so that a home with four key files asks one question. Throws `keyLocked` when there is
 * none.
 *
 * Prefer the file: the environment of a process is inherited by what it starts.
 *
 * @example
 * ```ts
 * const keys = await loadKeys(home, { create: true, passphrase: passphraseFrom({ prompt: askOnTerminal }) })
 * ```
 */
export function passphraseFrom({ env = process.env, prompt }: PassphraseInit = {}): PassphraseSource {
  let known: Promise<string> | undefined
  return (purpose) => {
    known ??= find(env, prompt, purpose)
    return known
  }
}

async function find(
  env: Record<string, string | undefined>,
  prompt: PassphraseSource | undefined,
  purpose: PassphrasePurpose
): Promise<string> {
  if (env.DDM_PASSPHRASE !== undefined && env.DDM_PASSPHRASE !== '') return env.DDM_PASSPHRASE
  const path = env.DDM_PASSPHRASE_FILE
  if (path !== undefined && path !== '') return fromFile(path)
  if (prompt !== undefined) return prompt(purpose)
  throw new DdmError(
    'keyLocked',
    'the key files need a passphrase: set DDM_PASSPHRASE_FILE or DDM_PASSPHRASE, or run on a terminal'
  )
}

async function fromFile(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new DdmError('keyLocked', `DDM_PASSPHRASE_FILE names ${path}, which cannot be read (${errnoOf(error)})`)
  }
  const passphrase = text.replace(/\r?\n$/, '')
  if (passphrase === '') throw new DdmError('keyLocked', `DDM_PASSPHRASE_FILE names ${path}, which is empty`)
  return passphrase
}

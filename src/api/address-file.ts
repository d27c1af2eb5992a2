import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { DdmError } from '../interface/index.ts'
import { homePaths, writeFileAtomic } from '../node/index.ts'

/** Where the node of a home listens. */
export interface ApiAddress {
  url: string
  pid: number
}

export async function writeAddress(home: string, address: ApiAddress): Promise<void> {
  await writeFileAtomic(homePaths(home).api, `${JSON.stringify(address)}\n`)
}

export async function removeAddress(home: string): Promise<void> {
  await rm(homePaths(home).api, { force: true })
}

/** undefined when no node has said that it listens. */
export async function readAddress(home: string): Promise<ApiAddress | undefined> {
  try {
    const { url, pid } = JSON.parse(await readFile(homePaths(home).api, 'utf8')) as Partial<ApiAddress>
    return typeof url === 'string' && Number.isSafeInteger(pid) ? { url, pid: pid as number } : undefined
  } catch {
    return undefined
  }
}

/** The home's token; made once, so that a page that is open outlives a restart. Mode 0600. */
export async function ensureToken(home: string): Promise<string> {
  const { apiToken } = homePaths(home)
  const known = await readToken(home)
  if (known !== undefined) return known
  const made = randomBytes(32).toString('base64url')
  await writeFileAtomic(apiToken, `${made}\n`)
  return made
}

export async function readToken(home: string): Promise<string | undefined> {
  const { apiToken: file } = homePaths(home)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new DdmError('config', `cannot read ${file}: ${error.code}`, { cause: error })
  })
  const token = text?.trim()
  if (token !== undefined && !/^[A-Za-z0-9_-]{20,200}$/.test(token)) {
    throw new DdmError('config', `${file} holds no token; remove it, and the node makes a new one`)
  }
  return token
}

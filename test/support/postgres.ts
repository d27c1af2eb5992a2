import { execFile } from 'node:child_process'
import { chown, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort, programOrSkip, type RunningServer, startServer } from './server.ts'
import { tempDir } from './temp-dir.ts'

const run = promisify(execFile)

export const PASSWORD = 'geheim'

export interface RunningPostgres extends RunningServer {
  /** `postgres://ann:…@127.0.0.1:PORT/market` */
  readonly url: string
  /** One statement as the owner of the database. */
  readonly query: (text: string, values?: unknown[]) => Promise<unknown[][]>
}

/**
 * A PostgreSQL with the user `ann` and the database `market`; undefined after the test was skipped. SIGQUIT is its crash:
 * after SIGKILL of the first process the others may still hold its memory, and it does not start.
 */
export async function startPostgres(t: Pick<TestContext, 'after' | 'skip'>): Promise<RunningPostgres | undefined> {
  const folders = (await readdir('/usr/lib/postgresql').catch(() => []))
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `/usr/lib/postgresql/${version}/bin`)
  const command = programOrSkip(t, 'postgres', [...folders, ...(process.env.PATH ?? '').split(':')])
  if (command === undefined) return undefined
  const port = await freePort()
  const folder = await tempDir(t)
  const data = join(folder, 'data')
  await mkdir(data)
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, PASSWORD)
  const identity = await unprivileged()
  if (identity !== undefined)
    for (const path of [folder, data, passwordFile]) await chown(path, identity.uid, identity.gid)
  const init = [
    '-D',
    data,
    '-U',
    'ann',
    `--pwfile=${passwordFile}`,
    '-A',
    'scram-sha-256',
    '-N',
    '-E',
    'UTF8',
    '--locale=C'
  ]
  await run(join(command, '..', 'initdb'), init, { ...identity, cwd: folder })
  const url = (database: string): string => `postgres://ann:${PASSWORD}@127.0.0.1:${port}/${database}`
  const query: RunningPostgres['query'] = async (text, values = []) => queryOnce(url('market'), text, values)
  const server = await startServer(t, {
    command,
    arguments: ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', '', '-c', 'max_connections=20'],
    port,
    ...identity,
    ready: () => answers(url('postgres'))
  })
  await queryOnce(url('postgres'), 'CREATE DATABASE market', [])
  return { ...server, url: url('market'), query }
}

/** PostgreSQL refuses to run as root: its own user does then. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])])
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

/** Its port is open before it has recovered. */
async function answers(url: string): Promise<void> {
  for (;;) {
    try {
      await queryOnce(url, 'SELECT 1', [])
      return
    } catch (error) {
      if ((error as { code?: string }).code !== '57P03') throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

async function queryOnce(connectionString: string, text: string, values: unknown[]): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    const result: pg.QueryArrayResult<unknown[]> = await client.query({ text, values, rowMode: 'array' })
    return result.rows
  } finally {
    await client.end()
  }
}

import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DdmError } from '../../interface/index.ts'

/** Without --home. A folder of its own: what somebody does by hand lies beside it. */
export const DEMO_HOME = '.ddm/demo'

/** Written into a folder that the demo made, so that it never clears one that it did not make. */
const MARK = 'demo.json'

export interface DemoFolder {
  root: string
  /** Home of a process. */
  home: (name: string) => string
  log: (name: string) => string
  /** The one file that joins the processes. */
  profile: string
  products: string
  records: string
  receipts: string
}

export function demoFolder(home = DEMO_HOME): DemoFolder {
  const root = resolve(home)
  return {
    root,
    home: (name) => join(root, name),
    log: (name) => join(root, `${name}.log`),
    profile: join(root, 'network.json'),
    products: join(root, 'products.json'),
    records: join(root, 'records'),
    receipts: join(root, 'receipts')
  }
}

/**
 * Makes sure that the folder is the demo's own: new, empty, or made by it before.
 *
 * @throws DdmError `usage` when it holds something else
 */
export async function claimFolder({ root }: DemoFolder): Promise<void> {
  const before = existsSync(root) ? await readdir(root) : []
  if (before.length > 0 && !before.includes(MARK)) {
    throw new DdmError('usage', `${root} holds something that the demo did not make; name an empty folder with --home`)
  }
  await mkdir(root, { recursive: true, mode: 0o700 })
  await writeFile(join(root, MARK), '{"madeBy":"ddm demo"}\n')
}

/** Clears the market before: its chain is gone, so nothing of it is worth anything. Call it while holding the lock. */
export async function clearFolder({ root, records, receipts }: DemoFolder): Promise<void> {
  for (const name of [
    'chain',
    'ledger',
    'bootstrap',
    'seller',
    'buyer',
    'me',
    'records',
    'receipts',
    'network.json',
    'products.json'
  ]) {
    await rm(join(root, name), { recursive: true, force: true })
  }
  await Promise.all([records, receipts].map((path) => mkdir(path)))
}

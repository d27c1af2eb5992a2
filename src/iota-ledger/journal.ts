import { type FileHandle, open, readFile } from 'node:fs/promises'
import { DdmError } from '../interface/index.ts'

/** What happened, in order: replayed it gives the same ledger. */
export type Entry =
  | { network: string; startedAt?: number }
  | { faucet: { owner: string; amount: string } }
  | { transaction: string; signatures: string[]; at: number; epoch?: string }

/** How a journal starts: a file that starts otherwise is somebody else's. */
const HEAD = '{"network":"'

/** Lines of JSON, each on the disk before it is answered. A last line that was cut is dropped. */
export class Journal {
  readonly #file: FileHandle | undefined
  #failure: Error | undefined
  readonly entries: readonly Entry[]

  private constructor(file: FileHandle | undefined, entries: readonly Entry[]) {
    this.#file = file
    this.entries = entries
  }

  /** @throws DdmError `config` when the file is no journal */
  static async open(path: string | undefined): Promise<Journal> {
    if (path === undefined) return new Journal(undefined, [])
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw new DdmError('config', `cannot read the ledger ${path}: ${error.message}`, { cause: error })
    })
    const start = text.slice(0, HEAD.length)
    if (!HEAD.startsWith(start)) throw new DdmError('config', `${path} is no ledger; choose another file`)
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    const entries = whole
      .split('\n')
      .slice(0, -1)
      .map((line, index) => readLine(path, line, index))
    const file = await open(path, 'a', 0o600)
    await file.truncate(Buffer.byteLength(whole))
    return new Journal(file, entries)
  }

  /** One at a time: the order of the lines is the order of what happened. */
  async append(entry: Entry): Promise<void> {
    if (this.#file === undefined) return
    if (this.#failure !== undefined) throw this.#failure
    try {
      await this.#file.appendFile(`${JSON.stringify(entry)}\n`)
      await this.#file.datasync()
    } catch (cause) {
      // Nobody knows what of the line is there: nothing may follow it.
      this.#failure = new Error('the ledger cannot be written, and takes nothing more', { cause })
      throw this.#failure
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}

function readLine(path: string, line: string, index: number): Entry {
  try {
    const entry: unknown = JSON.parse(line)
    if (isEntry(entry)) return entry
  } catch (cause) {
    throw broken(path, index, cause)
  }
  throw broken(path, index)
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false
  if ('network' in value) return typeof value.network === 'string'
  if ('transaction' in value) return typeof value.transaction === 'string'
  return 'faucet' in value && typeof value.faucet === 'object' && value.faucet !== null
}

export function broken(path: string | undefined, index: number, cause?: unknown): DdmError {
  return new DdmError('config', `${path}, line ${index + 1}, cannot be read; remove the file to start a new ledger`, {
    cause
  })
}

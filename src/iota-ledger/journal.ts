import { type FileHandle, open, readFile } from 'node:fs/promises'
import { DdmError } from '../interface/index.ts'

/** What happened, in order: replayed it gives the same ledger. */
export type Entry =
  | { network: string }
  | { faucet: { owner: string; amount: string } }
  | { transaction: string; signatures: string[]; at: number }

/** Lines of JSON, each on the disk before it is answered. A last line that was cut is dropped. */
export class Journal {
  readonly #file: FileHandle | undefined
  readonly entries: readonly Entry[]

  private constructor(file: FileHandle | undefined, entries: readonly Entry[]) {
    this.#file = file
    this.entries = entries
  }

  static async open(path: string | undefined): Promise<Journal> {
    if (path === undefined) return new Journal(undefined, [])
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    const entries = whole
      .split('\n')
      .slice(0, -1)
      .map((line, index) => readLine(path, line, index))
    const file = await open(path, 'a', 0o600)
    await file.truncate(Buffer.byteLength(whole))
    return new Journal(file, entries)
  }

  async append(entry: Entry): Promise<void> {
    if (this.#file === undefined) return
    await this.#file.appendFile(`${JSON.stringify(entry)}\n`)
    await this.#file.datasync()
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}

function readLine(path: string, line: string, index: number): Entry {
  try {
    return JSON.parse(line) as Entry
  } catch (cause) {
    throw new DdmError('config', `${path}, line ${index + 1}, is not JSON; remove the file to start a new ledger`, {
      cause
    })
  }
}

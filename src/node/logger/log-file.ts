import { readdirSync, rmSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { DdmError } from '../../interface/index.ts'
import { errnoOf } from '../files.ts'

export interface LogFileInit {
  /** `ddm.log` is written as `ddm.1.log`, `ddm.2.log` …: the highest number is the newest. */
  file: string
  /** A file that has reached this size, in MiB, is followed by the next. */
  maxSize: number
  /** Files that are kept, with the one that is written. */
  keep: number
}

export interface LogFile {
  write: (line: string) => void
  close: () => void
}

/**
 * Opens a log that rotates, files with mode 0600. Lines are written before `write` returns: none is lost at exit.
 *
 * @throws DdmError `config`
 */
export async function openLogFile({ file, maxSize, keep }: LogFileInit): Promise<LogFile> {
  const { default: roll } = await import('pino-roll')
  const folder = dirname(file)
  const extension = extname(file)
  const name = basename(file, extension)
  const path = join(folder, name)
  try {
    const bytes = Math.round(maxSize * 2 ** 20)
    const opened = await roll({ file: path, size: `${bytes}b`, extension, sync: true, append: true, mode: 0o600 })
    // pino-roll's own way takes files of others with a name that is alike, or forgets those of earlier runs.
    const prune = (): void => removeOldest(folder, { name, extension, keep })
    opened.on('ready', prune)
    // A full disk ends the log, not the node.
    opened.once('error', (error: Error) =>
      process.stderr.write(`the log file ${file} is not written: ${error.message}\n`)
    )
    opened.on('error', () => {})
    return { write: (line) => void opened.write(line), close: () => opened.destroy() }
  } catch (error) {
    throw new DdmError('config', `cannot open the log file ${file}: ${errnoOf(error) ?? 'unknown reason'}`, {
      cause: error
    })
  }
}

function removeOldest(
  folder: string,
  { name, extension, keep }: { name: string; extension: string; keep: number }
): void {
  const numbers = readdirSync(folder)
    .filter((file) => file.startsWith(`${name}.`) && file.endsWith(extension))
    .map((file) => file.slice(name.length + 1, file.length - extension.length))
    .filter((number) => /^[1-9][0-9]{0,14}$/.test(number))
    .map(Number)
    .sort((a, b) => b - a)
  for (const number of numbers.slice(keep)) rmSync(join(folder, `${name}.${number}${extension}`), { force: true })
}

import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { type AbortOptions, type DataSource, DdmError, type SourceRecord } from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import { type Line, LineSplitter, readLine } from './lines.ts'
import { badLine, fileError, type ProblemOptions, problems } from './problems.ts'

const POLL_MS = 200

const CHUNK_BYTES = 64 * 1024

/** Of the start of a file: another one with the same inode must not be taken for it. */
const HEAD_BYTES = 256

const COMPRESSED = /\.(gz|bz2|xz|zst)$/

/**
 * A file of JSON lines that grows, read from its start and then followed. It may be renamed and made anew (the old one is
 * read to its end first) or cut to nothing. A run that begins later goes on with the line after the last one, in the
 * renamed file when it is still in the folder under a name that begins like this one (`air.log.1`).
 *
 * @example
 * ```ts
 * const source = tail('/var/log/air.log', { onError: 'skip' })
 * ```
 *
 * @throws DdmError when read: `notFound` when there is no such file at the start, `badRecord` naming the line
 */
export function tail(path: string, options: ProblemOptions = {}): DataSource {
  const whole = resolve(path)
  return {
    name: `tail:${whole}`,
    finite: false,
    records: ({ signal, from } = {}) => follow(whole, from, options, { ...(signal && { signal }) })
  }
}

async function* follow(
  path: string,
  from: string | undefined,
  options: ProblemOptions,
  abort: AbortOptions
): AsyncGenerator<SourceRecord> {
  throwIfAborted(abort)
  const { signal } = abort
  const problem = problems(options)
  let file: OpenFile | undefined
  /** Everything before it was read. */
  let last = from
  try {
    for (let everOpened = false; ; ) {
      for (const next of await startAt(path, last, everOpened ? undefined : options.onProblem)) {
        file = await OpenFile.open(next, everOpened)
        // It was renamed since it was looked for: look again.
        if (file === undefined) break
        everOpened = true
        for await (const { line, position, number } of linesOf(file, next.isLast ? path : undefined, abort)) {
          last = position
          const record = readLine(line)
          if (typeof record === 'string') problem(badLine(path, number, record))
          else if (record !== undefined) yield { ...record, position }
        }
        last = file.position(file.offset)
        await file.close()
      }
      if (file === undefined) await delay(POLL_MS, undefined, { ...abort })
    }
  } catch (error) {
    throw signal?.aborted === true ? abortedBy(signal) : fileError(path, error)
  } finally {
    await file?.close()
  }
}

interface PlacedLine {
  line: Line
  /** Where it ends. */
  position: string
  /** Counted from where reading began. */
  number: number
}

/** @param followed - the name under which the file grows; without one it ends at its end */
async function* linesOf(
  file: OpenFile,
  followed: string | undefined,
  { signal }: AbortOptions
): AsyncGenerator<PlacedLine> {
  let splitter = new LineSplitter()
  let end = file.offset
  let number = 0
  const place = (line: Line): PlacedLine => {
    end += line.length
    number += 1
    return { line, position: file.position(end), number }
  }
  let isLast = followed === undefined
  for (;;) {
    signal?.throwIfAborted()
    const chunk = await file.read()
    if (chunk.byteLength > 0) {
      for (const line of splitter.push(chunk)) yield place(line)
    } else if (isLast) {
      for (const line of splitter.end()) yield place(line)
      return
    } else if (followed !== undefined && (await file.wasRenamed(followed))) {
      // Something may have been written since it was read.
      isLast = true
    } else if (await file.wasCut()) {
      file.rewind()
      splitter = new LineSplitter()
      end = 0
      number = 0
    } else {
      await delay(POLL_MS, undefined, signal === undefined ? {} : { signal })
    }
  }
}

interface Start {
  path: string
  offset: number
  /** Undefined when any file will do. */
  inode?: bigint
  /** Whether it is followed. */
  isLast: boolean
}

/** The files to read in order, the last one being followed. */
async function startAt(
  path: string,
  from: string | undefined,
  onProblem: ProblemOptions['onProblem']
): Promise<Start[]> {
  const anew = { path, offset: 0, isLast: true }
  if (from === undefined) return [anew]
  const [, inode, offset = '', sum] = /^([0-9]{1,20}):([0-9]{1,15}):([0-9a-f]{1,8})$/.exec(from) ?? []
  if (inode === undefined) throw new DdmError('usage', `tail:${path}: "${from}" is not a position of this source`)
  const isSame = async (name: string): Promise<boolean> => (await sumAt(name, Number(offset))) === sum
  const names = (await readdir(dirname(path))).filter(
    (name) => name.startsWith(`${basename(path)}.`) || name.startsWith(`${basename(path)}-`)
  )
  const candidates = [path, ...names.filter((name) => !COMPRESSED.test(name)).map((name) => join(dirname(path), name))]
  const known = await Promise.all(
    candidates.map(async (name) => ({ path: name, stat: await stat(name, { bigint: true }).catch(() => undefined) }))
  )
  for (const { path: name, stat: found } of known) {
    if (found === undefined || String(found.ino) !== inode || !(await isSame(name))) continue
    const first = { path: name, offset: Number(offset), inode: found.ino, isLast: name === path }
    if (first.isLast) return [first]
    const later = known
      .flatMap((one) =>
        one.stat === undefined || one.path === path || !one.stat.isFile() ? [] : [{ ...one, stat: one.stat }]
      )
      .filter((one) => one.stat.mtimeNs > found.mtimeNs)
      .sort((a, b) => (a.stat.mtimeNs < b.stat.mtimeNs ? -1 : 1))
      .map((one) => ({ path: one.path, offset: 0, inode: one.stat.ino, isLast: false }))
    return [first, ...later, anew]
  }
  onProblem?.(new DdmError('notFound', `${path}: the file that was read before is gone; lines may be missing`))
  return [anew]
}

/** Undefined when the file is not that long. */
async function sumAt(path: string, offset: number): Promise<string | undefined> {
  const file = await open(path).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    return size < offset ? undefined : sumOf(await headOf(file, offset))
  } finally {
    await file.close()
  }
}

async function headOf(file: FileHandle, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_BYTES), 0, Math.min(length, HEAD_BYTES), 0)
  return buffer.subarray(0, bytesRead)
}

function sumOf(bytes: Uint8Array): string {
  return crc32(bytes).toString(16)
}

class OpenFile {
  readonly #file: FileHandle
  readonly #inode: bigint
  #head: Buffer
  offset: number

  private constructor(file: FileHandle, inode: bigint, head: Buffer, offset: number) {
    this.#file = file
    this.#inode = inode
    this.#head = head
    this.offset = offset
  }

  /** Undefined when another file has the name now, or none has, which is an error only at the start. */
  static async open({ path, offset, inode }: Start, mayBeGone: boolean): Promise<OpenFile | undefined> {
    const file = await open(path).catch((error: NodeJS.ErrnoException) => {
      if (mayBeGone && error.code === 'ENOENT') return undefined
      throw error
    })
    if (file === undefined) return undefined
    const { ino } = await file.stat({ bigint: true })
    if (inode === undefined || ino === inode) return new OpenFile(file, ino, await headOf(file, offset), offset)
    await file.close()
    return undefined
  }

  async read(): Promise<Buffer> {
    const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, this.offset)
    const chunk = buffer.subarray(0, bytesRead)
    if (this.#head.byteLength < HEAD_BYTES) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES - this.#head.byteLength)])
    }
    this.offset += bytesRead
    return chunk
  }

  /** Where a line ends, and in which file. */
  position(end: number): string {
    return `${this.#inode}:${end}:${sumOf(this.#head.subarray(0, end))}`
  }

  /** Another file has its name. While none has, this one goes on. */
  async wasRenamed(path: string): Promise<boolean> {
    const found = await stat(path, { bigint: true }).catch(() => undefined)
    return found !== undefined && found.ino !== this.#inode
  }

  async wasCut(): Promise<boolean> {
    return (await this.#file.stat()).size < this.offset
  }

  rewind(): void {
    this.offset = 0
    this.#head = Buffer.alloc(0)
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => {})
  }
}

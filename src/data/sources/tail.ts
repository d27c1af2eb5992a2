import type { BigIntStats } from 'node:fs'
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
    for (let read: bigint | undefined; ; ) {
      let renamed = false
      for (const next of await startAt(path, { from: last, read, onProblem: options.onProblem }, abort)) {
        file = await OpenFile.open(next)
        // It was renamed since it was looked for: look again.
        if (file === undefined) break
        for await (const { line, position, number } of linesOf(file, next.isLast ? path : undefined, abort)) {
          last = position
          const record = readLine(line)
          if (typeof record === 'string') problem(badLine(path, number, record))
          else if (record !== undefined) yield { ...record, position }
        }
        last = file.position(file.offset)
        read = await file.modified()
        await file.close()
        renamed = next.isLast
      }
      if (!renamed) await delay(POLL_MS, undefined, { ...abort })
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

interface Found {
  path: string
  stat: BigIntStats
}

interface Standing {
  from: string | undefined
  onProblem: ProblemOptions['onProblem']
  /** When the file that was read last by this run was written; undefined when none was. */
  read: bigint | undefined
}

/** The files to read in order; the last one is followed, unless none has the name now. */
async function startAt(path: string, { from, read, onProblem }: Standing, { signal }: AbortOptions): Promise<Start[]> {
  const anew = { path, offset: 0, isLast: true }
  if (from === undefined) return [anew]
  const [, inode, offset = '', sum] = /^([0-9]{1,20}):([0-9]{1,15}):([0-9a-f]{1,8})$/.exec(from) ?? []
  if (inode === undefined) throw new DdmError('usage', `tail:${path}: "${from}" is not a position of this source`)
  let files = await filesOf(path)
  let place: Found | undefined
  for (;;) {
    signal?.throwIfAborted()
    place = undefined
    for (const file of files) {
      if (String(file.stat.ino) === inode && (await sumAt(file.path, Number(offset))) === sum) place ??= file
    }
    // What was renamed meanwhile may have been missed, or be seen under another one's name.
    const now = await filesOf(path)
    if (namesOf(now) === namesOf(files)) break
    files = now
  }
  const first = place && {
    path: place.path,
    offset: Number(offset),
    inode: place.stat.ino,
    isLast: place.path === path
  }
  if (first?.isLast === true) return [first]
  // One that was read to its end and is gone now does not take those after it along.
  const since = place?.stat.mtimeNs ?? read
  if (since === undefined) {
    onProblem?.(new DdmError('notFound', `${path}: the file that was read before is gone; lines may be missing`))
    return [anew]
  }
  const later = files
    .filter((file) => file.path !== path && file.stat.mtimeNs > since)
    .sort((a, b) => (a.stat.mtimeNs < b.stat.mtimeNs ? -1 : 1))
  const rest = [...later, ...files.filter((file) => file.path === path)]
  return [
    ...(first === undefined ? [] : [first]),
    ...rest.map((file) => ({ path: file.path, offset: 0, inode: file.stat.ino, isLast: file.path === path }))
  ]
}

/** The file, and those in its folder that may have been it. */
async function filesOf(path: string): Promise<Found[]> {
  const names = (await readdir(dirname(path))).filter(
    (name) => (name.startsWith(`${basename(path)}.`) || name.startsWith(`${basename(path)}-`)) && !COMPRESSED.test(name)
  )
  const found = await Promise.all(
    [path, ...names.map((name) => join(dirname(path), name))].map(async (name) => {
      const stats = await stat(name, { bigint: true }).catch(() => undefined)
      return stats === undefined || (name !== path && !stats.isFile()) ? [] : [{ path: name, stat: stats }]
    })
  )
  return found.flat()
}

function namesOf(files: readonly Found[]): string {
  return files.map(({ path, stat: { ino } }) => `${ino} ${path}`).join('\n')
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

  /** Undefined when another file has the name now, or none has, which is an error where any would do. */
  static async open({ path, offset, inode }: Start): Promise<OpenFile | undefined> {
    const file = await open(path).catch((error: NodeJS.ErrnoException) => {
      if (inode !== undefined && error.code === 'ENOENT') return undefined
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

  async modified(): Promise<bigint> {
    return (await this.#file.stat({ bigint: true })).mtimeNs
  }

  rewind(): void {
    this.offset = 0
    this.#head = Buffer.alloc(0)
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => {})
  }
}

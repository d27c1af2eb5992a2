import type { Writable } from 'node:stream'
import { DdmError, printable, printableJson } from '../interface/index.ts'

/** How often a line of progress moves. */
const WATCH_MS = 250

export interface OutputFlags {
  json?: boolean
  quiet?: boolean
}

export interface Streams {
  stdout: Writable & { isTTY?: boolean; columns?: number }
  stderr: Writable & { isTTY?: boolean; columns?: number }
}

/** Bigints are decimal strings outside memory. */
function encode(value: unknown): string {
  return printableJson(JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part)))
}

/**
 * Everything a command says. Results go to stdout: text for people, or with `--json` one object per line. Progress goes to
 * stderr and only when a person looks at it.
 */
export class Output {
  readonly json: boolean
  readonly #quiet: boolean
  readonly #streams: Streams
  readonly #stop: AbortSignal | undefined
  /** Lines of progress that stand on the terminal now. */
  #shown = 0

  /** @param stop - aborted when the command shall end */
  constructor({ json = false, quiet = false }: OutputFlags = {}, streams: Streams = process, stop?: AbortSignal) {
    this.json = json
    this.#quiet = quiet
    this.#streams = streams
    this.#stop = stop
  }

  /** Whether progress is shown: a terminal, nobody asked for silence, and the command shall go on. */
  get live(): boolean {
    return this.#streams.stderr.isTTY === true && !this.#quiet && !this.json && this.#stop?.aborted !== true
  }

  /** A result: `value` for programs, `lines` for people. */
  result(value: unknown, ...lines: string[]): void {
    this.#clear()
    if (this.json) this.#streams.stdout.write(`${encode(value)}\n`)
    else for (const line of lines) this.#streams.stdout.write(`${printable(line)}\n`)
  }

  /** What happens meanwhile: `event` for programs on stdout, a line for people on stderr; silent with `--quiet`. */
  event(event: { event: string } & Record<string, unknown>, line?: string): void {
    if (this.json) this.#streams.stdout.write(`${encode(event)}\n`)
    else if (line !== undefined) this.note(line)
  }

  /** A line on stderr for people; programs read results. */
  note(line: string): void {
    if (this.#quiet || this.json) return
    this.#clear()
    this.#streams.stderr.write(`${printable(line)}\n`)
  }

  /** A value for programs that must not mix with the records on stdout; `lines` for people. */
  aside(value: unknown, ...lines: string[]): void {
    if (this.json) this.#streams.stderr.write(`${encode(value)}\n`)
    else for (const line of lines) this.note(line)
  }

  /** Replaces the progress shown before. Only on a terminal. */
  progress(...lines: string[]): void {
    if (!this.live) return
    this.#clear()
    const width = Math.max(20, (this.#streams.stderr.columns || 80) - 1)
    for (const line of lines) this.#streams.stderr.write(`${printable(line).slice(0, width)}\n`)
    this.#shown = lines.length
  }

  /** Keeps a line of progress up to date; returns what ends it. */
  watch(line: () => string): () => void {
    if (!this.live) return () => {}
    const timer = setInterval(() => this.progress(line()), WATCH_MS)
    return () => clearInterval(timer)
  }

  /** Says at a terminal what takes long, and for how long it does already. */
  async during<T>(what: string, work: Promise<T>): Promise<T> {
    const start = performance.now()
    const end = this.watch(() => `${what} … ${Math.floor((performance.now() - start) / 1_000)} s`)
    try {
      return await work
    } finally {
      end()
      this.#clear()
    }
  }

  /** One line, never a stack; with `debug` the stack of what nobody expected. */
  error(error: unknown, { debug = false }: { debug?: boolean } = {}): void {
    this.#clear()
    const expected = error instanceof DdmError
    const message = expected || error instanceof Error ? error.message : String(error)
    const code = expected ? error.code : 'internal'
    if (this.json) {
      const details = expected ? error.details : {}
      this.#streams.stderr.write(`${encode({ error: { code, message, details } })}\n`)
    } else {
      const hint = expected || debug ? '' : ' (unexpected; --log-level debug shows where)'
      this.#streams.stderr.write(`ddm: ${printable(message)}${hint}\n`)
    }
    if (debug && error instanceof Error && (!expected || error.cause !== undefined)) {
      for (const line of stackOf(error)) this.#streams.stderr.write(`  ${printable(line)}\n`)
    }
  }

  /** Resolves when everything written has left; also when nobody reads it any more. */
  async flush(): Promise<void> {
    const { stdout, stderr } = this.#streams
    await Promise.all(
      [stdout, stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve())))
    )
  }

  #clear(): void {
    if (this.#shown === 0) return
    this.#streams.stderr.write(`\u001b[${this.#shown}A\u001b[J`)
    this.#shown = 0
  }
}

function stackOf(error: Error): string[] {
  const own = (error.stack ?? error.message).split('\n')
  return error.cause instanceof Error ? [...own, 'caused by:', ...stackOf(error.cause)] : own
}

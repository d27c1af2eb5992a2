import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { DdmError, type ErrorCode, EXIT_CODES } from '../../interface/index.ts'

/** A node closes its sessions and stores first; after this it is killed. */
const STOP_TIMEOUT_MS = 12_000

/** What this process runs: the program of the package or of a clone. */
const PROGRAM = process.argv[1] ?? ''

/** One line of a process's stdout. */
export type ChildEvent = { event: string } & Record<string, unknown>

export interface ChildInit {
  /** `seller`: what messages call it. */
  name: string
  args: string[]
  /** Where its stderr goes. */
  log: string
  onEvent?: (event: ChildEvent) => void
}

/**
 * A `ddm` process of its own, heard through its stdout. It has a process group of its own (Ctrl-C reaches only the demo,
 * which stops its processes in order) and an IPC channel, so that it ends when the demo is gone, `kill -9` included.
 */
export class Child {
  readonly #process: ChildProcess
  readonly #waiting = new Set<{ event: string; resolve: (event: ChildEvent) => void }>()
  readonly #seen = new Map<string, ChildEvent>()
  readonly #failed = Promise.withResolvers<never>()
  readonly #exited = Promise.withResolvers<void>()
  #stopping = false

  constructor({ name, args, log, onEvent }: ChildInit) {
    const stderr = openSync(log, 'w', 0o600)
    this.#process = spawn(process.execPath, [...process.execArgv, PROGRAM, ...args, '--json'], {
      stdio: ['ignore', 'pipe', stderr, 'ipc'],
      detached: process.platform !== 'win32'
    })
    closeSync(stderr)
    const kill = (): void => {
      this.#process.kill('SIGKILL')
    }
    process.once('exit', kill)
    this.#process.once('close', (code) => {
      process.off('exit', kill)
      if (!this.#stopping) this.#failed.reject(failureOf(name, code, log))
      this.#exited.resolve()
    })
    this.#process.once('error', (cause) => {
      this.#failed.reject(new DdmError('internal', `the ${name} process could not be started`, { cause }))
      this.#exited.resolve()
    })
    this.#failed.promise.catch(() => {})
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => this.#onLine(line, onEvent))
  }

  get running(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Rejects when the process ends without being told to. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /** The first event of that name; rejects when the process ends before it. */
  async event(name: string, signal: AbortSignal): Promise<ChildEvent> {
    const seen = this.#seen.get(name)
    if (seen !== undefined) return seen
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    const arrived = new Promise<ChildEvent>((resolve) => this.#waiting.add({ event: name, resolve }))
    try {
      return await Promise.race([arrived, this.failed, aborted])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Resolves when the process has ended by itself, with code 0; rejects when it failed. */
  async ended(signal: AbortSignal): Promise<void> {
    const kill = (): void => {
      this.#process.kill('SIGTERM')
    }
    signal.addEventListener('abort', kill, { once: true })
    await this.#exited.promise
    signal.removeEventListener('abort', kill)
    if (this.#process.exitCode !== 0) await this.failed
  }

  /** Asks the process for something; the answer is an event. */
  request(name: string): void {
    this.#process.send({ request: name })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (!this.running) return
    this.#process.kill('SIGTERM')
    const hard = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#exited.promise
    clearTimeout(hard)
  }

  #onLine(line: string, onEvent: ChildInit['onEvent']): void {
    let event: ChildEvent
    try {
      event = JSON.parse(line) as ChildEvent
    } catch {
      return
    }
    onEvent?.(event)
    this.#seen.set(event.event, event)
    for (const waiter of this.#waiting) {
      if (waiter.event !== event.event) continue
      this.#waiting.delete(waiter)
      waiter.resolve(event)
    }
  }
}

/** What the process said last of why it ended. */
function failureOf(name: string, code: number | null, log: string): DdmError {
  const said = readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return (JSON.parse(line) as { error?: { code: ErrorCode; message: string } }).error ?? []
      } catch {
        return []
      }
    })
    .at(-1)
  if (said === undefined || !Object.hasOwn(EXIT_CODES, said.code)) {
    return new DdmError('internal', `the ${name} process ended with code ${code}; its log is ${log}`)
  }
  return new DdmError(said.code, `the ${name} process: ${said.message}`)
}

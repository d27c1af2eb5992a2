import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { DdmError, type ErrorCode } from '../../interface/index.ts'

/** A node closes its sessions and stores first; after this it is killed. */
const STOP_TIMEOUT_MS = 12_000

/** One line of a child's stdout. */
export type ChildEvent = { event: string } & Record<string, unknown>

export interface ChildInit {
  /** `seller`: what messages call it. */
  name: string
  args: string[]
  /** Where its stderr goes. */
  log: string
  onEvent?: (event: ChildEvent) => void
}

/** The source or the compiled program, whichever this is. */
const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url))

/**
 * A `ddm` process of its own, heard through its stdout. It has a process group of its own (Ctrl-C reaches only the demo,
 * which stops its processes in order) and an IPC channel, so that it ends when the demo is gone, `kill -9` included.
 */
export class Child {
  readonly name: string
  readonly #process: ChildProcess
  readonly #log: string
  readonly #waiting = new Set<{ event: string; resolve: (event: ChildEvent) => void; reject: (error: Error) => void }>()
  readonly #exited: Promise<void>
  #stopping = false
  #failure: Error | undefined

  constructor({ name, args, log, onEvent }: ChildInit) {
    this.name = name
    this.#log = log
    this.#process = spawn(process.execPath, [...process.execArgv, MAIN, ...args, '--json'], {
      stdio: ['ignore', 'pipe', openSync(log, 'w', 0o600), 'ipc'],
      detached: process.platform !== 'win32'
    })
    const kill = (): void => {
      this.#process.kill('SIGKILL')
    }
    process.once('exit', kill)
    this.#exited = new Promise((resolve) => {
      const ended = (code: number | null): void => {
        process.off('exit', kill)
        if (!this.#stopping) this.#fail(code)
        resolve()
      }
      this.#process.once('exit', ended)
      this.#process.once('error', () => ended(null))
    })
    createInterface(this.#process.stdout as NodeJS.ReadableStream).on('line', (line) => this.#onLine(line, onEvent))
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && this.#process.pid !== undefined
  }

  /** The next event of that name; rejects when the process ends first. */
  next(event: string, signal: AbortSignal): Promise<ChildEvent> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const waiter = { event, resolve, reject }
      this.#waiting.add(waiter)
      const onAbort = (): void => reject(signal.reason)
      if (signal.aborted) onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Asks the process to do something; its answer is an event. */
  request(name: string): void {
    this.#process.send({ request: name })
  }

  /** Rejects when the process ends without being told to. */
  get failed(): Promise<never> {
    return this.next('', AbortSignal.abort()).catch(() => this.#exited).then(() => Promise.reject(this.#failure)) as Promise<never>
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (!this.running) return
    this.#process.kill('SIGTERM')
    const hard = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#exited
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
    for (const waiter of this.#waiting) {
      if (waiter.event !== event.event) continue
      this.#waiting.delete(waiter)
      waiter.resolve(event)
    }
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { peerFile } from '../support/peer-file.ts'
import type { Answered, Arm, Failure, PeerInit } from './child.ts'

/** How a process ended. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
}

/** The process that was asked is gone. */
export class Gone extends Error {}

/** What was asked failed there. */
export class Failed extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.stack)
    this.failure = failure
  }
}

/** A seller or buyer process as its parent holds it. */
export class Peer {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  #next = 0
  #stderr = ''
  readonly exited: Promise<Exit>

  constructor(file: string, init: PeerInit, environment: NodeJS.ProcessEnv) {
    this.#child = fork(peerFile(file, import.meta.url), [JSON.stringify(init)], {
      serialization: 'advanced',
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
    this.#child.on('message', ({ id, result, error }: Answered) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result as never)
      else waiting?.reject(new Failed(error))
    })
    this.#child.on('error', () => {})
    // Not `close`: it does not come after `disconnect`.
    this.exited = once(this.#child, 'exit').then(async ([code, signal]) => {
      for (const { reject } of this.#waiting.values()) reject(new Gone(`${file} is gone`))
      this.#waiting.clear()
      if (this.#child.stderr?.closed === false) await once(this.#child.stderr, 'close')
      return { code, signal, stderr: this.#stderr } as Exit
    })
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  ask<T = void>(type: string, content?: unknown): Promise<T> {
    const id = this.#next++
    return new Promise<T>((resolve, reject) => {
      if (!this.alive || !this.#child.connected) {
        reject(new Gone(`nobody to ask ${type}`))
        return
      }
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, type, content }, (error) => {
        if (error === null || !this.#waiting.delete(id)) return
        reject(new Gone(error.message))
      })
    })
  }

  arm(to: Arm | undefined): Promise<void> {
    return this.ask('arm', to)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Orderly; by force when that takes too long. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    const force = setTimeout(() => this.kill(), 5000)
    await this.exited
    clearTimeout(force)
  }
}

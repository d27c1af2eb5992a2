import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

/** Real servers for tests: processes of their own on free ports, gone when the test ends. */

/** Debian keeps servers where only root looks. */
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']

/** The program, or undefined after the test was told that it is skipped; under CI its absence is a failure. */
export function programOrSkip(t: Pick<TestContext, 'skip'>, name: string, folders = FOLDERS): string | undefined {
  const found = folders.map((folder) => join(folder, name)).find(isProgram)
  if (found === undefined) {
    const text = `${name} is not installed: .ci/install-servers installs it`
    if (process.env.CI === 'true') throw new Error(text)
    t.skip(text)
  }
  return found
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export interface RunningServer {
  readonly port: number
  /** @param signal - SIGKILL without one, as a power cut */
  kill: (signal?: NodeJS.Signals) => Promise<void>
  /** After kill: again on the same port with the same data. */
  start: () => Promise<void>
}

export interface ServerInit {
  command: string
  arguments: string[]
  port: number
  /** Of the process, where it must not be ours. */
  uid?: number
  gid?: number
  /** Waits beyond the open port. */
  ready?: () => Promise<void>
}

/** Starts a server, waits until its port is open, and kills it when the test ends. */
export async function startServer(t: Pick<TestContext, 'after'>, init: ServerInit): Promise<RunningServer> {
  const { command, port, uid, gid, ready = async () => {} } = init
  let child: ChildProcess | undefined
  let errors = ''
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  const start = async (): Promise<void> => {
    const started = spawn(command, init.arguments, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid })
    })
    child = started
    for (const output of [started.stdout, started.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => {
        errors = (errors + text).slice(-2_000)
      })
    }
    while (!(await isOpen(port))) {
      if (started.exitCode !== null) throw new Error(`${command} ended with ${started.exitCode}: ${errors}`)
      await delay(20)
    }
    await ready()
  }
  const onExit = (): void => void child?.kill('SIGKILL')
  process.once('exit', onExit)
  t.after(async () => {
    process.off('exit', onExit)
    await kill()
  })
  await start()
  return { port, kill, start }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

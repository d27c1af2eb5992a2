import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { EXIT_CODES } from '../../src/interface/index.ts'

/** The command line as a user has it: processes of their own, heard through stdout, stderr and exit code. */

/** What `npm test` has just built, as it is published; for a test that is run by itself the source. */
export const BIN = fileURLToPath(new URL(`../../${process.env.TEST_PROGRAM ?? 'bin/ddm.js'}`, import.meta.url))
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  input?: string
  cwd?: string
  /** Beside what the test itself has. */
  env?: Record<string, string>
  /** Called with the process, to send signals or close streams. */
  onStart?: (child: ChildProcess) => void
}

/** The environment without what would configure a node: a test says everything itself. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DDM_')))
}

const running = new Set<ChildProcess>()
process.once('exit', () => killRunning('SIGKILL'))
// What a failed test left running would keep its file from ending for ever.
after(() => {
  setTimeout(killRunning, 20_000, 'SIGTERM').unref()
  setTimeout(killRunning, 30_000, 'SIGKILL').unref()
})
function killRunning(signal: NodeJS.Signals): void {
  for (const child of running) child.kill(signal)
}

function start(args: string[], { cwd, env }: Pick<RunOptions, 'cwd' | 'env'>): ChildProcess {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: 'pipe', env: { ...environment(), ...env }, cwd })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Runs a command to its end. */
export async function ddm(args: string[], { input, onStart, ...where }: RunOptions = {}): Promise<Ran> {
  const child = start(args, where)
  const ran: Ran = { code: null, stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    ran.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    ran.stderr += text
  })
  child.stdin?.on('error', () => {})
  child.stdin?.end(input ?? '')
  onStart?.(child)
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { ...ran, code: signal === null ? code : null }
}

export interface Server {
  readonly pid: number
  /** The first event of that name; rejects with stderr when the process ends before it. */
  event: (name: string) => Promise<Record<string, unknown>>
  /** Everything it has said. */
  readonly said: { events: Array<Record<string, unknown>>; stderr: string }
  readonly exited: Promise<Ran>
  /** SIGTERM, and its exit. */
  stop: () => Promise<Ran>
}

/** Starts a command that runs until it is stopped. */
export function serve(args: string[], { input, ...where }: RunOptions = {}): Server {
  const child = start([...args, '--json'], where)
  const said: Server['said'] = { events: [], stderr: '' }
  let stdout = ''
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const look of waiting) look()
  }
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    stdout += `${line}\n`
    said.events.push(JSON.parse(line) as Record<string, unknown>)
    wake()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text
  })
  child.stdin?.on('error', () => {})
  if (input !== undefined) child.stdin?.end(input)
  const exited = once(child, 'close').then(([code]): Ran => {
    setImmediate(wake)
    return { code: code as number | null, stdout, stderr: said.stderr }
  })
  return {
    pid: child.pid ?? 0,
    said,
    exited,
    event: (name) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = said.events.find(({ event }) => event === name)
          if (found === undefined && child.exitCode === null && child.signalCode === null) return
          waiting.delete(look)
          if (found === undefined) reject(new Error(`${args[0]} ended before "${name}": ${said.stderr}`))
          else resolve(found)
        }
        waiting.add(look)
        look()
      }),
    stop: () => {
      child.kill('SIGTERM')
      return exited
    }
  }
}

/** A chain, a bootstrap node and a folder for homes; every process joined only by the profile file. */
export interface Network {
  folder: string
  profile: string
  rpc: string
  chain: Server
  bootstrap: Server
  /** Flags of a home in this network. */
  as: (name: string) => string[]
  file: (name: string, content: string) => Promise<string>
  close: () => Promise<void>
}

export async function startNetwork(): Promise<Network> {
  const folder = await mkdtemp(join(tmpdir(), 'ddm-cli-'))
  const profile = join(folder, 'network.json')
  const as = (name: string): string[] => [
    '--home',
    join(folder, name),
    '--network',
    profile,
    '--listen',
    LOOPBACK,
    '--insecure-dev-keys'
  ]
  const chain = serve(['chain', '--home', join(folder, 'chain'), '--profile', profile])
  const { rpc } = await chain.event('ready')
  // All processes of a test come from one address.
  const bootstrap = serve(['bootstrap', ...as('bootstrap'), '--set', 'inboundPerSecond=1000'])
  await bootstrap.event('ready')
  return {
    folder,
    profile,
    rpc: String(rpc),
    chain,
    bootstrap,
    as,
    file: async (name, content) => {
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, name), content)
      return join(folder, name)
    },
    close: async () => {
      await bootstrap.stop()
      await chain.stop()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** The error object that a command with --json leaves as its last line of stderr. */
export function errorOf({ stderr }: Pick<Ran, 'stderr'>): {
  code: string
  message: string
  details: Record<string, string>
} {
  const last = stderr.trimEnd().split('\n').at(-1) ?? ''
  return (JSON.parse(last) as { error: { code: string; message: string; details: Record<string, string> } }).error
}

/** The command ended with that code and said why, in one line and without a stack. */
export function refused(ran: Ran, code: keyof typeof EXIT_CODES, message: RegExp): void {
  assert.equal(ran.code, EXIT_CODES[code], ran.stderr)
  const error = errorOf(ran)
  assert.equal(error.code, code)
  assert.match(error.message, message)
  assert.doesNotMatch(ran.stderr, /\n\s+at /)
}

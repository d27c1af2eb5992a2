import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { AbortOptions } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'

/** anvil answers 60–155 ms after its start; a machine under load may need a while. */
const START_TIMEOUT_MS = 20_000
/** It writes its state before it exits. */
const STOP_TIMEOUT_MS = 10_000

/** Room for a claim of 200 vouchers many times over. */
const BLOCK_GAS_LIMIT = 60_000_000

const PLATFORMS: Record<string, string> = {
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-amd64',
  'linux-arm64': 'linux-arm64',
  'linux-x64': 'linux-amd64',
  'win32-x64': 'win32-amd64'
}

export interface LocalChainInit extends AbortOptions {
  /** @default a free port */
  port?: number
  /** @default '127.0.0.1' */
  host?: string
  /** File that keeps the chain between runs. @default none: each run starts a fresh chain */
  statePath?: string
  /** Seconds between blocks. @default a block per transaction */
  blockTime?: number
}

export interface LocalChain {
  readonly rpcUrl: string
  readonly wsUrl: string
  readonly port: number
  readonly pid: number
  /** Resolves when anvil has ended, whoever ended it. */
  readonly exited: Promise<void>
  /** Ends anvil and resolves when it is gone and its state, if kept, is written. */
  close: () => Promise<void>
}

function anvilBinary(): string {
  const platform = `${process.platform}-${process.arch}`
  const name = `@foundry-rs/anvil-${PLATFORMS[platform] ?? platform}`
  const file = process.platform === 'win32' ? 'bin/anvil.exe' : 'bin/anvil'
  try {
    // Resolved from anvil's own package: the platform packages are its optional dependencies, not ours.
    const require = createRequire(createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json'))
    return require.resolve(`${name}/${file}`)
  } catch (cause) {
    throw new DdmError(
      'config',
      `there is no anvil for ${platform}: the package ${name} is not installed. ` +
        'Install with optional dependencies, or use an RPC URL of another chain with `ddm deploy --rpc URL`',
      { cause, details: { platform } }
    )
  }
}

/**
 * Starts a local EVM chain (anvil) with ten funded dev accounts, chain ID 31337. It ends with this process, however this
 * process ends.
 *
 * @example
 * ```ts
 * const chain = await startLocalChain()
 * chain.rpcUrl // 'http://127.0.0.1:42323'
 * await chain.close()
 * ```
 *
 * @param init `signal` aborts the start and, later, ends the chain
 * @throws DdmError `portInUse`, `config` (no anvil for this platform), `aborted`
 */
export async function startLocalChain(init: LocalChainInit = {}): Promise<LocalChain> {
  const host = init.host ?? '127.0.0.1'
  if (init.signal?.aborted === true) throw new DdmError('aborted', 'the start of the local chain was stopped')
  const args = ['--host', host, '--port', String(init.port ?? 0)]
  // Genesis blocks of the same second would be the same but for this, and a fresh chain pass for an older one.
  args.push('--gas-limit', String(BLOCK_GAS_LIMIT + randomInt(1_000_000)))
  if (init.statePath !== undefined) args.push('--state', init.statePath)
  if (init.blockTime !== undefined) args.push('--block-time', String(init.blockTime))
  // In a process group of its own: Ctrl-C reaches us only, and we stop the chain last, after what still needs it.
  const child = spawn(anvilBinary(), args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const kill = (): void => {
    child.kill('SIGTERM')
  }
  process.once('exit', kill)
  const release = releaseWithParent(child)
  void exited.then(() => {
    process.removeListener('exit', kill)
    release()
  })
  const close = async (): Promise<void> => {
    child.kill('SIGTERM')
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(hard)
  }
  try {
    const port = await listening(child, host, init)
    init.signal?.addEventListener('abort', kill, { once: true })
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
    const rpcUrl = `http://${authority}`
    await silence(rpcUrl)
    return { rpcUrl, wsUrl: `ws://${authority}`, port, pid: child.pid ?? 0, exited, close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * A SIGKILL of this process runs no handler here, so a shell waits for the pipe to us to break and then ends anvil.
 */
function releaseWithParent(child: ChildProcess): () => void {
  if (process.platform === 'win32' || child.pid === undefined) return () => {}
  const guard = spawn('/bin/sh', ['-c', 'read -r _; kill "$1"', 'sh', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true
  })
  guard.on('error', () => {}) // without a shell only the exit handler is left
  guard.unref()
  return () => guard.kill('SIGKILL')
}

/** The port that anvil says it listens on. Its own word, because whoever answers on a given port may be another chain. */
async function listening(child: ChildProcess, host: string, init: LocalChainInit): Promise<number> {
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS)
  const signal = init.signal === undefined ? timeout : AbortSignal.any([init.signal, timeout])
  let output = ''
  const port = new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      if (output.length > 64 * 1024) return // its request log, drained for as long as it runs
      output += chunk.toString()
      const match = /Listening on \S*:(\d+)\s/.exec(output)
      if (match !== null) resolve(Number(match[1]))
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('error', (cause) => {
      reject(new DdmError('config', `anvil cannot be started: ${cause.message}`, { cause }))
    })
    child.once('exit', (code) => reject(startFailure(code, output, host, init)))
  })
  const stopped = once(signal, 'abort').then((): never => {
    throw init.signal?.aborted === true
      ? new DdmError('aborted', 'the start of the local chain was stopped')
      : new DdmError('unreachable', `anvil did not answer within ${START_TIMEOUT_MS / 1000} s: ${lastLines(output)}`)
  })
  return await Promise.race([port, stopped])
}

function startFailure(code: number | null, output: string, host: string, init: LocalChainInit): DdmError {
  if (/address (already )?in use|os error (98|48|10048)/i.test(output)) {
    return new DdmError(
      'portInUse',
      `port ${init.port} on ${host} is in use by another process; choose another one with --port, or stop that process`,
      { details: { port: init.port ?? 0, host } }
    )
  }
  const state = init.statePath === undefined ? '' : ` (chain state: ${init.statePath})`
  return new DdmError('config', `anvil ended at its start with code ${code}${state}: ${lastLines(output)}`)
}

function lastLines(output: string): string {
  return output.trim().split('\n').slice(-3).join(' ').slice(-400)
}

/** anvil prints every request; nobody reads that. */
async function silence(rpcUrl: string): Promise<void> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'anvil_setLoggingEnabled', params: [false] })
  const response = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  await response.arrayBuffer()
}

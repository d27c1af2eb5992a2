import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { foundryBinary } from './foundry.ts'

export interface AnvilOptions {
  /** TCP port on loopback. @default 0: any free port */
  port?: number
  /** @default 31337 */
  chainId?: number
  /** Seconds between blocks. @default a block per transaction */
  blockTime?: number
  /** Further flags, for instance `['--hardfork', 'cancun']` */
  args?: string[]
  /** Ends the start and, later, the chain */
  signal?: AbortSignal
}

export interface Anvil extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  url: string
  /** `ws://127.0.0.1:PORT` */
  wsUrl: string
  pid: number
  /** Resolves when the process has ended; harmless when called again */
  stop(): Promise<void>
}

/**
 * A fresh local chain in a process of its own, ready for requests. Its ten funded accounts come from the well-known
 * mnemonic `test test test test test test test test test test test junk`.
 *
 * @example
 * ```ts
 * await using anvil = await startAnvil()
 * const client = createPublicClient({ chain: foundry, transport: http(anvil.url) })
 * ```
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { port = 0, chainId = 31337, blockTime, args = [], signal } = options
  signal?.throwIfAborted()
  const flags = ['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId), ...args]
  if (blockTime !== undefined) flags.push('--block-time', String(blockTime))
  const child = spawn(foundryBinary('anvil'), flags, { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const kill = () => child.kill('SIGKILL')
  // A test run that ends early must not leave chains behind.
  process.once('exit', kill)
  signal?.addEventListener('abort', kill, { once: true })

  const stop = async () => {
    kill()
    await exited
    process.off('exit', kill)
    signal?.removeEventListener('abort', kill)
  }

  try {
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-2000)
    })
    const address = await Promise.race([
      listening(child.stdout),
      exited.then(([code, killed]) => {
        throw new Error(`anvil ended with ${code ?? killed} before it listened: ${errors.trim()}`)
      })
    ])
    return {
      url: `http://${address}`,
      wsUrl: `ws://${address}`,
      pid: child.pid ?? Number.NaN,
      stop,
      [Symbol.asyncDispose]: stop
    }
  } catch (error) {
    if (child.pid !== undefined) await stop()
    signal?.throwIfAborted()
    throw error
  }
}

/** The address anvil prints once its server is bound. Reading goes on afterwards, or a full pipe would block it. */
function listening(stdout: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => {
    createInterface(stdout).on('line', (line) => {
      const address = /^Listening on (\S+)/.exec(line)?.[1]
      if (address !== undefined) resolve(address)
    })
  })
}

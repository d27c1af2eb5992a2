import { DdmError } from '../src/interface/index.ts'
import { createBootstrap, resolveHome } from '../src/node/index.ts'

/**
 * Runs a bootstrap node until the signal, for service managers: everything comes from the variables and from
 * `config.json` and `network.json` in the home. Prints the addresses that belong into the profile, one per line.
 *
 * @example
 * ```sh
 * DDM_HOME=/var/lib/ddm DDM_PASSPHRASE_FILE=/run/secrets/ddm node bootstrap/main.ts
 * ```
 */
export async function runBootstrap(signal: AbortSignal, print: (line: string) => void = console.log): Promise<void> {
  const node = await createBootstrap({ home: resolveHome() }, { signal })
  for (const address of node.addresses()) print(address)
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  await node.stop()
}

async function main(): Promise<void> {
  const stopped = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort())
  try {
    await runBootstrap(stopped.signal)
  } catch (error) {
    if (stopped.signal.aborted) return
    const known = error instanceof DdmError
    console.error(known ? `ddm: ${error.message}` : error)
    process.exitCode = known ? error.exitCode : 1
  }
}

if (import.meta.main) await main()

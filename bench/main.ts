import { DdmError } from '../src/interface/index.ts'

/** npm run bench -- NAME [--json]: figures are measured side by side with their reference in the same run. */
const BENCHES: Record<string, () => Promise<{ run: (arguments_: string[]) => Promise<void> }>> = {
  stream: () => import('./stream.ts'),
  startup: () => import('./startup.ts'),
  payments: () => import('./payments.ts'),
  rails: () => import('./rails.ts'),
  fanout: () => import('./fanout.ts'),
  connectors: () => import('./connectors.ts'),
  peers: () => import('./peers.ts')
}

const [name, ...rest] = process.argv.slice(2)
const load = name === undefined ? undefined : BENCHES[name]
if (load === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json]\n`)
  process.exitCode = 2
} else {
  try {
    await (await load()).run(rest)
  } catch (error) {
    process.stderr.write(`${error instanceof DdmError ? error.message : (error as Error).stack}\n`)
    process.exitCode = 1
  }
}

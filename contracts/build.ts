/**
 * Compiles the contracts and writes what the rest of the code needs of them to `src/chain/abi.ts`.
 *
 * `node contracts/build.ts` writes the file, `node contracts/build.ts --check` exits 1 if the committed one is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const TARGET = new URL('../src/chain/abi.ts', import.meta.url)

/** Everything that is deployed or called by name. The order is the order in the file. */
const CONTRACTS = [
  ['src/ListingRegistry.sol', 'ListingRegistry'],
  ['src/ChannelEscrow.sol', 'ChannelEscrow'],
  ['src/Records.sol', 'Records'],
  ['src/collectors/Eip3009Collector.sol', 'Eip3009Collector'],
  ['src/collectors/AllowanceCollector.sol', 'AllowanceCollector'],
  ['src/test-token/TestToken.sol', 'TestToken']
] as const

interface Compiled {
  abi: object[]
  evm: {
    bytecode: { object: string }
    deployedBytecode: { object: string; immutableReferences?: Record<string, unknown> }
  }
}

interface CompilerOutput {
  errors?: { severity: 'error' | 'warning' | 'info'; formattedMessage: string; sourceLocation?: { file: string } }[]
  contracts?: Record<string, Record<string, Compiled>>
}

interface Compiler {
  version(): string
  compile(input: string, callbacks: { import(path: string): { contents: string } | { error: string } }): string
}

const require = createRequire(import.meta.url)

function readSource(path: string): string {
  return readFileSync(path.startsWith('@') ? require.resolve(path) : new URL(path, import.meta.url), 'utf8')
}

/** The value of a key in foundry.toml, the one place where compiler settings are written down. */
function setting(key: string): string {
  const value = new RegExp(`^${key} = "?([^"\\n]*)"?$`, 'm').exec(readSource('foundry.toml'))?.[1]
  if (value === undefined) throw new Error(`contracts/foundry.toml has no ${key}`)
  return value
}

export function compile(): string {
  const solc = require('solc') as Compiler
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(CONTRACTS.map(([path]) => [path, { content: readSource(path) }])),
    settings: {
      evmVersion: setting('evm_version'),
      viaIR: setting('via_ir') === 'true',
      optimizer: { enabled: setting('optimizer') === 'true', runs: Number(setting('optimizer_runs')) },
      metadata: { bytecodeHash: setting('bytecode_hash'), appendCBOR: setting('cbor_metadata') === 'true' },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode'] } }
    }
  }
  const importSource = (path: string): { contents: string } | { error: string } => {
    try {
      return { contents: readSource(path) }
    } catch (error) {
      return { error: String(error) }
    }
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: importSource })) as CompilerOutput
  // A warning in our own source stops the build; those in libraries are their authors' to judge.
  const problems = (output.errors ?? []).filter(
    ({ severity, sourceLocation }) =>
      severity === 'error' || (severity === 'warning' && !sourceLocation?.file.startsWith('@'))
  )
  if (problems.length > 0) throw new Error(problems.map((problem) => problem.formattedMessage).join('\n'))

  const modules = CONTRACTS.map(([path, name]) => {
    const compiled = output.contracts?.[path]?.[name]
    if (compiled === undefined) throw new Error(`solc made nothing of ${name} in ${path}`)
    return render(name, compiled)
  })
  return `// Written by contracts/build.ts with solc ${solc.version()}; do not edit.\n\n${modules.join('\n')}`
}

function render(name: string, { abi, evm }: Compiled): string {
  const prefix = `${name.charAt(0).toLowerCase()}${name.slice(1)}`
  const items = abi.map((item) => `  ${JSON.stringify(withoutInternalTypes(item))}`).join(',\n')
  const lines = [
    `export const ${prefix}Abi = [\n${items}\n] as const`,
    `export const ${prefix}Bytecode: \`0x\${string}\` = '0x${evm.bytecode.object}'`
  ]
  // Code with immutables differs per deployment, so only code without them can be compared with what a chain has.
  if (Object.keys(evm.deployedBytecode.immutableReferences ?? {}).length === 0) {
    lines.push(`export const ${prefix}DeployedBytecode: \`0x\${string}\` = '0x${evm.deployedBytecode.object}'`)
  }
  return `${lines.join('\n')}\n`
}

/** Solidity's own type names, which no client reads. */
function withoutInternalTypes(item: object): unknown {
  return JSON.parse(JSON.stringify(item, (key, value) => (key === 'internalType' ? undefined : value)))
}

if (import.meta.main) {
  const compiled = compile()
  if (!process.argv.includes('--check')) {
    writeFileSync(TARGET, compiled)
  } else if (readFileSync(TARGET, 'utf8') !== compiled) {
    console.error(`${fileURLToPath(TARGET)} is stale: run node contracts/build.ts and commit the result`)
    process.exitCode = 1
  }
}

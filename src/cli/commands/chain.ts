import { resolve } from 'node:path'
import { DdmError } from '../../interface/index.ts'
import { wholeNumber } from '../arguments.ts'
import { type Context, loadNode, type Register } from '../context.ts'
import { stopped } from '../stop.ts'

interface Options {
  port?: number
  host?: string
  name: string
  profile?: string
}

export const chain: Register = (program, act) => {
  program
    .command('chain')
    .description('run a local EVM chain with the contracts and a test token, and write its network profile')
    .option('--port <number>', 'TCP port (default: a free one)', wholeNumber(0, 65_535))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--name <name>', 'name of the network', 'local')
    .option('--profile <file>', 'also write the network profile to this file')
    .action(act(run))
}

async function run({ flags, output, signal }: Context, { port, host, name, profile }: Options): Promise<undefined> {
  const {
    createHome,
    createLogger,
    deployContracts,
    devAccounts,
    lockHome,
    resolveHome,
    startLocalChain,
    writeNetworkFile,
    writeProfile
  } = await loadNode()
  const paths = await createHome(resolveHome(flags.home))
  const lock = await lockHome(paths)
  const local = await startLocalChain({
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host })
  }).catch(async (error: unknown) => {
    await lock.release()
    throw error
  })
  try {
    const [deployer] = await devAccounts(1)
    const logger = createLogger({ level: flags.logLevel === 'debug' ? 'debug' : 'warn' })
    const deployed = await deployContracts(
      { rpcUrl: local.rpcUrl, privateKey: deployer?.privateKey ?? '0x', name, dev: true, logger },
      { signal }
    )
    await writeNetworkFile(paths, deployed)
    const file = profile === undefined ? paths.network : resolve(profile)
    if (profile !== undefined) await writeProfile(file, deployed)
    const { id, genesisHash } = deployed.chain
    const ready = {
      event: 'ready',
      rpc: local.rpcUrl,
      chainId: id,
      genesisHash,
      profile: file,
      contracts: deployed.contracts
    }
    output.result(
      ready,
      `Chain ${id} at ${local.rpcUrl}; a fresh one each time, with free test coins.`,
      `Network profile: ${file}`,
      `Next: ddm bootstrap --network ${file}`
    )
    await Promise.race([stopped(signal), local.exited])
    if (!signal.aborted)
      throw new DdmError('internal', 'the local chain ended by itself; the network has to start anew')
  } finally {
    await local.close()
    await lock.release()
  }
  return undefined
}

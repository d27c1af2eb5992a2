import { resolve } from 'node:path'
import { Option } from 'commander'
import { type Address, FEE_STYLES, type FeeStyle } from '../../interface/index.ts'
import { wholeNumber } from '../arguments.ts'
import { type Context, loadNode, nodeInit, type Register } from '../context.ts'

interface Options {
  rpc: string
  name: string
  token?: Address
  escrow?: Address
  confirmations?: number
  fees?: FeeStyle
  dev?: boolean
  profile?: string
}

export const deploy: Register = (program, act) => {
  program
    .command('deploy')
    .description('deploy the contracts to a chain, paid by the wallet of this home, and write the network profile')
    .requiredOption('--rpc <url>', 'URL of the chain')
    .option('--name <name>', 'name of the network', 'market')
    .option('--token <address>', 'ERC-20 with EIP-3009 in which this network pays, such as USDC')
    .option('--escrow <address>', 'existing escrow (default: a new one)')
    .option('--confirmations <number>', 'blocks after which something counts as final', wholeNumber(0, 10_000))
    .addOption(
      new Option(
        '--fees <style>',
        'transactions of EIP-1559, or legacy ones (default: as the chain has a base fee)'
      ).choices(FEE_STYLES)
    )
    .option('--dev', 'a local chain: paid by its first dev account, with a test token')
    .option('--profile <file>', 'also write the network profile to this file')
    .action(act(run))
}

async function run(context: Context, options: Options): Promise<undefined> {
  const { output, signal } = context
  const { createHome, createLogger, deployContracts, writeNetworkFile, writeProfile } = await loadNode()
  const { rpc, name, token, escrow, confirmations, fees, dev, profile } = options
  // A line of progress and lines of a log would overwrite each other.
  const init = await nodeInit(context, { logLevel: output.live ? 'error' : 'info' })
  const paths = await createHome(init.home)
  const logger = createLogger({ level: init.config?.logLevel ?? 'info' })
  const deploying = deployContracts(
    {
      rpcUrl: rpc,
      privateKey: await payerKey(context, dev === true),
      name,
      dev: dev === true,
      logger,
      ...(token === undefined ? {} : { token }),
      ...(escrow === undefined ? {} : { escrow }),
      ...(confirmations === undefined ? {} : { confirmations }),
      ...(fees === undefined ? {} : { fees })
    },
    { signal }
  )
  const deployed = await output.during(`Deploying the contracts of "${name}"`, deploying)
  await writeNetworkFile(paths, deployed)
  if (profile !== undefined) await writeProfile(resolve(profile), deployed, { signal })
  const file = profile === undefined ? paths.network : resolve(profile)
  output.result(
    { profile: file, ...deployed },
    `Contracts of "${name}" on chain ${deployed.chain.id}:`,
    ...Object.entries(deployed.contracts).map(([contract, address]) => `  ${contract.padEnd(20)}${address}`),
    `Network profile: ${file}`
  )
  return undefined
}

async function payerKey(context: Context, dev: boolean): Promise<`0x${string}`> {
  const { createHome, devAccounts, loadKeys, lockHome, passphraseFrom } = await loadNode()
  if (dev) return (await devAccounts(1))[0]?.privateKey ?? '0x'
  const init = await nodeInit(context, { logLevel: 'info' })
  const paths = await createHome(init.home)
  const lock = await lockHome(paths)
  try {
    const keys = await loadKeys(paths, {
      create: true,
      insecureDevKeys: init.insecureDevKeys === true,
      passphrase: init.passphrase ?? passphraseFrom()
    })
    context.output.note(`The wallet ${keys.wallet.address} pays for the deployment.`)
    return `0x${Buffer.from(keys.wallet.privateKey).toString('hex')}`
  } finally {
    await lock.release()
  }
}

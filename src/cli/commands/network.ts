import { resolve } from 'node:path'
import { DdmError, type NetworkProfile } from '../../interface/index.ts'
import { type Context, loadNode, type Register } from '../context.ts'

export const network: Register = (program, act) => {
  const group = program.command('network').description('the network that this home belongs to, as one file')
  group
    .command('export')
    .description('print the network profile of this home, or write it to a file: all that another machine needs')
    .argument('[file]', 'file to write')
    .action(act(exportProfile))
  group
    .command('join')
    .description('make this home part of the network that a profile file describes')
    .argument('<file>', 'network profile')
    .option('--force', 'leave the network that the home belongs to: its channels and listings stay on the old chain')
    .action(act(join))
  group
    .command('iota')
    .description('ask an IOTA node which network it serves, and write it into the network profile')
    .argument('<url>', 'JSON-RPC of the node')
    .option('--faucet <url>', 'faucet of a test network')
    .action(act(addIota))
}

async function exportProfile({ flags, output }: Context, file: string | undefined): Promise<undefined> {
  const { createHome, formatProfile, parseProfile, readNetworkFile, readProfile, resolveHome, writeProfile } =
    await loadNode()
  const paths = await createHome(resolveHome(flags.home))
  const known = await readNetworkFile(paths)
  if (flags.network === undefined && known === undefined) {
    throw new DdmError('config', `the home ${paths.root} has joined no network; "ddm network join FILE" does`)
  }
  const profile = flags.network === undefined ? parseProfile(known) : await readProfile(flags.network)
  if (file === undefined) {
    output.result(profile, ...formatProfile(profile).trimEnd().split('\n'))
    return undefined
  }
  await writeProfile(resolve(file), profile)
  output.result(
    { profile: resolve(file), name: profile.name },
    `Network profile of "${profile.name}": ${resolve(file)}`
  )
  return undefined
}

async function join({ flags, output }: Context, file: string, { force }: { force?: boolean }): Promise<undefined> {
  const { createHome, parseProfile, readNetworkFile, readProfile, resolveHome, writeNetworkFile } = await loadNode()
  const profile = await readProfile(resolve(file))
  const paths = await createHome(resolveHome(flags.home))
  const before = await readNetworkFile(paths)
  if (before !== undefined && force !== true) refuseToLeave(parseProfile(before), profile, paths.root)
  await writeNetworkFile(paths, profile)
  const { name, chain, bootstrap } = profile
  output.result(
    { joined: name, chainId: chain.id, genesisHash: chain.genesisHash, home: paths.root, bootstrap },
    `${paths.root} has joined "${name}": chain ${chain.id}, ${bootstrap.length} bootstrap address(es)`
  )
  return undefined
}

async function addIota(
  { flags, output, signal }: Context,
  url: string,
  { faucet }: { faucet?: string }
): Promise<undefined> {
  const node = await loadNode()
  const { createHome, iotaChainIdentifier, parseProfile, readNetworkFile, readProfile, resolveHome } = node
  const paths = await createHome(resolveHome(flags.home))
  const profile =
    flags.network === undefined ? parseProfile(await readNetworkFile(paths)) : await readProfile(flags.network)
  const chainIdentifier = await iotaChainIdentifier(url, { signal })
  const iota = { chainIdentifier, rpcUrl: url, ...(faucet === undefined ? {} : { faucetUrl: faucet }) }
  const next = parseProfile({ ...profile, iota })
  if (flags.network === undefined) await node.writeNetworkFile(paths, next)
  else await node.writeProfile(resolve(flags.network), next)
  output.result(
    { name: profile.name, iota },
    `"${profile.name}" pays in IOTA on network ${chainIdentifier}, through ${url}`
  )
  return undefined
}

/** Money of this home may be in the old network's escrow: nobody leaves it by accident. */
function refuseToLeave(before: NetworkProfile, next: NetworkProfile, home: string): void {
  const nameOf = ({ chain, contracts }: NetworkProfile): string =>
    `${chain.id} ${chain.genesisHash} ${contracts.escrow}`
  if (nameOf(before) === nameOf(next)) return
  throw new DdmError(
    'config',
    `the home ${home} belongs to "${before.name}" (chain ${before.chain.id}, genesis ${before.chain.genesisHash}), ` +
      `the file names "${next.name}" (chain ${next.chain.id}, genesis ${next.chain.genesisHash}); ` +
      'use another --home, or --force',
    { details: { before: before.chain.genesisHash, next: next.chain.genesisHash } }
  )
}

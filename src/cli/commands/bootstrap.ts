import { resolve } from 'node:path'
import { type Context, loadNode, nodeInit, type Register } from '../context.ts'
import { withPassphrase } from '../passphrase.ts'
import { stopped } from '../stop.ts'

export const bootstrap: Register = (program, act) => {
  program
    .command('bootstrap')
    .description('run a bootstrap node: entry to the network, relay, keeper of listings; adds itself to the profile')
    .action(act(run))
}

async function run(context: Context): Promise<undefined> {
  const { flags, output, signal } = context
  const { createBootstrap, createHome, parseProfile, readNetworkFile, readProfile, writeNetworkFile, writeProfile } =
    await loadNode()
  const init = await nodeInit(context, { logLevel: 'info' })
  const node = await withPassphrase(init, (complete) => createBootstrap(complete, { signal }), context)
  try {
    const paths = await createHome(init.home)
    const profile =
      flags.network === undefined
        ? parseProfile(await readNetworkFile(paths))
        : await readProfile(flags.network, { signal })
    // Whoever gets the profile from here finds this node; where it listened before no longer counts.
    const others = profile.bootstrap.filter((address) => !address.endsWith(`/p2p/${node.peerId}`))
    const joined = { ...profile, bootstrap: [...others, ...node.addresses()] }
    await writeNetworkFile(paths, joined)
    if (flags.network !== undefined) await writeProfile(resolve(flags.network), joined, { signal })
    const file = flags.network === undefined ? paths.network : resolve(flags.network)
    output.result(
      { event: 'ready', peerId: node.peerId, addresses: node.addresses(), profile: file },
      `Bootstrap node ${node.peerId}`,
      ...node.addresses().map((address) => `  ${address}`),
      `Network profile with these addresses: ${file}`,
      `Next: ddm network join ${file} --home ANOTHER_HOME`
    )
    await stopped(signal)
  } finally {
    await node.stop()
  }
  return undefined
}
